/**
 * Takes off trailers what is taken off headers: nothing may come after the body that may not come before it. They are looked over before
 * anybody sees them, whichever server the request came over.
 */
import type { InboundRequest } from '../../model/inbound.ts';

/** Whether a trailer stays, by its name in any case. */
export type TrailerTest = (name: string) => boolean;

type Trailers = Record<string, unknown>;

/** What Node's request objects have of trailers. */
interface WithTrailers {
  readonly complete?: boolean;
  rawTrailers?: string[];
  trailers?: Trailers;
  trailersDistinct?: Trailers;
  /** Of HTTP/1.1's class: takes the trailers once the message is complete. */
  _addHeaderLines?(lines: string[], length: number): void;
  /** Of HTTP/2. */
  readonly stream?: { prependListener?(event: 'trailers', listener: (...values: readonly unknown[]) => void): void };
}

/** Looks over the trailers of a request, those that have come and those that will. */
export function guardTrailers(request: InboundRequest, stays: TrailerTest): void {
  const node = request as unknown as WithTrailers;
  const isOfHttp2 = typeof node._addHeaderLines !== 'function';
  // Node makes the views of HTTP/1.1 when they are first read.
  if (isOfHttp2 || node.complete === true) {
    if (node.rawTrailers !== undefined) stripLines(node.rawTrailers, stays);
    if (node.trailers !== undefined) strip(node.trailers, stays);
    if (node.trailersDistinct !== undefined) strip(node.trailersDistinct, stays);
  }
  if (node.complete === true && !isOfHttp2) return;
  if (typeof node._addHeaderLines !== 'function') {
    node.stream?.prependListener?.('trailers', (trailers, _flags, rawTrailers) => {
      strip(trailers as Trailers, stays);
      if (Array.isArray(rawTrailers)) stripLines(rawTrailers, stays);
    });
    return;
  }
  const add = node._addHeaderLines.bind(node);
  node._addHeaderLines = (lines, length) => {
    if (node.complete !== true) {
      add(lines, length);
      return;
    }
    const kept = lines.slice(0, length);
    stripLines(kept, stays);
    add(kept, kept.length);
  };
}

function strip(trailers: Trailers, stays: TrailerTest): void {
  for (const name of Object.keys(trailers)) if (!stays(name)) delete trailers[name];
}

function stripLines(lines: string[], stays: TrailerTest): void {
  let kept = 0;
  for (let index = 0; index < lines.length; index += 2) {
    const name = lines[index]!;
    if (!stays(name)) continue;
    lines[kept] = name;
    lines[kept + 1] = lines[index + 1]!;
    kept += 2;
  }
  lines.length = kept;
}

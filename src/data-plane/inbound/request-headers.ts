/**
 * Edits the headers of an inbound request, so that `rawHeaders` and every view that Node makes of it (`headers`, `headersDistinct`) say
 * the same. Node's HTTP/1.1 object makes its views when they are first read, and again after they were taken away; the one of HTTP/2
 * has an object, which is edited.
 */
import type { InboundRequest } from '../../model/inbound.ts';

type Pair = readonly [name: string, value: string];

/** What is done to headers, in this order. Names in lower case. */
export interface HeaderEdit {
  readonly remove?: readonly string[];
  /** In the place of all values that there are. */
  readonly set?: readonly Pair[];
  /** Only where it is not there yet. */
  readonly setIfAbsent?: readonly Pair[];
  /** Only where it is there. */
  readonly setIfPresent?: readonly Pair[];
  /** Beside the values that there are. */
  readonly add?: readonly Pair[];
}

/**
 * Every value of a header in its order: undefined = none, a string = the only one. Nothing is made of a header that is there once, which
 * nearly all are. `name` in lower case.
 */
export function headerValues(rawHeaders: readonly string[], name: string): string | readonly string[] | undefined {
  let first: string | undefined;
  let all: string[] | undefined;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (!isNamed(rawHeaders[index]!, name)) continue;
    const value = rawHeaders[index + 1]!;
    if (first === undefined) first = value;
    else (all ??= [first]).push(value);
  }
  return all ?? first;
}

/** The first value of a header. */
export function firstValue({ rawHeaders }: InboundRequest, name: string): string | undefined {
  for (let index = 0; index < rawHeaders.length; index += 2) if (isNamed(rawHeaders[index]!, name)) return rawHeaders[index + 1];
  return undefined;
}

/** Whether the request has the header. */
export function hasHeader(request: InboundRequest, name: string): boolean {
  return firstValue(request, name) !== undefined;
}

/** Edits the request in place. */
export function editHeaders(request: InboundRequest, edit: HeaderEdit): void {
  const { remove, set, setIfAbsent, setIfPresent, add } = edit;
  let changed = false;
  if (remove !== undefined) for (const name of remove) if (take(request, name)) changed = true;
  if (setIfAbsent !== undefined) for (const pair of setIfAbsent) if (!hasHeader(request, pair[0])) changed = put(request, pair);
  if (setIfPresent !== undefined) for (const pair of setIfPresent) if (hasHeader(request, pair[0])) changed = put(request, pair);
  // Several values of one name in a list are several values of the header.
  if (set !== undefined) for (const name of new Set(set.map(([each]) => each))) if (take(request, name)) changed = true;
  if (push(request, set)) changed = true;
  if (push(request, add)) changed = true;
  if (changed) forgetViews(request);
}

function push({ rawHeaders }: InboundRequest, pairs: readonly Pair[] | undefined): boolean {
  if (pairs === undefined) return false;
  for (const [name, value] of pairs) rawHeaders.push(name, value);
  return pairs.length > 0;
}

function put(request: InboundRequest, [name, value]: Pair): true {
  take(request, name);
  request.rawHeaders.push(name, value);
  return true;
}

/** Removes every value; false where there was none. */
function take({ rawHeaders }: InboundRequest, name: string): boolean {
  let kept = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (isNamed(rawHeaders[index]!, name)) continue;
    rawHeaders[kept] = rawHeaders[index]!;
    rawHeaders[kept + 1] = rawHeaders[index + 1]!;
    kept += 2;
  }
  if (kept === rawHeaders.length) return false;
  rawHeaders.length = kept;
  return true;
}

/** What Node's HTTP/1.1 object has: it counts its lines apart from the list of them. */
interface Lines {
  headers: unknown;
  headersDistinct: unknown;
  /** Set = lines that are added are trailers. */
  complete: boolean;
  _addHeaderLines?(lines: string[], length: number): void;
}

/** Lets the views be made anew out of `rawHeaders`. */
export function forgetViews(request: InboundRequest): void {
  const lines = request as unknown as Lines;
  if (typeof lines._addHeaderLines === 'function') {
    const { complete } = lines;
    // Of no lines nothing is made.
    const isEmpty = request.rawHeaders.length === 0;
    lines.complete = false;
    lines.headers = isEmpty ? {} : undefined;
    lines.headersDistinct = isEmpty ? Object.create(null) : undefined;
    lines._addHeaderLines(request.rawHeaders, request.rawHeaders.length);
    lines.complete = complete;
    return;
  }
  const { headers, rawHeaders } = request;
  for (const name of Object.keys(headers)) delete headers[name];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!.toLowerCase();
    const value = rawHeaders[index + 1]!;
    const known = headers[name];
    if (known === undefined) headers[name] = name === 'set-cookie' ? [value] : value;
    else if (typeof known !== 'string') known.push(value);
    else headers[name] = `${known}${name === 'cookie' ? '; ' : ', '}${value}`;
  }
}

function isNamed(raw: string, name: string): boolean {
  return raw.length === name.length && (raw === name || raw.toLowerCase() === name);
}

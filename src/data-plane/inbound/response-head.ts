/**
 * Changes to a response right before its head is written, whoever writes it and however: Node's `writeHead`, called by the program, by a
 * framework or by the first byte of the body. A response that nobody wants to change is left as it is.
 */
import type { InboundResponse } from '../../model/inbound.ts';
import { editResponseHeaders, type ResponseEdit } from '../routing/edit-request.ts';

type Values = number | string | readonly string[];

/** What Node's responses have beside what the mesh needs of most. */
export interface ResponseHead extends InboundResponse {
  statusMessage?: string;
  getHeaders(): Record<string, Values | undefined>;
  removeHeader(name: string): void;
  appendHeader?(name: string, value: string): unknown;
}

type WriteHead = (this: unknown, status: number, ...rest: readonly unknown[]) => unknown;

/** Calls `edit` once, when the response has its status and the headers of the program. What it throws leaves them as they are. */
export function beforeHead(response: InboundResponse, edit: (response: ResponseHead) => void): void {
  const head = response as ResponseHead & { writeHead: WriteHead };
  const writeHead: WriteHead = head.writeHead;
  head.writeHead = function (this: unknown, status: number, ...rest: readonly unknown[]): unknown {
    head.writeHead = writeHead;
    if (!head.headersSent) {
      fold(head, rest);
      head.statusCode = status;
      try {
        edit(head);
      } catch {
        // The answer of the program is worth more than what would have been added to it.
      }
    }
    return writeHead.call(this, head.statusCode);
  };
}

/** Headers that are given with the status join those that were set before: an object, or a list of names and values in turn. */
function fold(head: ResponseHead, rest: readonly unknown[]): void {
  const [first, second] = rest;
  if (typeof first === 'string') head.statusMessage = first;
  const headers = typeof first === 'object' && first !== null ? first : second;
  if (Array.isArray(headers)) {
    const seen = new Set<string>();
    for (const [name, value] of pairsOf(headers)) {
      const key = name.toLowerCase();
      if (seen.has(key) && head.appendHeader !== undefined) head.appendHeader(name, String(value));
      else head.setHeader(name, value);
      seen.add(key);
    }
  } else if (typeof headers === 'object' && headers !== null) {
    for (const [name, value] of Object.entries(headers as Record<string, Values | undefined>))
      if (value !== undefined) head.setHeader(name, value);
  }
}

/** Node takes flat lists and lists of pairs. */
function pairsOf(list: readonly unknown[]): readonly (readonly [name: string, value: Values])[] {
  if (Array.isArray(list[0])) return list as readonly [string, Values][];
  const pairs: [string, Values][] = [];
  for (let index = 0; index < list.length; index += 2) pairs.push([String(list[index]), list[index + 1] as Values]);
  return pairs;
}

/** Carries the edits of a route out on a response. */
export function applyResponseEdit(edit: ResponseEdit, response: ResponseHead): void {
  const before: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(response.getHeaders()))
    if (value !== undefined && !name.startsWith(':')) before[name] = typeof value === 'object' ? [...value] : String(value);
  const after = editResponseHeaders(edit, before);
  for (const name of Object.keys(before)) if (after[name] === undefined) response.removeHeader(name);
  for (const [name, value] of Object.entries(after)) if (value !== undefined) response.setHeader(name, value);
}

/** Adds values beside those that are there. */
export function addToResponse(pairs: readonly (readonly [name: string, value: string])[], response: ResponseHead): void {
  for (const [name, value] of pairs) {
    const known = response.getHeader(name);
    if (known === undefined) response.setHeader(name, value);
    else response.setHeader(name, [...(typeof known === 'object' ? known : [String(known)]), value]);
  }
}

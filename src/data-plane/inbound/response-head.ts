/**
 * Changes to a response right before its head is written, whoever writes it and however: Node's `writeHead`, called by the program, by a
 * framework or by the first byte of the body. A response that nobody wants to change is left as it is.
 */
import { validateHeaderName, validateHeaderValue } from 'node:http';
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

/**
 * Calls `edit` once, when the response has its status and the headers of the program; what it throws leaves them as they are. A head that
 * Node does not take (a line break in a header) is none: the next one is edited.
 */
export function beforeHead(response: InboundResponse, edit: (response: ResponseHead) => void): void {
  const head = response as ResponseHead & { writeHead: WriteHead };
  const writeHead: WriteHead = head.writeHead;
  let isEdited = false;
  head.writeHead = function (this: unknown, status: number, ...rest: readonly unknown[]): unknown {
    const outermost = head.writeHead;
    head.writeHead = writeHead;
    try {
      if (!head.headersSent && isStatus(status)) {
        fold(head, rest);
        head.statusCode = status;
        if (!isEdited) editSafely(head, edit);
        isEdited = true;
      } else if (isEdited) head.statusCode = status;
      return writeHead.call(this, isEdited ? head.statusCode : status);
    } finally {
      if (!head.headersSent) head.writeHead = outermost;
    }
  };
}

/** Others Node does not take. */
function isStatus(status: number): boolean {
  return status >= 100 && status <= 999;
}

function editSafely(head: ResponseHead, edit: (response: ResponseHead) => void): void {
  try {
    edit(head);
  } catch {
    // The answer of the program is worth more than what would have been added to it.
  }
}

/**
 * Headers that are given with the status join those that were set before: an object, or a list of names and values in turn. All or none
 * of them do: those of a head that was not taken (a `content-length`) are nobody's.
 */
function fold(head: ResponseHead, rest: readonly unknown[]): void {
  const [first, second] = rest;
  const headers = typeof first === 'object' && first !== null ? first : second;
  const pairs = Array.isArray(headers)
    ? pairsOf(headers)
    : typeof headers === 'object' && headers !== null
      ? Object.entries(headers as Record<string, Values | undefined>)
      : undefined;
  if (pairs !== undefined) {
    for (const [name, value] of pairs) if (value !== undefined) check(name, value);
    join(head, pairs, Array.isArray(headers));
  }
  if (typeof first === 'string') head.statusMessage = first;
}

function check(name: string, value: Values): void {
  validateHeaderName(name);
  for (const each of typeof value === 'object' ? value : [value]) validateHeaderValue(name, String(each));
}

/** In a list a name may come again. */
function join(head: ResponseHead, pairs: readonly (readonly [name: string, value: Values | undefined])[], isList: boolean): void {
  const seen = isList ? new Set<string>() : undefined;
  for (const [name, value] of pairs) {
    if (value === undefined) continue;
    const key = name.toLowerCase();
    if (seen?.has(key) === true && head.appendHeader !== undefined) head.appendHeader(name, String(value));
    else head.setHeader(name, value);
    seen?.add(key);
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

/**
 * Adds values beside those that are there. Of what a browser takes one value alone (`access-control-…`), that of the policy stands, as with
 * Envoy; in `vary` a name is there once.
 */
export function addToResponse(pairs: readonly (readonly [name: string, value: string])[], response: ResponseHead): void {
  for (const [name, value] of pairs) {
    const known = response.getHeader(name);
    if (known === undefined || name.startsWith('access-control-')) response.setHeader(name, value);
    else if (name !== 'vary' || !isVaried(known, value))
      response.setHeader(name, [...(typeof known === 'object' ? known : [String(known)]), value]);
  }
}

function isVaried(known: Values, name: string): boolean {
  const names = [known].flat().join(',').toLowerCase().split(',');
  return names.some((each) => each.trim() === '*' || each.trim() === name);
}

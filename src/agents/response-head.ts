/**
 * The head of a response as HTTP/1.1, for node:http to read. Names, their case and their order are those of the endpoint; the framing
 * is ours (RFC 9112, section 6.3), since what follows is what the dispatcher hands on and not what was on the wire. No header can
 * begin another one: a value that holds the end of a line ends the request.
 */
import { STATUS_CODES, type IncomingHttpHeaders } from 'node:http';
import { MeshError } from '../base/errors.ts';

/** How the body of a response is written: there is none, so many bytes, or in chunks. */
export type ResponseFraming = 'none' | 'length' | 'chunked';

/** Header lines, and how the body that follows them is written. */
export interface ResponseHead {
  readonly text: string;
  readonly framing: ResponseFraming;
  /** Of the body, where `framing` is `length`. */
  readonly contentLength: number;
}

/** Headers as the parser of the connection gave them; of HTTP/2 they are an object. */
export type RawHeaders = readonly (Buffer | string)[] | IncomingHttpHeaders | null | undefined;

const forbiddenInName = /[^!#$%&'*+.^_`|~\dA-Za-z-]/;
const forbiddenInValue = /[^\t\x20-\x7e\x80-\xff]/;
const eachForbidden = new RegExp(forbiddenInValue, 'g');
const chunkedLine = 'transfer-encoding: chunked\r\n';
const isChunkedAtLast = /(?:^|,)[\t ]*chunked[\t ]*$/i;

/** The head of a final response, with the empty line. Throws MESH_PROTOCOL_ERROR for what is not HTTP. */
export function responseHeadOf(
  method: string,
  status: number,
  reason: string | undefined,
  raw: RawHeaders,
  headers: IncomingHttpHeaders,
): ResponseHead {
  const pairs = pairsOf(raw, headers);
  const said = lengthSaidIn(pairs);
  const mayHaveBody = status !== 204 && status !== 304;
  const isChunked = said === 'chunked' || (said === undefined && mayHaveBody && method !== 'HEAD');
  let text = statusLine(status, reason, raw);
  let hasLength = false;
  for (let index = 0; index + 1 < pairs.length; index += 2) {
    const name = textOf(pairs[index]!);
    let value = textOf(pairs[index + 1]!);
    if (isNamed(name, 'content-length')) {
      // One of them says it all, chunks say it better, and 204 has none (RFC 9110, section 8.6).
      if (hasLength || isChunked || status === 204) continue;
      hasLength = true;
    } else if (isNamed(name, 'transfer-encoding')) {
      if (status === 204) continue;
      if (!isChunkedAtLast.test(value)) value += ', chunked';
    }
    text += headerLine(name, value);
  }
  if (!mayHaveBody || method === 'HEAD') return { text: `${text}\r\n`, framing: 'none', contentLength: 0 };
  if (!isChunked) return { text: `${text}\r\n`, framing: 'length', contentLength: said as number };
  return { text: `${text}${said === 'chunked' ? '' : chunkedLine}\r\n`, framing: 'chunked', contentLength: 0 };
}

/** What the headers say of the length of the body: bytes, that it comes in chunks, or nothing. */
function lengthSaidIn(pairs: readonly (Buffer | string)[]): number | 'chunked' | undefined {
  let said: string | undefined;
  for (let index = 0; index + 1 < pairs.length; index += 2) {
    const name = pairs[index]!;
    if (name.length === 17 && isNamed(textOf(name), 'transfer-encoding')) return 'chunked';
    if (name.length !== 14 || !isNamed(textOf(name), 'content-length')) continue;
    const value = textOf(pairs[index + 1]!);
    if (said !== undefined && said !== value) throw notHttp('several values of content-length');
    said = value;
  }
  if (said === undefined) return undefined;
  const length = Number(said);
  if (!/^\d+$/.test(said) || !Number.isSafeInteger(length)) throw notHttp(`the content-length "${said}"`);
  return length;
}

function isNamed(name: string, lowerCased: string): boolean {
  return name.length === lowerCased.length && name.toLowerCase() === lowerCased;
}

/** The head of what comes before the final response, or of what is none: 1xx, 101, the answer to CONNECT. */
export function interimHeadOf(status: number, reason: string | undefined, raw: RawHeaders, headers: IncomingHttpHeaders): string {
  return `${statusLine(status, reason, raw)}${linesOf(raw, headers)}\r\n`;
}

/** Header lines of a trailer section. */
export function linesOf(raw: RawHeaders, headers: IncomingHttpHeaders): string {
  const pairs = pairsOf(raw, headers);
  let text = '';
  for (let index = 0; index + 1 < pairs.length; index += 2) text += headerLine(textOf(pairs[index]!), textOf(pairs[index + 1]!));
  return text;
}

function statusLine(status: number, reason: string | undefined, raw: RawHeaders): string {
  // HTTP/2 has no reason phrases.
  const phrase = reason === undefined || (reason === '' && !Array.isArray(raw)) ? (STATUS_CODES[status] ?? '') : reason;
  if (!Number.isInteger(status) || status < 100 || status > 999) throw notHttp(`the status ${status}`);
  return `HTTP/1.1 ${status} ${forbiddenInValue.test(phrase) ? phrase.replaceAll(eachForbidden, '?') : phrase}\r\n`;
}

function headerLine(name: string, value: string): string {
  if (name === '' || forbiddenInName.test(name)) throw notHttp('a broken header name');
  if (forbiddenInValue.test(value)) throw notHttp(`a broken value of ${name}`);
  return `${name}: ${value}\r\n`;
}

function textOf(value: Buffer | string): string {
  return typeof value === 'string' ? value : value.toString('latin1');
}

function pairsOf(raw: RawHeaders, headers: IncomingHttpHeaders): readonly (Buffer | string)[] {
  if (Array.isArray(raw)) return raw as readonly (Buffer | string)[];
  const pairs: string[] = [];
  for (const [name, value] of Object.entries(headers)) {
    // Pseudo-headers of HTTP/2.
    if (value === undefined || name.startsWith(':')) continue;
    if (typeof value === 'string') pairs.push(name, value);
    else for (const each of value) pairs.push(name, each);
  }
  return pairs;
}

/** An endpoint that answers with something that is not HTTP, or a policy that makes it so. */
export function notHttp(what: string): MeshError {
  return new MeshError('MESH_PROTOCOL_ERROR', `the response has ${what}`, { mayHaveBeenProcessed: true });
}

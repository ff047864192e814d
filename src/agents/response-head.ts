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
const isChunkedAtLast = /(?:^|,)[\t ]*chunked[\t ]*$/i;

/** The head of a final response, with the empty line. Throws MESH_PROTOCOL_ERROR for what is not HTTP. */
export function responseHeadOf(
  method: string,
  status: number,
  reason: string | undefined,
  raw: RawHeaders,
  headers: IncomingHttpHeaders,
): ResponseHead {
  const hasBody = method !== 'HEAD' && status !== 204 && status !== 304;
  let text = statusLine(status, reason, raw);
  let length: string | undefined;
  let isChunked = false;
  const pairs = pairsOf(raw, headers);
  for (let index = 0; index + 1 < pairs.length; index += 2) {
    const name = textOf(pairs[index]!);
    let value = textOf(pairs[index + 1]!);
    if (name.length === 14 && name.toLowerCase() === 'content-length') {
      if (length !== undefined && length !== value) throw notHttp('several values of content-length');
      length = value;
      continue;
    }
    if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') {
      isChunked = true;
      if (!isChunkedAtLast.test(value)) value += ', chunked';
    }
    text += headerLine(name, value);
  }
  if (!hasBody) {
    // The length that another request would get; 204 has none (RFC 9110, section 8.6).
    if (length !== undefined && status !== 204) text += headerLine('content-length', length);
    return { text: `${text}\r\n`, framing: 'none', contentLength: 0 };
  }
  if (isChunked) return { text: `${text}\r\n`, framing: 'chunked', contentLength: 0 };
  if (length === undefined) return { text: `${text}transfer-encoding: chunked\r\n\r\n`, framing: 'chunked', contentLength: 0 };
  const contentLength = Number(length);
  if (!/^\d+$/.test(length) || !Number.isSafeInteger(contentLength)) throw notHttp(`the content-length "${length}"`);
  return { text: `${text}content-length: ${length}\r\n\r\n`, framing: 'length', contentLength };
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
  if (forbiddenInValue.test(phrase)) throw notHttp('a broken reason phrase');
  return `HTTP/1.1 ${status} ${phrase}\r\n`;
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

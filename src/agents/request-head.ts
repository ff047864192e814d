/**
 * The head that node:http has written for a request, as a dispatcher takes it. The text is read rather than the fields of the
 * ClientRequest, because it is what a server would see, whichever way the headers were given. What concerns the connection between
 * the program and the mesh ends here (RFC 9110, section 7.6.1): how the body is framed is decided anew by whoever sends it, so that
 * a head that says two things about its length cannot reach an endpoint.
 */
import { MeshError } from '../base/errors.ts';

/** How long the body is: nothing follows, so many bytes, chunks until an empty one, or all that is written until the request ends. */
export type BodyFraming = 'none' | 'length' | 'chunked' | 'open';

/** A request without its body. */
export interface RequestHead {
  readonly method: string;
  readonly path: string;
  /** Name, value, name, value: in their order and case, repeated ones too. */
  readonly headers: readonly string[];
  readonly framing: BodyFraming;
  /** Of the body, where `framing` is `length`. */
  readonly contentLength: number;
  /** A header says how long the body is, if only that there is none. */
  readonly hasLength: boolean;
  /** The protocol that the connection is to become. */
  readonly upgrade: string | undefined;
  /** The program waits for `100 Continue` before it sends the body. */
  readonly expectsContinue: boolean;
}

const endOfLine = '\r\n';
const protocolAndVersion = ' HTTP/1.1';

/** Reads a head without the empty line at its end. Throws MESH_REQUEST_INVALID for what is none. */
export function requestHeadFrom(text: string): RequestHead {
  let end = text.indexOf(endOfLine);
  if (end === -1) end = text.length;
  const line = text.slice(0, end);
  const space = line.indexOf(' ');
  if (space === -1 || !line.endsWith(protocolAndVersion))
    throw invalidRequest('it does not begin with a request line of HTTP/1.1');
  const headers: string[] = [];
  let length: string | undefined;
  let coding: string | undefined;
  let connection: string | undefined;
  let upgrade: string | undefined;
  let expectsContinue = false;
  let cookie = -1;

  while (end < text.length) {
    const start = end + 2;
    end = text.indexOf(endOfLine, start);
    if (end === -1) end = text.length;
    const colon = text.indexOf(':', start);
    if (colon === -1 || colon >= end) throw invalidRequest('a header line has no colon');
    const name = text.slice(start, colon);
    const value = text.slice(text.charCodeAt(colon + 1) === 32 ? colon + 2 : colon + 1, end);
    switch (name.toLowerCase()) {
      case 'connection':
        connection = connection === undefined ? value : `${connection},${value}`;
        break;
      case 'content-length':
        if (length !== undefined && length !== value) throw invalidRequest('it has several values of content-length');
        length = value;
        break;
      case 'transfer-encoding':
        coding = coding === undefined ? value : `${coding},${value}`;
        break;
      case 'upgrade':
        upgrade = value;
        break;
      case 'expect':
        if (value.toLowerCase() !== '100-continue') throw invalidRequest(`nobody can be asked for "expect: ${value}"`);
        expectsContinue = true;
        break;
      case 'cookie':
        // Several are one list, which undici would join with a comma over HTTP/2 (RFC 9113, section 8.2.3).
        if (cookie === -1) cookie = headers.push(name, value) - 1;
        else headers[cookie] += `; ${value}`;
        break;
      case 'te':
        // Of what it can ask for, this alone goes beyond the next connection.
        if (value.toLowerCase() === 'trailers') headers.push(name, value);
        break;
      case 'keep-alive':
      case 'proxy-connection':
      case 'http2-settings':
      // The trailers of a request have no way through undici.
      case 'trailer':
        break;
      default:
        headers.push(name, value);
    }
  }

  const isNamed = connection !== undefined && !isPlain(connection) ? takeOut(headers, connection) : false;
  // HTTP/2 is the mesh's own affair.
  const isUpgrade = isNamed && upgrade !== undefined && !/^h2c?$/i.test(upgrade);
  const head = {
    method: line.slice(0, space),
    path: line.slice(space + 1, -protocolAndVersion.length),
    headers,
    upgrade: isUpgrade ? upgrade : undefined,
    expectsContinue,
  };
  if (coding !== undefined) {
    if (!/^[\t ]*chunked[\t ]*$/i.test(coding))
      throw invalidRequest(`its transfer-encoding is "${coding}"; leave it to node:http`);
    return { ...head, framing: 'chunked', contentLength: 0, hasLength: true };
  }
  if (length === undefined) return { ...head, framing: 'none', contentLength: 0, hasLength: false };
  const contentLength = Number(length);
  if (!/^\d+$/.test(length) || !Number.isSafeInteger(contentLength)) throw invalidRequest(`its content-length is "${length}"`);
  return { ...head, framing: contentLength === 0 ? 'none' : 'length', contentLength, hasLength: true };
}

/** What node:http writes by itself. */
function isPlain(connection: string): boolean {
  return connection === 'keep-alive' || connection === 'close';
}

/** Takes out what the Connection header names: it is for the next connection alone. Returns whether that is an upgrade. */
function takeOut(headers: string[], connection: string): boolean {
  const names = new Set(connection.split(',').map((name) => name.trim().toLowerCase()));
  const isUpgrade = names.delete('upgrade');
  // No request is one without it.
  names.delete('host');
  for (let index = headers.length - 2; index >= 0; index -= 2) {
    if (names.has(headers[index]!.toLowerCase())) headers.splice(index, 2);
  }
  return isUpgrade;
}

/** A request that cannot be sent as it is. */
export function invalidRequest(why: string): MeshError {
  return new MeshError('MESH_REQUEST_INVALID', `the request cannot be sent: ${why}`);
}

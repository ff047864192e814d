/** Frames of HTTP/2 as bytes, for what no client library sends. Source: RFC 9113, section 6; RFC 7541, section 6.2.2 (literals). */

/** The preface of a client, and settings that say nothing. */
export const http2Preface = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1'), frame(4, 0, 0)]);

/** A frame of any type. */
export function frame(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** What a request is made of; the rest is `GET / HTTP/2` of `a`. */
export interface HeadersOptions {
  readonly method?: string;
  readonly path?: string;
  /** No body comes. */
  readonly isEnd?: boolean;
  readonly more?: readonly (readonly [name: string, value: string])[];
}

/** HEADERS that open a stream. */
export function headersFrame(
  stream: number,
  { method = 'GET', path = '/', isEnd = false, more = [] }: HeadersOptions = {},
): Buffer {
  const pseudo: [string, string][] = [[':method', method]];
  if (method !== 'CONNECT') pseudo.push([':scheme', 'http'], [':path', path]);
  pseudo.push([':authority', 'a']);
  return frame(1, isEnd ? 5 : 4, stream, Buffer.concat([...pseudo, ...more].map(([name, value]) => literal(name, value))));
}

/** A header, neither compressed nor put into a table; shorter than 127 bytes. */
export function literal(name: string, value: string): Buffer {
  return Buffer.concat([
    Buffer.from([0, name.length]),
    Buffer.from(name, 'latin1'),
    Buffer.from([value.length]),
    Buffer.from(value, 'latin1'),
  ]);
}

/** RST_STREAM. */
export function resetFrame(stream: number, code: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(code);
  return frame(3, 0, stream, payload);
}

/** WINDOW_UPDATE. */
export function windowFrame(stream: number, increment: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(increment);
  return frame(8, 0, stream, payload);
}

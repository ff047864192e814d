/**
 * The value of a session cookie: base64 of the protobuf message `envoy.Cookie` { address = 1, expires = 2 }, so that Envoy and this
 * mesh take each other's. Beside it a field of our own for sessions that end when they are idle, which Envoy skips. Source: Envoy
 * `stateful_session/cookie`; times are seconds since 1970.
 */

/** What a token says. */
export interface SessionToken {
  readonly address: string;
  /** 0 = never. */
  readonly expiresSeconds: number;
  /** When the session ends unless it is used; 0 = never. */
  readonly idleUntilSeconds: number;
}

const addressField = 1;
const expiresField = 2;
/** Far from the numbers that Envoy may take next. */
const idleUntilField = 1001;

const varint = 0;
const eightBytes = 1;
const lengthDelimited = 2;
const fourBytes = 5;

/** Writes a token. */
export function encodeToken({ address, expiresSeconds, idleUntilSeconds }: SessionToken): string {
  const text = Buffer.from(address, 'utf8');
  const bytes = [...varintOf((addressField << 3) | lengthDelimited), ...varintOf(text.length), ...text];
  if (expiresSeconds > 0) bytes.push(...varintOf((expiresField << 3) | varint), ...varintOf(expiresSeconds));
  if (idleUntilSeconds > 0) bytes.push(...varintOf((idleUntilField << 3) | varint), ...varintOf(idleUntilSeconds));
  return Buffer.from(bytes).toString('base64');
}

/**
 * Reads a token. What is base64 and no such message is an address as it stands: the form that Envoy wrote before, and still takes.
 * Undefined when there is no address.
 */
export function decodeToken(token: string): SessionToken | undefined {
  const bytes = decodeBase64(token);
  if (bytes === undefined || bytes.length === 0) return undefined;
  const read = readMessage(bytes) ?? { address: bytes.toString('utf8'), expiresSeconds: 0, idleUntilSeconds: 0 };
  return read.address === '' ? undefined : read;
}

/** Bytes of padded base64; undefined for anything else, as in Envoy. */
export function decodeBase64(text: string): Buffer | undefined {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text) ? Buffer.from(text, 'base64') : undefined;
}

function varintOf(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  bytes.push(rest);
  return bytes;
}

/** Undefined when the bytes are no message. */
function readMessage(bytes: Buffer): SessionToken | undefined {
  const found = { address: '', expiresSeconds: 0, idleUntilSeconds: 0 };
  const cursor = { bytes, at: 0 };
  while (cursor.at < bytes.length) {
    const tag = readVarint(cursor);
    if (tag === undefined || tag < 8 || tag >= 2 ** 32) return undefined;
    const field = Math.floor(tag / 8);
    const kind = tag % 8;
    const value = kind === eightBytes ? 8 : kind === fourBytes ? 4 : kind <= lengthDelimited ? readVarint(cursor) : undefined;
    if (value === undefined) return undefined;
    if (kind !== varint) {
      const end = cursor.at + value;
      if (end > bytes.length) return undefined;
      if (field === addressField && kind === lengthDelimited) found.address = bytes.toString('utf8', cursor.at, end);
      cursor.at = end;
    } else if (field === expiresField) found.expiresSeconds = value;
    else if (field === idleUntilField) found.idleUntilSeconds = value;
  }
  return found;
}

/** At most 10 bytes; beyond 2⁵³ inexact, which no time and no length is. */
function readVarint(cursor: { readonly bytes: Buffer; at: number }): number | undefined {
  let value = 0;
  for (let scale = 1, count = 0; count < 10; scale *= 128, count++) {
    const byte = cursor.bytes[cursor.at++];
    if (byte === undefined) return undefined;
    value += (byte & 127) * scale;
    if (byte < 128) return value;
  }
  return undefined;
}

/**
 * Takes a `RouteConfiguration` apart without reading it: the route table of a port may have a thousand times the virtual hosts that
 * this process calls, and only those are built. One virtual host with what stands around all of them is a table of its own, which is
 * read as any other.
 */
import { ProtobufReader } from '../../../wire/protobuf.ts';
import { cursor, readLength, readTag, skipValue } from '../wire/cursor.ts';

const virtualHostsField = 2;
/** Its tag on the wire: a field of bytes. */
const virtualHostsTag = 0x12;

/** Where the virtual hosts of a table stand in its bytes. */
export interface RouteTableParts {
  /** Everything but the virtual hosts, as a message. */
  readonly head: Uint8Array;
  /** Not copied. */
  readonly hosts: readonly Uint8Array[];
}

/** The parts of a table; undefined where the bytes are no message. */
export function routeTableParts(bytes: Uint8Array): RouteTableParts | undefined {
  const reader = new ProtobufReader(bytes);
  const hosts: Uint8Array[] = [];
  const around: Uint8Array[] = [];
  let end = 0;
  while (reader.next()) {
    if (reader.field !== virtualHostsField) continue;
    const host = reader.bytes();
    if (host === undefined) return undefined;
    const start = host.byteOffset - bytes.byteOffset - lengthOfVarint(host.length) - 1;
    // A tag or a length in more bytes than it needs: no encoder writes that.
    if (start < end || bytes[start] !== virtualHostsTag) return undefined;
    if (start > end) around.push(bytes.subarray(end, start));
    hosts.push(host);
    end = start + 1 + lengthOfVarint(host.length) + host.length;
  }
  if (reader.isBroken) return undefined;
  if (end < bytes.length) around.push(bytes.subarray(end));
  return { head: Buffer.concat(around), hosts };
}

/** A table of one virtual host. */
export function tableOfOne(head: Uint8Array, host: Uint8Array): Uint8Array {
  const length: number[] = [];
  let rest = host.length;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) length.push((rest % 128) | 0x80);
  length.push(rest);
  return Buffer.concat([head, Uint8Array.of(virtualHostsTag, ...length), host]);
}

/** What a virtual host is called. */
export interface VirtualHostWords {
  readonly name: string;
  readonly domains: readonly string[];
}

/** Name and domains of a virtual host; undefined where the bytes are no message. */
export function namesOfVirtualHost(host: Uint8Array): VirtualHostWords | undefined {
  const reader = new ProtobufReader(host);
  let name = '';
  const domains: string[] = [];
  while (reader.next()) {
    if (reader.field !== 1 && reader.field !== 2) continue;
    const text = reader.bytes();
    if (text === undefined) return undefined;
    if (reader.field === 1) name = textOf(text);
    else domains.push(textOf(text));
  }
  return reader.isBroken ? undefined : { name, domains };
}

/** Its name alone. */
export function nameOfVirtualHost(host: Uint8Array): string | undefined {
  const name = fieldOf(host, 1);
  return name && textOf(name);
}

/**
 * The domains of a virtual host that may be a text of one of these lengths in bytes, whatever the case of their letters: all of such a
 * length, those with a star at an end, and those beyond ASCII. The others, nearly all, are never made into texts.
 */
export function domainsThatMayBe(host: Uint8Array, lengths: ReadonlySet<number>): readonly string[] {
  const domains: string[] = [];
  cursor.at = 0;
  for (let length = nextText(host, 2); length !== -1; length = nextText(host, 2)) {
    const start = cursor.at - length;
    if (lengths.has(length) || host[start] === star || host[cursor.at - 1] === star || !isAscii(host, start, cursor.at))
      domains.push(textOf(host.subarray(start, cursor.at)));
  }
  return domains;
}

/** The name of a virtual host where it is of one of these lengths; the last one counts, as everywhere. */
export function nameThatMayBe(host: Uint8Array, lengths: ReadonlySet<number>): string | undefined {
  let name: string | undefined;
  cursor.at = 0;
  for (let length = nextText(host, 1); length !== -1; length = nextText(host, 1))
    name = lengths.has(length) ? textOf(host.subarray(cursor.at - length, cursor.at)) : undefined;
  return name;
}

const star = 0x2a;

/** Goes to the end of the next value of a field of texts; its length, −1 = there is none. */
function nextText(message: Uint8Array, field: number): number {
  const end = message.length;
  while (cursor.at < end) {
    const tag = readTag(message, end);
    if (tag === -1) return -1;
    if (tag !== field * 8 + 2) {
      if (!skipValue(message, end, tag)) return -1;
      continue;
    }
    const length = readLength(message, end);
    if (length !== -1) cursor.at += length;
    return length;
  }
  return -1;
}

function isAscii(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at]! > 0x7f) return false;
  return true;
}

/** What a listener is bound to: the addresses of its `address` and `additional_addresses`. */
export function boundAddresses(listener: Uint8Array): readonly string[] {
  const addresses: string[] = [];
  const reader = new ProtobufReader(listener);
  while (reader.next()) {
    if (reader.field !== 2 && reader.field !== 33) continue;
    const value = reader.bytes();
    // An additional address is wrapped once more.
    const address = value && reader.field === 33 ? fieldOf(value, 1) : value;
    const socket = address && fieldOf(address, 1);
    const text = socket && fieldOf(socket, 2);
    if (text !== undefined) addresses.push(textOf(text));
  }
  return addresses;
}

function fieldOf(message: Uint8Array, field: number): Uint8Array | undefined {
  const reader = new ProtobufReader(message);
  while (reader.next()) if (reader.field === field) return reader.bytes();
  return undefined;
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
}

function lengthOfVarint(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 128)) length++;
  return length;
}

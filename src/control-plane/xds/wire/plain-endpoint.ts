/**
 * An `LbEndpoint` straight from its bytes, as nearly all of them are: the address of a socket, perhaps a weight, metadata, a health, a
 * name. Whatever is out of the ordinary (another field, an odd value, a part that came twice) makes it none, and the way over
 * translate/endpoints.ts decides what is to be said of it: this one has no opinions of its own.
 */
import type { EndpointConfig } from '../../../model/cluster.ts';
import type { Metadata } from '../../../model/tls.ts';
import { healths, verdicts } from '../translate/endpoints.ts';
import { cursor, readLength, readVarint } from './cursor.ts';

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/** Metadata by its bytes: undefined for what is to be reported, {@link noMetadata} for what says nothing. */
export type MetadataReader = (start: number, end: number) => Metadata | undefined;

/** Metadata without values, which an endpoint does without. */
export const noMetadata: Metadata = {};

/** Fields: number × 8 + wire type. */
const lbEndpoint = { endpoint: 10, health: 16, metadata: 26, weight: 34 } as const;
const endpoint = { address: 10, hostname: 26 } as const;
const address = { socket: 10 } as const;
const socket = { address: 18, port: 24 } as const;
const wrapper = { value: 8 } as const;
const maxPort = 65_535;

/** The endpoint in these bytes; undefined when it is no plain one. */
export function plainEndpoint(bytes: Buffer, start: number, end: number, metadataOf: MetadataReader): EndpointConfig | undefined {
  let endpointStart = -1;
  let endpointEnd = -1;
  let metadataStart = -1;
  let metadataEnd = -1;
  let weight = -1;
  let health = -1;
  cursor.at = start;
  while (cursor.at < end) {
    const tag = bytes[cursor.at++]!;
    const value = tag === lbEndpoint.health ? readVarint(bytes, end) : readLength(bytes, end);
    if (value === -1 || cursor.high !== 0) return undefined;
    if (tag === lbEndpoint.health && health === -1) health = value;
    else if (tag === lbEndpoint.endpoint && endpointStart === -1) {
      endpointStart = cursor.at;
      endpointEnd = cursor.at += value;
    } else if (tag === lbEndpoint.metadata && metadataStart === -1) {
      metadataStart = cursor.at;
      metadataEnd = cursor.at += value;
    } else if (tag === lbEndpoint.weight && weight === -1) {
      weight = wrapped(bytes, cursor.at + value);
      if (weight < 1) return undefined;
    } else return undefined;
  }
  if (endpointStart === -1 || health >= healths.length) return undefined;
  const found = addressIn(bytes, endpointStart, endpointEnd);
  if (found === undefined) return undefined;
  const metadata = metadataStart === -1 ? undefined : metadataOf(metadataStart, metadataEnd);
  if (metadata === undefined && metadataStart !== -1) return undefined;
  const verdict = health === -1 ? undefined : verdicts[healths[health]!];
  // In the order of translate/endpoints.ts. Field by field: spreads cost more than all the rest.
  const value: Writable<EndpointConfig> = { address: found.address, port: found.port };
  if (weight !== -1) value.weight = weight;
  if (metadata !== undefined && metadata !== noMetadata) value.metadata = metadata;
  if (verdict !== undefined) value.health = verdict;
  if (found.hostname !== undefined) value.hostname = found.hostname;
  return value;
}

/** The number in a wrapper that ends there; −1 when there is something else. */
function wrapped(bytes: Buffer, end: number): number {
  if (cursor.at >= end || bytes[cursor.at++] !== wrapper.value) return -1;
  const value = readVarint(bytes, end);
  return cursor.high === 0 && cursor.at === end ? value : -1;
}

interface Found {
  readonly address: string;
  readonly port: number;
  readonly hostname: string | undefined;
}

/** The address in an `Endpoint`. */
function addressIn(bytes: Buffer, start: number, end: number): Found | undefined {
  let hostname: string | undefined;
  let socketStart = -1;
  let socketEnd = -1;
  cursor.at = start;
  while (cursor.at < end) {
    const tag = bytes[cursor.at++]!;
    const length = readLength(bytes, end);
    if (length === -1) return undefined;
    const valueEnd = cursor.at + length;
    if (tag === endpoint.address && socketStart === -1) {
      // An Address that is nothing but one socket.
      if (bytes[cursor.at++] !== address.socket || cursor.at > valueEnd) return undefined;
      const socketLength = readLength(bytes, valueEnd);
      if (socketLength === -1 || cursor.at + socketLength !== valueEnd) return undefined;
      socketStart = cursor.at;
      socketEnd = valueEnd;
    } else if (tag === endpoint.hostname && hostname === undefined) {
      hostname = plainText(bytes, cursor.at, valueEnd);
      if (hostname === undefined) return undefined;
    } else return undefined;
    cursor.at = valueEnd;
  }
  if (socketStart === -1) return undefined;
  let host: string | undefined;
  let port = -1;
  cursor.at = socketStart;
  while (cursor.at < socketEnd) {
    const tag = bytes[cursor.at++]!;
    const value = tag === socket.port ? readVarint(bytes, socketEnd) : readLength(bytes, socketEnd);
    if (value === -1 || cursor.high !== 0) return undefined;
    if (tag === socket.port && port === -1 && value <= maxPort) port = value;
    else if (tag === socket.address && host === undefined) {
      host = plainText(bytes, cursor.at, cursor.at + value);
      if (host === undefined) return undefined;
      cursor.at += value;
    } else return undefined;
  }
  return host === undefined ? undefined : { address: host, port: Math.max(port, 0), hostname };
}

/** A text in ASCII that is not empty. */
function plainText(bytes: Buffer, start: number, end: number): string | undefined {
  if (start === end) return undefined;
  for (let at = start; at < end; at++) if (bytes[at]! > 0x7f) return undefined;
  return bytes.toString('latin1', start, end);
}

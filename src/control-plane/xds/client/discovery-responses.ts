/**
 * Responses of the discovery service, `envoy.service.discovery.v3`, read into one form for both variants. What is wrong in one resource
 * makes that one `broken`; bytes that are no response at all give undefined, since nothing then says what to answer.
 */
import { isUtf8 } from 'node:buffer';
import { ProtobufReader } from '../../../wire/protobuf.ts';
import type { ReceivedResource, RefusedResource, TypeUrl } from './contract.ts';

/** One response. */
export interface DiscoveryResponse {
  readonly typeUrl: TypeUrl;
  readonly version: string;
  readonly nonce: string;
  /** What the server calls itself; `''` where it does not say. */
  readonly controlPlane: string;
  readonly resources: readonly TimedResource[];
  /** Names of resources that are as they were: only their time to live starts again. */
  readonly heartbeats: readonly { readonly name: string; readonly ttlMs: number }[];
  readonly removed: readonly string[];
  /** What the server says is wrong with resources that were asked for (xRFC TP3). */
  readonly errors: readonly ResourceError[];
  readonly broken: readonly RefusedResource[];
}

/** A resource and how long it is good for without news. */
export interface TimedResource extends ReceivedResource {
  /** Undefined = for ever. */
  readonly ttlMs?: number;
}

/** Why the server does not send a resource. */
export interface ResourceError {
  readonly name: string;
  /** `google.rpc.Code`. */
  readonly code: number;
  readonly message: string;
}

type Variant = 'state-of-the-world' | 'delta';

/** Field numbers of both responses: what differs is where some fields are, and that delta wraps each resource. */
const fields = {
  'state-of-the-world': { controlPlane: 6, errors: 7, removed: -1, removedNames: -1 },
  delta: { controlPlane: 7, errors: 9, removed: 6, removedNames: 8 },
} as const;

const wrapperType = 'envoy.service.discovery.v3.Resource';

interface Draft {
  readonly names: Set<string>;
  readonly resources: TimedResource[];
  readonly heartbeats: { name: string; ttlMs: number }[];
  readonly broken: RefusedResource[];
}

/** Reads a response. Undefined = the bytes are none, or say no type. */
export function readDiscoveryResponse(bytes: Uint8Array, variant: Variant): DiscoveryResponse | undefined {
  const places = fields[variant];
  const wrapped: Uint8Array[] = [];
  const removed: string[] = [];
  const errors: ResourceError[] = [];
  let version = '';
  let typeUrl = '';
  let nonce = '';
  let controlPlane = '';
  const reader = new ProtobufReader(bytes);
  for (const [field, value] of byteFields(reader)) {
    if (field === 1) version = textFrom(value);
    else if (field === 2) wrapped.push(value);
    else if (field === 4) typeUrl = textFrom(value);
    else if (field === 5) nonce = textFrom(value);
    else if (field === places.controlPlane) controlPlane = textAt(value, 1);
    else if (field === places.removed) removed.push(textFrom(value));
    else if (field === places.removedNames) removed.push(textAt(value, 1));
    else if (field === places.errors) errors.push(errorFrom(value));
  }
  if (reader.isBroken || typeUrl === '') return undefined;
  const draft: Draft = { names: new Set(), resources: [], heartbeats: [], broken: [] };
  for (const resource of wrapped) {
    if (variant === 'delta') readWrapper(resource, typeUrl, version, draft);
    else readAny(resource, typeUrl, version, draft);
  }
  return { typeUrl, version, nonce, controlPlane, removed, errors, ...draft };
}

function readAny(bytes: Uint8Array, typeUrl: TypeUrl, version: string, draft: Draft): void {
  const packed = anyFrom(bytes);
  if (packed === undefined) draft.broken.push({ name: '', reason: 'it is no google.protobuf.Any' });
  else if (typeName(packed.typeUrl) === wrapperType) readWrapper(packed.value, typeUrl, version, draft);
  else take({ name: '', version, typeUrl: packed.typeUrl, value: packed.value, ttlMs: undefined }, typeUrl, draft);
}

function readWrapper(bytes: Uint8Array, typeUrl: TypeUrl, responseVersion: string, draft: Draft): void {
  let name = '';
  let version = '';
  let ttlMs: number | undefined;
  let resource: Uint8Array | undefined;
  const reader = new ProtobufReader(bytes);
  for (const [field, value] of byteFields(reader)) {
    if (field === 1) version = textFrom(value);
    else if (field === 2) resource = value;
    else if (field === 3) name = textFrom(value);
    else if (field === 8 && name === '') name = textAt(value, 1);
    else if (field === 6) ttlMs = millisecondsFrom(value);
  }
  if (reader.isBroken) {
    draft.broken.push({ name, reason: `it is no ${wrapperType}` });
    return;
  }
  if (resource === undefined) {
    if (name !== '' && ttlMs !== undefined) draft.heartbeats.push({ name, ttlMs });
    else draft.broken.push({ name, reason: 'neither a resource nor a time to live is in it' });
    return;
  }
  const packed = anyFrom(resource);
  if (packed === undefined) draft.broken.push({ name, reason: 'it is no google.protobuf.Any' });
  else take({ name, version: version === '' ? responseVersion : version, ...packed, ttlMs }, typeUrl, draft);
}

interface Candidate {
  readonly name: string;
  readonly version: string;
  readonly typeUrl: string;
  readonly value: Uint8Array;
  readonly ttlMs: number | undefined;
}

function take(candidate: Candidate, typeUrl: TypeUrl, draft: Draft): void {
  const { version, value, ttlMs } = candidate;
  const refuse = (name: string, reason: string): void => void draft.broken.push({ name, reason });
  if (typeName(candidate.typeUrl) !== typeName(typeUrl)) {
    refuse(candidate.name, `it is a ${typeName(candidate.typeUrl)} in a response about ${typeName(typeUrl)}`);
    return;
  }
  const name = candidate.name === '' ? nameWithin(value) : candidate.name;
  if (name === undefined) refuse('', `its bytes are no ${typeName(typeUrl)}`);
  else if (name === '') refuse('', 'it has no name');
  else if (draft.names.has(name)) refuse(name, 'it is twice in one response');
  else {
    draft.names.add(name);
    draft.resources.push({ name, version, bytes: value, ...(ttlMs !== undefined && { ttlMs }) });
  }
}

/** Field 1 is the name in every kind that is subscribed to. Undefined = the bytes before it are none. */
function nameWithin(resource: Uint8Array): string | undefined {
  const reader = new ProtobufReader(resource);
  while (reader.next()) {
    if (reader.field !== 1) continue;
    const name = reader.bytes();
    return name !== undefined && isUtf8(name) ? textFrom(name) : undefined;
  }
  return reader.isBroken ? undefined : '';
}

function anyFrom(bytes: Uint8Array): { readonly typeUrl: string; readonly value: Uint8Array } | undefined {
  let typeUrl = '';
  let value: Uint8Array = new Uint8Array();
  const reader = new ProtobufReader(bytes);
  for (const [field, part] of byteFields(reader)) {
    if (field === 1) typeUrl = textFrom(part);
    else if (field === 2) value = part;
  }
  return reader.isBroken || typeUrl === '' ? undefined : { typeUrl, value };
}

function errorFrom(bytes: Uint8Array): ResourceError {
  let name = '';
  let code = 0;
  let message = '';
  const reader = new ProtobufReader(bytes);
  for (const [field, value] of byteFields(reader)) {
    if (field === 1) name = textAt(value, 1);
    if (field !== 2) continue;
    const status = new ProtobufReader(value);
    while (status.next()) {
      if (status.field === 1) code = status.varint() ?? 0;
      else if (status.field === 2) message = textFrom(status.bytes() ?? new Uint8Array());
    }
  }
  return { name, code, message };
}

/** The fields of a message that are bytes, each with its number. */
function* byteFields(reader: ProtobufReader): Generator<readonly [field: number, value: Uint8Array]> {
  while (reader.next()) {
    const value = reader.bytes();
    if (value !== undefined) yield [reader.field, value];
  }
}

/** `google.protobuf.Duration`. */
function millisecondsFrom(bytes: Uint8Array): number {
  let ms = 0;
  const reader = new ProtobufReader(bytes);
  while (reader.next()) {
    if (reader.field === 1) ms += (reader.varint() ?? 0) * 1000;
    else if (reader.field === 2) ms += (reader.varint() ?? 0) / 1_000_000;
  }
  return ms;
}

function textAt(message: Uint8Array, field: number): string {
  const reader = new ProtobufReader(message);
  while (reader.next()) if (reader.field === field) return textFrom(reader.bytes() ?? new Uint8Array());
  return '';
}

function textFrom(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

/** What follows the last slash of a type URL. */
export function typeName(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf('/') + 1);
}

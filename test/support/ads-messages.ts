/** The messages of ADS as a server writes and reads them. */
import { ProtobufReader, ProtobufWriter } from '../../src/wire/protobuf.ts';

/** The two ways of ADS. */
export type Variant = 'state-of-the-world' | 'delta';

/** A request as the server got it. */
export interface SeenRequest {
  readonly variant: Variant;
  /** Number of the stream, from 0. */
  readonly stream: number;
  readonly typeUrl: string;
  /** State of the world: `version_info`. */
  readonly version: string;
  readonly nonce: string;
  /** Bytes of the node where there was one. */
  readonly node?: Uint8Array;
  /** State of the world: names; delta: names subscribed to. */
  readonly names: readonly string[];
  readonly unsubscribed: readonly string[];
  readonly initialVersions: Readonly<Record<string, string>>;
  /** Set in a NACK. */
  readonly error?: { readonly code: number; readonly message: string };
}

/** One resource that a response is written with. */
export interface SentResource {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly version?: string;
  readonly ttlMs?: number;
}

/** What a response is written from. */
export interface ResponseParts {
  readonly typeUrl: string;
  readonly version: string;
  readonly nonce: string;
  readonly controlPlane?: string;
  readonly resources: readonly SentResource[];
  /** `resource_errors`. */
  readonly errors?: readonly { readonly name: string; readonly code: number; readonly message: string }[];
}

/** The bytes of a `DiscoveryResponse`; resources with a version or a time to live are wrapped. */
export function wholeResponse(parts: ResponseParts & { readonly isWrapped?: boolean }): Uint8Array {
  const writer = new ProtobufWriter().text(1, parts.version);
  for (const resource of parts.resources) {
    if (parts.isWrapped)
      writer.message(2, any('type.googleapis.com/envoy.service.discovery.v3.Resource', wrapper(parts.typeUrl, resource)));
    else writer.message(2, any(parts.typeUrl, resource.bytes));
  }
  writer.text(4, parts.typeUrl).text(5, parts.nonce);
  if (parts.controlPlane) writer.message(6, new ProtobufWriter().text(1, parts.controlPlane));
  writeErrors(writer, 7, parts);
  return writer.finish();
}

/** The bytes of a `DeltaDiscoveryResponse`. */
export function deltaResponse(parts: ResponseParts & { readonly removed?: readonly string[] }): Uint8Array {
  const writer = new ProtobufWriter().text(1, parts.version);
  for (const resource of parts.resources) writer.message(2, wrapper(parts.typeUrl, resource));
  writer.text(4, parts.typeUrl).text(5, parts.nonce);
  for (const name of parts.removed ?? []) writer.text(6, name);
  if (parts.controlPlane) writer.message(7, new ProtobufWriter().text(1, parts.controlPlane));
  writeErrors(writer, 9, parts);
  return writer.finish();
}

function writeErrors(writer: ProtobufWriter, field: number, parts: ResponseParts): void {
  for (const { name, code, message } of parts.errors ?? []) {
    const status = new ProtobufWriter().varint(1, code).text(2, message);
    writer.message(field, new ProtobufWriter().message(1, new ProtobufWriter().text(1, name)).message(2, status));
  }
}

/** A resource of which nothing but its name is set: field 1 in every kind. */
export function namedResource(name: string, rest: Uint8Array = new Uint8Array()): Uint8Array {
  return Buffer.concat([new ProtobufWriter().text(1, name).finish(), rest]);
}

function wrapper(typeUrl: string, { name, bytes, version, ttlMs }: SentResource): ProtobufWriter {
  const writer = new ProtobufWriter().text(1, version ?? '').text(3, name);
  if (bytes.length > 0) writer.message(2, any(typeUrl, bytes));
  if (ttlMs !== undefined)
    writer.message(6, new ProtobufWriter().varint(1, Math.floor(ttlMs / 1000)).varint(2, (ttlMs % 1000) * 1_000_000));
  return writer;
}

function any(typeUrl: string, value: Uint8Array | ProtobufWriter): ProtobufWriter {
  return new ProtobufWriter().text(1, typeUrl).message(2, value);
}

/** Reads a request of a client. */
export function readRequest(bytes: Uint8Array, variant: Variant, stream: number): SeenRequest {
  const isDelta = variant === 'delta';
  let version = '';
  let typeUrl = '';
  let nonce = '';
  let node: Uint8Array | undefined;
  let error: SeenRequest['error'];
  const names: string[] = [];
  const unsubscribed: string[] = [];
  const initialVersions: Record<string, string> = {};
  const reader = new ProtobufReader(bytes);
  while (reader.next()) {
    const { field } = reader;
    const value = reader.bytes() ?? new Uint8Array();
    const text = Buffer.from(value).toString();
    if (field === (isDelta ? 1 : 2)) node = value;
    else if (field === 1) version = text;
    else if (field === 3) names.push(text);
    else if (field === (isDelta ? 2 : 4)) typeUrl = text;
    else if (isDelta && field === 4) unsubscribed.push(text);
    else if (isDelta && field === 5) initialVersions[textIn(value, 1)] = textIn(value, 2);
    else if (field === (isDelta ? 6 : 5)) nonce = text;
    else if (field === (isDelta ? 7 : 6)) error = statusIn(value);
  }
  return {
    variant,
    stream,
    typeUrl,
    version,
    nonce,
    names,
    unsubscribed,
    initialVersions,
    ...(node !== undefined && { node }),
    ...(error !== undefined && { error }),
  };
}

function textIn(bytes: Uint8Array, field: number): string {
  const reader = new ProtobufReader(bytes);
  while (reader.next()) if (reader.field === field) return Buffer.from(reader.bytes() ?? new Uint8Array()).toString();
  return '';
}

function statusIn(bytes: Uint8Array): { readonly code: number; readonly message: string } {
  let code = 0;
  const reader = new ProtobufReader(bytes);
  while (reader.next()) if (reader.field === 1) code = reader.varint() ?? 0;
  return { code, message: textIn(bytes, 2) };
}

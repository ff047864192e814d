/**
 * The messages of `envoy.service.auth.v3.Authorization/Check`, field by field: what the authorizer is told, and its answer. Names and
 * numbers: envoy/service/auth/v3/external_auth.proto and attribute_context.proto.
 */
import { ProtobufReader, ProtobufWriter } from '../../../wire/protobuf.ts';
import type { HeaderEdit } from '../request-headers.ts';

/** One end of a connection. */
export interface CheckedPeer {
  readonly address: string;
  readonly port: number;
  /** Of its certificate: the first URI name, else the first DNS name. */
  readonly principal: string | undefined;
}

/** A request as the authorizer sees it. */
export interface CheckedRequest {
  readonly source: CheckedPeer;
  readonly destination: CheckedPeer;
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly wallMs: number;
  readonly method: string;
  readonly path: string;
  readonly host: string;
  readonly scheme: string;
  /** `HTTP/1.1` or `HTTP/2`. */
  readonly protocol: string;
  /** In lower case; several values are joined. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array | undefined;
  readonly serverName: string | undefined;
}

/** An answer that could be read. */
export interface CheckAnswer {
  readonly isAllowed: boolean;
  /** Of a request that goes on. */
  readonly edit: HeaderEdit;
  readonly responseHeaders: readonly (readonly [name: string, value: string])[];
  readonly queryToSet: readonly (readonly [name: string, value: string])[];
  readonly queryToRemove: readonly string[];
  /** Of a refusal; 0 = not said. */
  readonly status: number;
  readonly body: string;
  readonly refusalHeaders: readonly (readonly [name: string, value: string])[];
}

/** Writes a `CheckRequest`. */
export function checkRequestBytes(request: CheckedRequest): Uint8Array {
  const { body, serverName } = request;
  const http = new ProtobufWriter().text(1, request.id).text(2, request.method);
  for (const [name, value] of request.headers) http.message(3, new ProtobufWriter().text(1, name).text(2, value));
  http.text(4, request.path).text(5, request.host).text(6, request.scheme);
  http.varint(9, body?.length ?? -1).text(10, request.protocol);
  if (body !== undefined) {
    // A text has to be UTF-8: what is not goes as bytes.
    const text = utf8Of(body);
    if (text === undefined) http.bytes(12, body);
    else http.text(11, text);
  }
  const time = new ProtobufWriter()
    .varint(1, Math.floor(request.wallMs / 1000))
    .varint(2, Math.floor(request.wallMs % 1000) * 1_000_000);
  const attributes = new ProtobufWriter()
    .message(1, peerMessage(request.source))
    .message(2, peerMessage(request.destination))
    .message(4, new ProtobufWriter().message(1, time).message(2, http));
  if (serverName !== undefined) attributes.message(12, new ProtobufWriter().text(1, serverName));
  return new ProtobufWriter().message(1, attributes).finish();
}

function peerMessage({ address, port, principal }: CheckedPeer): ProtobufWriter {
  const socket = new ProtobufWriter().text(2, address).varint(3, port);
  const peer = new ProtobufWriter().message(1, new ProtobufWriter().message(1, socket));
  return principal === undefined ? peer : peer.text(4, principal);
}

/** Reads a `CheckResponse`; undefined = the bytes are none. An answer without a status is one that allows, as proto3 has it. */
export function checkAnswerFrom(bytes: Uint8Array): CheckAnswer | undefined {
  let code: number | undefined = 0;
  let ok: Uint8Array | undefined;
  let denied: Uint8Array | undefined;
  const reader = new ProtobufReader(bytes);
  while (reader.next()) {
    if (reader.field === 1) code = codeFrom(reader.bytes());
    else if (reader.field === 2) denied = reader.bytes();
    else if (reader.field === 3) ok = reader.bytes();
  }
  // A status that cannot be read is no leave to go on.
  if (reader.isBroken || code === undefined) return undefined;
  const answer = {
    isAllowed: code === 0,
    edit: {},
    responseHeaders: [],
    queryToSet: [],
    queryToRemove: [],
    status: 0,
    body: '',
    refusalHeaders: [],
  };
  if (code === 0) return ok === undefined ? answer : readAllowed(ok, answer);
  return denied === undefined ? answer : readDenied(denied, answer);
}

function readAllowed(bytes: Uint8Array, answer: CheckAnswer): CheckAnswer | undefined {
  const headers: HeaderOption[] = [];
  const remove: string[] = [];
  const added: HeaderOption[] = [];
  const queryToSet: (readonly [string, string])[] = [];
  const queryToRemove: string[] = [];
  const reader = new ProtobufReader(bytes);
  while (reader.next()) {
    const { field } = reader;
    if (field === 2) headers.push(headerOptionFrom(reader.bytes()));
    else if (field === 5) remove.push(textOf(reader.bytes()).toLowerCase());
    else if (field === 6) added.push(headerOptionFrom(reader.bytes()));
    else if (field === 7) queryToSet.push(pairFrom(reader.bytes()));
    else if (field === 8) queryToRemove.push(textOf(reader.bytes()));
  }
  if (reader.isBroken) return undefined;
  const pairs = (action: number) => headers.filter((header) => header.action === action).map(({ pair }) => pair);
  return {
    ...answer,
    edit: { remove, set: pairs(2), setIfAbsent: pairs(1), setIfPresent: pairs(3), add: pairs(0) },
    responseHeaders: added.map(({ pair }) => pair),
    queryToSet,
    queryToRemove,
  };
}

function readDenied(bytes: Uint8Array, answer: CheckAnswer): CheckAnswer | undefined {
  let status = 0;
  let body = '';
  const refusalHeaders: (readonly [string, string])[] = [];
  const reader = new ProtobufReader(bytes);
  while (reader.next()) {
    if (reader.field === 1) status = fieldOf(reader.bytes(), 1) ?? 0;
    else if (reader.field === 2) refusalHeaders.push(headerOptionFrom(reader.bytes()).pair);
    else if (reader.field === 3) body = textOf(reader.bytes());
  }
  return reader.isBroken ? undefined : { ...answer, status, body, refusalHeaders };
}

interface HeaderOption {
  readonly pair: readonly [name: string, value: string];
  /** 0 add, 1 if absent, 2 overwrite, 3 if present (`HeaderAppendAction`). */
  readonly action: number;
}

/** A `HeaderValueOption`. Its old `append` says it where it is there: true = add, false = overwrite. */
function headerOptionFrom(bytes: Uint8Array | undefined): HeaderOption {
  let pair: readonly [string, string] = ['', ''];
  let action = 0;
  let append: boolean | undefined;
  const reader = new ProtobufReader(bytes ?? new Uint8Array());
  while (reader.next()) {
    if (reader.field === 1) pair = pairFrom(reader.bytes());
    else if (reader.field === 2) append = fieldOf(reader.bytes(), 1) === 1;
    else if (reader.field === 3) action = reader.varint() ?? 0;
  }
  if (append !== undefined) action = append ? 0 : 2;
  return { pair: [pair[0].toLowerCase(), pair[1]], action: action > 3 ? 2 : action };
}

/** A message whose field 1 is a key and field 2 its value; a header may have it as bytes in field 3. */
function pairFrom(bytes: Uint8Array | undefined): readonly [string, string] {
  let key = '';
  let value = '';
  const reader = new ProtobufReader(bytes ?? new Uint8Array());
  while (reader.next()) {
    if (reader.field === 1) key = textOf(reader.bytes());
    else if (reader.field === 2) value = textOf(reader.bytes());
    else if (reader.field === 3) value = Buffer.from(reader.bytes() ?? []).toString('latin1');
  }
  return [key, value];
}

/** The code of a `google.rpc.Status`; undefined = it cannot be read. */
function codeFrom(bytes: Uint8Array | undefined): number | undefined {
  if (bytes === undefined) return undefined;
  const reader = new ProtobufReader(bytes);
  let code: number | undefined = 0;
  while (reader.next()) if (reader.field === 1) code = reader.varint();
  return reader.isBroken ? undefined : code;
}

/** A field of a small message that is a whole number. */
function fieldOf(bytes: Uint8Array | undefined, wanted: number): number | undefined {
  const reader = new ProtobufReader(bytes ?? new Uint8Array());
  let value: number | undefined;
  while (reader.next()) if (reader.field === wanted) value = reader.varint();
  return value;
}

function textOf(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? '' : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function utf8Of(bytes: Uint8Array): string | undefined {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return undefined;
  }
}

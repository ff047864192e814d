/**
 * Resources of Envoy as bytes, out of their JSON, by the same table that src reads them with (which envoy-bytes.test.ts holds against
 * the `.proto` files). A field that the table does not have, or a value that it cannot hold, is a TypeError; of an `Any` of a type that
 * it does not have only the type is written.
 */
import { durationMsFrom } from '../../src/control-plane/xds/translate/duration.ts';
import {
  messageTypeAt,
  messageTypeOf,
  type FieldType,
  type MessageType,
} from '../../src/control-plane/xds/wire/message-types.ts';
import { enumTable } from '../../src/control-plane/xds/wire/message-table.ts';
import { ProtobufWriter } from '../../src/wire/protobuf.ts';

type Json = Readonly<Record<string, unknown>>;

/** The bytes of a message, such as an `envoy.config.cluster.v3.Cluster`. */
export function envoyBytes(json: object, type: string): Uint8Array {
  const messageType = messageTypeOf(type);
  if (messageType === undefined) throw new TypeError(`${type} is not in the table`);
  return message(json as Json, messageType).finish();
}

/** The same in an `Any`, as resources stand in a response: the type is its `@type`. */
export function envoyAny(json: object): Uint8Array {
  return any(json as Json).finish();
}

function message(json: Json, type: MessageType): ProtobufWriter {
  const writer = new ProtobufWriter();
  const numbers = new Map<string, readonly [number: number, field: FieldType]>();
  for (const [number, field] of type.byNumber.entries())
    if (field !== undefined) numbers.set(folded(field.name), [number, field]);
  for (const [key, value] of Object.entries(json)) {
    if (value === null || value === undefined || key === '@type') continue;
    const found = numbers.get(folded(key));
    if (found === undefined) throw new TypeError(`${type.name} has no ${key}`);
    writeField(writer, ...found, value);
  }
  return writer;
}

function folded(key: string): string {
  return key.replaceAll('_', '').toLowerCase();
}

function writeField(writer: ProtobufWriter, number: number, field: FieldType, value: unknown): void {
  if (field.isMap) {
    for (const [key, item] of Object.entries(object(value))) {
      const entry = new ProtobufWriter().text(1, key);
      write(entry, 2, field, item);
      writer.message(number, entry);
    }
  } else if (field.isList) {
    if (!Array.isArray(value)) throw new TypeError(`${field.name} must be a list`);
    for (const item of value as unknown[]) write(writer, number, field, item);
  } else write(writer, number, field, value);
}

function write(writer: ProtobufWriter, number: number, field: FieldType, value: unknown): void {
  switch (field.code) {
    case 's':
      writer.text(number, text(value));
      return;
    case 'y':
      writer.bytes(number, Buffer.from(text(value), 'base64'));
      return;
    case 'b':
      writer.varint(number, flag(value) ? 1 : 0);
      return;
    case 'e':
      writer.varint(number, enumNumber(field, value));
      return;
    case 'd':
      writer.double(number, numeric(value));
      return;
    case 'f':
      writer.float(number, numeric(value));
      return;
    case 'u':
    case 'U':
    case 'i':
    case 'I':
      writer.varint(number, numeric(value));
      return;
    case 'w': {
      const inner = new ProtobufWriter();
      const isObject = typeof value === 'object' && value !== null && 'value' in value;
      write(inner, 1, field.inner!.fields[0]!, isObject ? value.value : value);
      writer.message(number, inner);
      return;
    }
    case 'm':
      writer.message(number, message(object(value), messageTypeAt(field.line)));
      return;
    case 'A':
      writer.message(number, any(object(value)));
      return;
    case 'D':
      writer.message(number, duration(value));
      return;
    case 'S':
      writer.message(number, struct(object(value)));
      return;
    case 'V':
      writer.message(number, jsonValue(value));
      return;
    case 'o':
      writer.bytes(number, new Uint8Array());
      return;
    default:
      throw new TypeError(`${field.name}: ${field.code} is not written`);
  }
}

function any(json: Json): ProtobufWriter {
  const url = json['@type'];
  if (typeof url !== 'string') throw new TypeError('an Any has an @type');
  const name = url.slice(url.lastIndexOf('/') + 1);
  const writer = new ProtobufWriter().text(1, url);
  const type = messageTypeOf(name);
  if (type !== undefined) writer.message(2, message(json, type));
  else if (name === 'google.protobuf.Struct') writer.message(2, struct(object(json['value'])));
  return writer;
}

function struct(json: Json): ProtobufWriter {
  const writer = new ProtobufWriter();
  for (const [key, value] of Object.entries(json))
    writer.message(1, new ProtobufWriter().text(1, key).message(2, jsonValue(value)));
  return writer;
}

function jsonValue(value: unknown): ProtobufWriter {
  const writer = new ProtobufWriter();
  if (value === null) return writer.varint(1, 0);
  if (typeof value === 'number') return writer.double(2, value);
  if (typeof value === 'string') return writer.text(3, value);
  if (typeof value === 'boolean') return writer.varint(4, value ? 1 : 0);
  if (!Array.isArray(value)) return writer.message(5, struct(object(value)));
  const list = new ProtobufWriter();
  for (const item of value as unknown[]) list.message(1, jsonValue(item));
  return writer.message(6, list);
}

function duration(value: unknown): ProtobufWriter {
  const positive = typeof value === 'string' && value.startsWith('-') ? value.slice(1) : value;
  const totalMs = durationMsFrom(positive);
  if (typeof totalMs === 'string') throw new TypeError(totalMs);
  const sign = positive === value ? 1 : -1;
  const seconds = Math.floor(totalMs / 1000);
  const nanos = Math.round((totalMs - seconds * 1000) * 1e6);
  const writer = new ProtobufWriter();
  if (seconds !== 0) writer.varint(1, sign * seconds);
  if (nanos !== 0) writer.varint(2, sign * nanos);
  return writer;
}

const enumLines = enumTable.trim().split('\n');

function enumNumber({ line, name }: FieldType, value: unknown): number {
  if (typeof value === 'number') return value;
  const found = new RegExp(` (-?\\d+)=${text(value)}(?: |$)`).exec(enumLines[line]!);
  if (found === null) throw new TypeError(`${name}: ${text(value)} is no value`);
  return Number(found[1]);
}

function text(value: unknown): string {
  if (typeof value !== 'string') throw new TypeError(`${JSON.stringify(value)} is no text`);
  return value;
}

function flag(value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  if (value === 'true' || value === 'false') return value === 'true';
  throw new TypeError(`${JSON.stringify(value)} is no flag`);
}

function numeric(value: unknown): number {
  const number = typeof value === 'string' ? Number(value) : value;
  if (typeof number !== 'number' || Number.isNaN(number)) throw new TypeError(`${JSON.stringify(value)} is no number`);
  return number;
}

function object(value: unknown): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TypeError(`${JSON.stringify(value)} is no object`);
  return value as Json;
}

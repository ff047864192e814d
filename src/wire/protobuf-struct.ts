/** `google.protobuf.Struct`: values of JSON as a message. */
import { ProtobufReader, ProtobufWriter } from './protobuf.ts';

/** A value of a `Struct`. */
export type StructValue = null | boolean | number | string | readonly StructValue[] | { readonly [name: string]: StructValue };

/** The fields of a `Struct`. */
export type StructFields = Readonly<Record<string, StructValue>>;

/** Structures from peers are not followed deeper than this. */
const maxDepth = 16;

/** The bytes of a `Struct`, with its names in the order of their bytes: equal values give equal bytes, as where protobuf is told to be deterministic. */
export function structMessage(fields: StructFields): Uint8Array {
  const writer = new ProtobufWriter();
  for (const name of Object.keys(fields).sort(byBytes))
    writer.message(1, new ProtobufWriter().text(1, name).message(2, valueMessage(fields[name]!)));
  return writer.finish();
}

function byBytes(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other));
}

function valueMessage(value: StructValue): ProtobufWriter {
  const writer = new ProtobufWriter();
  if (value === null) return writer.varint(1, 0);
  if (typeof value === 'number') return writer.double(2, value);
  if (typeof value === 'string') return writer.text(3, value);
  if (typeof value === 'boolean') return writer.varint(4, value ? 1 : 0);
  if (!isList(value)) return writer.message(5, structMessage(value));
  const list = new ProtobufWriter();
  for (const element of value) list.message(1, valueMessage(element));
  return writer.message(6, list);
}

/** The fields of a `Struct` from its bytes, which may come from anybody; undefined when they are none. */
export function readStruct(bytes: Uint8Array, depth = 0): StructFields | undefined {
  if (depth > maxDepth) return undefined;
  // Names come from outside: no prototype that `__proto__` could reach.
  const fields = Object.create(null) as Record<string, StructValue>;
  const reader = new ProtobufReader(bytes);
  while (reader.next()) {
    if (reader.field !== 1) continue;
    const entry = reader.bytes();
    if (entry === undefined || !readEntry(entry, fields, depth)) return undefined;
  }
  return reader.isBroken ? undefined : fields;
}

function readEntry(bytes: Uint8Array, fields: Record<string, StructValue>, depth: number): boolean {
  const reader = new ProtobufReader(bytes);
  let name = '';
  let value: StructValue | undefined = null;
  while (reader.next()) {
    if (reader.field === 1) name = textFrom(reader.bytes());
    else if (reader.field === 2) value = readValue(reader.bytes() ?? new Uint8Array(), depth);
  }
  if (reader.isBroken || value === undefined) return false;
  fields[name] = value;
  return true;
}

function readValue(bytes: Uint8Array, depth: number): StructValue | undefined {
  const reader = new ProtobufReader(bytes);
  let value: StructValue | undefined = null;
  while (reader.next()) {
    if (reader.field === 2) value = reader.double();
    else if (reader.field === 3) value = textFrom(reader.bytes());
    else if (reader.field === 4) value = reader.varint() === 1;
    else if (reader.field === 5) value = readStruct(reader.bytes() ?? new Uint8Array(), depth + 1);
    else if (reader.field === 6) value = readList(reader.bytes() ?? new Uint8Array(), depth + 1);
  }
  return reader.isBroken ? undefined : value;
}

function readList(bytes: Uint8Array, depth: number): readonly StructValue[] | undefined {
  if (depth > maxDepth) return undefined;
  const reader = new ProtobufReader(bytes);
  const list: StructValue[] = [];
  while (reader.next()) {
    if (reader.field !== 1) continue;
    const value = readValue(reader.bytes() ?? new Uint8Array(), depth);
    if (value === undefined) return undefined;
    list.push(value);
  }
  return reader.isBroken ? undefined : list;
}

function textFrom(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? '' : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

function isList(value: StructValue): value is readonly StructValue[] {
  return Array.isArray(value);
}

/**
 * Values of fields in the form that JSON has for them (https://protobuf.dev/programming-guides/json): enums by name, wrappers as what
 * they wrap, `Struct` as the object that it is. Where JSON has a text for what every reader takes as an object too (durations), it is
 * the object. What cannot be read is a symbol that says so, in place of the whole value.
 */
import { isUtf8 } from 'node:buffer';
import { enumNameAt, messageTypeAt, messageTypeOf, typeFrom, type FieldType, type MessageType } from './message-types.ts';
import { inPieces, scanMessage, type Cells } from './scan-message.ts';

/** Messages (and lists in a `Value`) inside of each other, at most; C++ takes 100. Of Envoy's none reaches half of it. */
export const maxDepth = 32;

const noMessage = Symbol('bytes that are no message');
const noText = Symbol('bytes that are no UTF-8');
const tooDeep = Symbol(`a message below ${maxDepth} others`);

const duration = typeFrom('google.protobuf.Duration 1=seconds:I 2=nanos:i');
const struct = typeFrom('google.protobuf.Struct 1=fields:%V');
const list = typeFrom('google.protobuf.ListValue 1=values:*V');
const value = typeFrom(
  'google.protobuf.Value 1=null_value:i/0 2=number_value:d/0 3=string_value:s/0 4=bool_value:b/0 5=struct_value:S/0 6=list_value:L/0',
);
const typedAny = typeFrom('google.protobuf.Any 1=type_url:s 2=value:y');

/** Types whose JSON is no object of their fields: in an `Any` it stands under `value`. */
const inValue: ReadonlyMap<string, FieldType> = new Map(
  [
    ...['String', 'Bytes', 'Bool', 'UInt32', 'UInt64', 'Int32', 'Int64', 'Double', 'Float'].map(
      (name, index) => [`${name}Value`, `w${'sybuUiIdf'[index]}`] as const,
    ),
    ['Duration', 'D'] as const,
    ['Struct', 'S'] as const,
    ['Value', 'V'] as const,
    ['ListValue', 'L'] as const,
    ['Any', 'A'] as const,
  ].map(([name, code]) => [`google.protobuf.${name}`, typeFrom(`any 1=value:${code}`).fields[0]!] as const),
);

/** The text in bytes; a symbol where they are no UTF-8. */
function textAt(bytes: Buffer, start: number, end: number): string | symbol {
  const text = bytes.toString('utf8', start, end);
  // The sign for what could not be decoded may stand in a text too.
  return text.includes('\uFFFD') && !isUtf8(bytes.subarray(start, end)) ? noText : text;
}

/** The value of a field, of which it is known that it is there. */
export function jsonOfField(bytes: Buffer, cells: Cells, field: FieldType, depth: number): unknown {
  const cell = cells[field.slot * 2];
  if (field.isMap) return jsonOfMap(bytes, cell as readonly number[], field, depth);
  if (field.wireType !== 2) return field.code === 'e' ? enumValue(cell, field) : cell;
  if (field.isList) {
    const ranges = cell as readonly number[];
    return Array.from({ length: ranges.length / 2 }, (_, index) =>
      jsonOf(bytes, ranges[index * 2]!, ranges[index * 2 + 1]!, field, depth),
    );
  }
  const end = cells[field.slot * 2 + 1] as number;
  if (end !== inPieces) return jsonOf(bytes, cell as number, end, field, depth);
  const whole = joined(bytes, cell as readonly number[]);
  return jsonOf(whole, 0, whole.length, field, depth);
}

/** One message out of the pieces that it came in: to merge them is to put them one after the other. */
export function joined(bytes: Buffer, ranges: readonly number[]): Buffer {
  const parts: Buffer[] = [];
  for (let index = 0; index < ranges.length; index += 2) parts.push(bytes.subarray(ranges[index], ranges[index + 1]));
  return Buffer.concat(parts);
}

function enumValue(cell: Cells[number], { line }: FieldType): unknown {
  if (typeof cell === 'number') return enumNameAt(line, cell) ?? cell;
  return (cell as readonly number[]).map((each) => enumNameAt(line, each) ?? each);
}

/** One value that has a length. */
export function jsonOf(bytes: Buffer, start: number, end: number, field: FieldType, depth: number): unknown {
  switch (field.code) {
    case 's':
      return textAt(bytes, start, end);
    case 'y':
      return bytes.toString('base64', start, end);
    case 'w':
      return jsonOfWrapper(bytes, start, end, field.inner!);
    case 'm':
      return jsonOfMessage(bytes, start, end, messageTypeAt(field.line), depth + 1);
    case 'D':
      return jsonOfMessage(bytes, start, end, duration, depth + 1);
    case 'S':
      return only(jsonOfMessage(bytes, start, end, struct, depth + 1), 'fields', {});
    case 'L':
      return only(jsonOfMessage(bytes, start, end, list, depth + 1), 'values', []);
    case 'V':
      return jsonOfValue(bytes, start, end, depth);
    case 'A': {
      const content = contentOfAny(bytes, start, end);
      return typeof content === 'symbol' ? content : jsonOfAny(content, depth);
    }
    default:
      return {};
  }
}

function only(message: unknown, name: string, otherwise: unknown): unknown {
  return typeof message === 'symbol' ? message : ((message as Readonly<Record<string, unknown>>)[name] ?? otherwise);
}

const defaults: Readonly<Record<string, unknown>> = { s: '', y: '', b: false };

function jsonOfWrapper(bytes: Buffer, start: number, end: number, type: MessageType): unknown {
  const scan = scanMessage(bytes, start, end, type);
  if (scan === undefined) return noMessage;
  const field = type.fields[0]!;
  return scan.cells[0] === undefined ? (defaults[field.code] ?? 0) : jsonOfField(bytes, scan.cells, field, 0);
}

function jsonOfMessage(bytes: Buffer, start: number, end: number, type: MessageType, depth: number): unknown {
  if (depth > maxDepth) return tooDeep;
  const scan = scanMessage(bytes, start, end, type);
  if (scan === undefined) return noMessage;
  const json: Record<string, unknown> = {};
  for (const field of type.fields) {
    if (scan.cells[field.slot * 2] === undefined) continue;
    const item = jsonOfField(bytes, scan.cells, field, depth);
    const broken = Array.isArray(item) ? item.find((each) => typeof each === 'symbol') : item;
    if (typeof broken === 'symbol') return broken;
    json[field.name] = item;
  }
  return json;
}

function jsonOfValue(bytes: Buffer, start: number, end: number, depth: number): unknown {
  const scan = scanMessage(bytes, start, end, value);
  if (scan === undefined) return noMessage;
  const field = value.fields.find(({ slot }) => scan.cells[slot * 2] !== undefined);
  if (field === undefined || field.name === 'null_value') return null;
  return jsonOfField(bytes, scan.cells, field, depth);
}

function jsonOfMap(bytes: Buffer, ranges: readonly number[], field: FieldType, depth: number): unknown {
  const json: Record<string, unknown> = {};
  const entries = mapEntries(bytes, ranges, field);
  if (typeof entries === 'symbol') return entries;
  for (const [key, cells] of entries) {
    const item = jsonOfEntry(bytes, cells, field, depth);
    if (typeof item === 'symbol') return item;
    if (key === '__proto__')
      Object.defineProperty(json, key, { value: item, enumerable: true, configurable: true, writable: true });
    else json[key] = item;
  }
  return json;
}

function jsonOfEntry(bytes: Buffer, cells: Cells, { inner }: FieldType, depth: number): unknown {
  const field = inner!.fields[1]!;
  if (cells[field.slot * 2] !== undefined) return jsonOfField(bytes, cells, field, depth);
  // A value that is left out is the default of its type.
  return field.wireType === 2 ? jsonOf(bytes, 0, 0, field, depth) : (defaults[field.code] ?? 0);
}

/** The entries of a map by key, each with the cells of its `value`; the last one of a key counts. A symbol says what is wrong. */
export function mapEntries(bytes: Buffer, ranges: readonly number[], { inner }: FieldType): Map<string, Cells> | symbol {
  const entries = new Map<string, Cells>();
  for (let index = 0; index < ranges.length; index += 2) {
    const scan = scanMessage(bytes, ranges[index]!, ranges[index + 1]!, inner!);
    if (scan === undefined) return noMessage;
    const key = scan.cells[0] === undefined ? '' : textAt(bytes, scan.cells[0] as number, scan.cells[1] as number);
    if (typeof key === 'symbol') return key;
    entries.set(key, scan.cells);
  }
  return entries;
}

/** What an `Any` carries. */
export interface AnyContent {
  readonly typeUrl: string;
  /** Bytes of the message. */
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  /** Undefined when the table does not have it. */
  readonly type: MessageType | undefined;
  /** Of a type whose JSON is no object: how its value is written. */
  readonly wellKnown: FieldType | undefined;
}

/** Reads an `Any`; a symbol says what is wrong. */
export function contentOfAny(bytes: Buffer, start: number, end: number): AnyContent | symbol {
  const scan = scanMessage(bytes, start, end, typedAny);
  if (scan === undefined) return noMessage;
  const [urlStart, urlEnd, valueStart = 0, valueEnd = 0] = scan.cells as (number | undefined)[];
  const typeUrl = urlStart === undefined ? '' : textAt(bytes, urlStart, urlEnd!);
  if (typeof typeUrl === 'symbol') return typeUrl;
  const name = typeUrl.slice(typeUrl.lastIndexOf('/') + 1);
  return { typeUrl, bytes, start: valueStart, end: valueEnd, type: messageTypeOf(name), wellKnown: inValue.get(name) };
}

function jsonOfAny(content: AnyContent, depth: number): unknown {
  const { typeUrl, bytes, start, end, type } = content;
  if (type === undefined) return jsonOfOther(content, depth);
  const json = jsonOfMessage(bytes, start, end, type, depth + 1);
  return typeof json === 'symbol' ? json : { '@type': typeUrl, ...(json as object) };
}

/** An `Any` of a type that has a form of its own in JSON, or that nobody knows: of that only the type can be said. */
export function jsonOfOther({ typeUrl, bytes, start, end, wellKnown }: AnyContent, depth: number): unknown {
  if (wellKnown === undefined) return typeUrl === '' ? {} : { '@type': typeUrl };
  if (depth >= maxDepth) return tooDeep;
  const item = jsonOf(bytes, start, end, wellKnown, depth + 1);
  return typeof item === 'symbol' ? item : { '@type': typeUrl, value: item };
}

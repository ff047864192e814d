/** The types of Envoy's messages, out of the generated table: each is made when a message of it is first read. */
import { enumTable, messageTable } from './message-table.ts';

/** How the values of a field are written; see the head of message-table.ts. `L` is the list in a value of JSON. */
export type FieldCode = 's' | 'y' | 'b' | 'u' | 'U' | 'i' | 'I' | 'd' | 'f' | 'e' | 'm' | 'w' | 'A' | 'D' | 'S' | 'V' | 'L' | 'o';

/** One field of a message. */
export interface FieldType {
  readonly name: string;
  /** Its place among the fields of its message. */
  readonly slot: number;
  readonly code: FieldCode;
  /** Line of the message or enum in its table, else −1. */
  readonly line: number;
  /** The wire type of one value: 0 varint, 1 eight bytes, 2 bytes with their length, 5 four bytes. */
  readonly wireType: number;
  readonly isList: boolean;
  readonly isMap: boolean;
  /** Of a map, and of a wrapper: the message that its entries, or it, are on the wire: `key` and `value`. */
  readonly inner: MessageType | undefined;
  /** Slots of all fields of the `oneof` that it belongs to: of them the last one on the wire is there. */
  readonly oneOf: readonly number[] | undefined;
}

/** A message and its fields. */
export interface MessageType {
  readonly name: string;
  /** By slot. */
  readonly fields: readonly FieldType[];
  readonly byName: ReadonlyMap<string, FieldType>;
  readonly byNumber: readonly (FieldType | undefined)[];
  /** Two undefined cells for each field, and a word of zeros for each 32 of them: to be copied (see scan-message.ts). */
  readonly emptyCells: readonly undefined[];
  readonly noneSeen: readonly number[];
}

/** A message by its full name; undefined for one that is not in the table. */
export function messageTypeOf(name: string): MessageType | undefined {
  tables ??= new Tables();
  const line = tables.lineOf.get(name);
  return line === undefined ? undefined : messageTypeAt(line);
}

/** The message at a line of the table. */
export function messageTypeAt(line: number): MessageType {
  tables ??= new Tables();
  return (tables.types[line] ??= typeFrom(tables.messages[line]!));
}

/** The name of a value of the enum at a line; undefined where it has none. */
export function enumNameAt(line: number, value: number): string | undefined {
  tables ??= new Tables();
  const names = (tables.enumNames[line] ??= enumFrom(tables.enums[line]!));
  return names.get(value);
}

class Tables {
  readonly messages = messageTable.trim().split('\n');
  readonly enums = enumTable.trim().split('\n');
  readonly lineOf: ReadonlyMap<string, number> = new Map(
    this.messages.map((line, index) => [line.slice(0, nameEnd(line)), index] as const),
  );
  readonly types: (MessageType | undefined)[] = [];
  readonly enumNames: (ReadonlyMap<number, string> | undefined)[] = [];
}

let tables: Tables | undefined;

function nameEnd(line: string): number {
  const end = line.indexOf(' ');
  return end === -1 ? line.length : end;
}

const wireTypes: Readonly<Partial<Record<FieldCode, number>>> = { b: 0, u: 0, U: 0, i: 0, I: 0, e: 0, d: 1, f: 5 };

/** A type by its line, as in the table. */
export function typeFrom(line: string): MessageType {
  const [name = '', ...texts] = line.split(' ');
  const oneOfs = new Map<string, number[]>();
  const fields: FieldType[] = [];
  const byNumber: (FieldType | undefined)[] = [];
  for (const [slot, text] of texts.entries()) {
    const [, number, fieldName, code, oneOf] = /^(\d+)=(\w+):([^/]+)(?:\/(\d+))?$/.exec(text)!;
    let slots: number[] | undefined;
    if (oneOf !== undefined) {
      slots = oneOfs.get(oneOf) ?? [];
      slots.push(slot);
      oneOfs.set(oneOf, slots);
    }
    const field = fieldFrom(fieldName!, slot, code!, slots);
    fields.push(field);
    while (byNumber.length < Number(number)) byNumber.push(undefined);
    byNumber.push(field);
  }
  return typeOf(name, fields, byNumber);
}

/** A type of fields that are known by name alone when `byNumber` is left out: those of a map. */
export function typeOf(name: string, fields: readonly FieldType[], byNumber: MessageType['byNumber'] = []): MessageType {
  return {
    name,
    fields,
    byName: new Map(fields.map((field) => [field.name, field])),
    byNumber,
    emptyCells: fields.flatMap(() => [undefined, undefined]),
    noneSeen: fields.filter((_, slot) => slot % 32 === 0).map(() => 0),
  };
}

function fieldFrom(name: string, slot: number, code: string, oneOf: readonly number[] | undefined): FieldType {
  const isList = code.startsWith('*');
  const isMap = code.startsWith('%');
  const own = isList || isMap ? code.slice(1) : code;
  const kind = own[0] as FieldCode;
  let inner: MessageType | undefined;
  if (isMap) inner = typeFrom(`entry 1=key:s 2=value:${own}`);
  else if (kind === 'w') inner = typeFrom(`wrapper 1=value:${own.slice(1)}`);
  return {
    name,
    slot,
    code: kind,
    line: kind === 'm' || kind === 'e' ? Number(own.slice(1)) : -1,
    wireType: isMap ? 2 : (wireTypes[kind] ?? 2),
    isList,
    isMap,
    inner,
    oneOf,
  };
}

function enumFrom(line: string): ReadonlyMap<number, string> {
  const [, ...texts] = line.split(' ');
  return new Map(
    texts.map((text) => {
      const [number, name] = text.split('=');
      return [Number(number), name!] as const;
    }),
  );
}

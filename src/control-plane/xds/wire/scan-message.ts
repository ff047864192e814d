/**
 * Where the fields of a message stand in its bytes: one pass over the message itself, none into the messages inside of it. That is what
 * makes it cheap to read little of much; a message that nobody asks for is never looked at.
 *
 * Each field has two cells, `cells[2 * slot]` and the one after it. Undefined = the field is not there. Numbers and flags: the value.
 * What has a length: where it begins and ends. Lists: the values, or begin, end, begin, end …, in one array. A message that came in
 * several pieces, which count as one (so says the format): the pieces, as in a list, and `inPieces`.
 */
import { cursor, readLength, readTag, readVarint, skipValue } from './cursor.ts';
import type { FieldType, MessageType } from './message-types.ts';

/** What is in the cells of a message. */
export type Cells = (number | string | boolean | number[] | (number | string | boolean)[] | undefined)[];

export const inPieces = -1;

/** What was found in a message. */
export interface Scan {
  readonly cells: Cells;
  /** Numbers of fields that the table does not have, the first few of them; undefined when there are none. */
  readonly unknown: readonly number[] | undefined;
}

/** More fields that nobody knows are not worth a report. */
const maxUnknown = 16;

/** The fields of a message; undefined where the bytes are no message. */
export function scanMessage(bytes: Buffer, start: number, end: number, type: MessageType): Scan | undefined {
  const { byNumber } = type;
  const cells: Cells = type.emptyCells.slice();
  let unknown: number[] | undefined;
  cursor.at = start;
  while (cursor.at < end) {
    const tag = readTag(bytes, end);
    if (tag === -1) return undefined;
    const number = tag >>> 3;
    const field = number < byNumber.length ? byNumber[number] : undefined;
    const wireType = tag & 7;
    if (field === undefined || (field.wireType !== wireType && !(field.isList && wireType === 2))) {
      if (!skipValue(bytes, end, tag)) return undefined;
      unknown ??= [];
      if (unknown.length < maxUnknown && !unknown.includes(number)) unknown.push(number);
      continue;
    }
    if (field.oneOf !== undefined) clearOthers(cells, field);
    if (wireType === 2 ? !scanRange(bytes, end, field, cells) : !scanNumber(bytes, end, field, cells)) return undefined;
  }
  return { cells, unknown };
}

function clearOthers(cells: Cells, { oneOf, slot }: FieldType): void {
  for (const other of oneOf!) if (other !== slot) cells[other * 2] = undefined;
}

function scanNumber(bytes: Buffer, end: number, field: FieldType, cells: Cells): boolean {
  const value = readNumber(bytes, end, field.code);
  if (value === undefined) return false;
  const cell = field.slot * 2;
  if (!field.isList) cells[cell] = value;
  else if (cells[cell] === undefined) cells[cell] = [value];
  else (cells[cell] as (number | string | boolean)[]).push(value);
  return true;
}

/** A value that has a length: a text, bytes, a message, or numbers of a list in one (packed). */
function scanRange(bytes: Buffer, end: number, field: FieldType, cells: Cells): boolean {
  const length = readLength(bytes, end);
  if (length === -1) return false;
  const start = cursor.at;
  const valueEnd = start + length;
  const cell = field.slot * 2;
  const known = cells[cell];
  if (field.wireType !== 2) {
    while (cursor.at < valueEnd) if (!scanNumber(bytes, valueEnd, field, cells)) return false;
    return true;
  }
  cursor.at = valueEnd;
  if (field.isList || field.isMap) {
    if (known === undefined) cells[cell] = [start, valueEnd];
    else (known as number[]).push(start, valueEnd);
  } else if (known === undefined || field.code === 's' || field.code === 'y') {
    cells[cell] = start;
    cells[cell + 1] = valueEnd;
  } else if (cells[cell + 1] === inPieces) (known as number[]).push(start, valueEnd);
  else {
    cells[cell] = [known as number, cells[cell + 1] as number, start, valueEnd];
    cells[cell + 1] = inPieces;
  }
  return true;
}

/** The next number, in the form that JSON has for it, but enums by number; undefined where there is none. */
function readNumber(bytes: Buffer, end: number, code: string): number | string | boolean | undefined {
  if (code === 'd') {
    if (end - cursor.at < 8) return undefined;
    cursor.at += 8;
    return finite(bytes.readDoubleLE(cursor.at - 8));
  }
  if (code === 'f') {
    if (end - cursor.at < 4) return undefined;
    cursor.at += 4;
    return finite(shortest(bytes.readFloatLE(cursor.at - 4)));
  }
  const low = readVarint(bytes, end);
  if (low === -1) return undefined;
  switch (code) {
    case 'b':
      return low !== 0 || cursor.high !== 0;
    case 'u':
      return low;
    case 'U':
      return cursor.high === 0 ? low : wholeOf(BigInt.asUintN(64, bigOf(low)));
    case 'I':
      return cursor.high === 0 ? low : wholeOf(BigInt.asIntN(64, bigOf(low)));
    default:
      return low | 0;
  }
}

function bigOf(low: number): bigint {
  return (BigInt(cursor.high >>> 0) << 32n) | BigInt(low);
}

/** A number up to 2^53, digits beyond. */
function wholeOf(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value.toString();
}

/** JSON has no such numbers: protobuf writes their names. */
function finite(value: number): number | string {
  return Number.isFinite(value) ? value : String(value);
}

/** The number of fewest digits that is this one in 32 bits: 0.1 rather than 0.10000000149011612. */
function shortest(value: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const rounded = Number(value.toPrecision(digits));
    if (Math.fround(rounded) === value) return rounded;
  }
  return value;
}

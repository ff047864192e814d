import { JsonFields } from '../translate/json-fields.ts';
import type { MessageFields } from '../translate/message-fields.ts';
import { messageTypeAt, typeOf, type FieldType, type MessageType } from './message-types.ts';
import { inPieces, scanMessage, type Cells, type Scan } from './scan-message.ts';
import { contentOfAny, joined, jsonOf, jsonOfField, jsonOfOther, mapEntries, maxDepth } from './wire-json.ts';

const noMessage = 'must be a message, not bytes that are none';
const tooDeep = `lies deeper than ${maxDepth} messages, which is the most that is read`;

/**
 * The fields of a message that is bytes. A field is decoded when it is asked for; its value is what JSON has for it, so that whoever
 * reads it needs to know nothing of bytes. Of an `Any` they are the fields of the message in it, and `@type`; of a map its values.
 */
export class WireFields implements MessageFields {
  private readonly source: Buffer;
  private readonly type: MessageType;
  private readonly cells: Cells;
  private readonly unknown: Scan['unknown'];
  private readonly depth: number;
  private readonly typeUrl: string | undefined;
  /** A bit for each slot. */
  private readonly seen: number[];

  private constructor(source: Buffer, type: MessageType, { cells, unknown }: Scan, depth: number, typeUrl: string | undefined) {
    this.source = source;
    this.type = type;
    this.cells = cells;
    this.unknown = unknown;
    this.depth = depth;
    this.typeUrl = typeUrl;
    this.seen = type.noneSeen.slice();
  }

  /** The fields of a message, which lies in so many others; a text says why there are none. `typeUrl` is of one in an `Any`. */
  static of(source: Buffer, start: number, end: number, type: MessageType, depth: number, typeUrl?: string): WireFields | string {
    if (depth > maxDepth) return tooDeep;
    const scan = scanMessage(source, start, end, type);
    return scan === undefined ? noMessage : new WireFields(source, type, scan, depth, typeUrl);
  }

  has(name: string): boolean {
    const field = this.type.byName.get(name);
    if (field === undefined) return name === '@type' && this.typeUrl !== undefined;
    return this.cells[field.slot * 2] !== undefined;
  }

  value(name: string): unknown {
    const field = this.read(name);
    if (field !== undefined) return jsonOfField(this.source, this.cells, field, this.depth);
    return name === '@type' ? this.typeUrl : undefined;
  }

  bytes(name: string): Uint8Array | string | undefined {
    const field = this.read(name);
    if (field === undefined) return undefined;
    if (field.code !== 'y' || field.isList || field.isMap) return 'must be bytes';
    const cell = field.slot * 2;
    return this.source.subarray(this.cells[cell] as number, this.cells[cell + 1] as number);
  }

  part(name: string): MessageFields | string | undefined {
    const field = this.read(name);
    if (field === undefined || field.isList || field.wireType !== 2) return undefined;
    const cell = field.slot * 2;
    if (field.isMap) return this.mapAt(field, this.cells[cell] as readonly number[]);
    const end = this.cells[cell + 1] as number;
    if (end !== inPieces) return this.partOf(this.source, this.cells[cell] as number, end, field);
    const whole = joined(this.source, this.cells[cell] as readonly number[]);
    return this.partOf(whole, 0, whole.length, field);
  }

  parts(name: string): readonly (MessageFields | string | undefined)[] | undefined {
    const field = this.read(name);
    if (field === undefined || !field.isList) return undefined;
    if (field.wireType !== 2) return (this.cells[field.slot * 2] as readonly unknown[]).map(() => undefined);
    const ranges = this.cells[field.slot * 2] as readonly number[];
    const parts: (MessageFields | string | undefined)[] = [];
    for (let index = 0; index < ranges.length; index += 2)
      parts.push(this.partOf(this.source, ranges[index]!, ranges[index + 1]!, field));
    return parts;
  }

  /** Where the elements of a list of messages begin and end, one after the other; it counts as read. Empty when it is not there. */
  ranges(name: string): readonly number[] {
    const field = this.read(name);
    return field === undefined ? [] : (this.cells[field.slot * 2] as readonly number[]);
  }

  spelled(name: string): string {
    return name;
  }

  names(): readonly string[] {
    const names = this.type.fields.filter(({ slot }) => this.cells[slot * 2] !== undefined).map(({ name }) => name);
    return this.typeUrl === undefined ? names : ['@type', ...names];
  }

  markRead(name: string): void {
    this.read(name);
  }

  markAllRead(): void {
    this.seen.fill(-1);
    this.isMarked = true;
  }

  /** Fields that the table does not have were read by nobody, unless the message was reported as a whole. */
  private isMarked = false;

  unread(): readonly string[] {
    const names: string[] = [];
    for (const { slot, name } of this.type.fields) {
      if (this.cells[slot * 2] === undefined || (this.seen[slot >> 5]! & (1 << (slot & 31))) !== 0) continue;
      if (!this.isDefault(this.type.fields[slot]!)) names.push(name);
    }
    if (this.unknown !== undefined && !this.isMarked) for (const number of this.unknown) names.push(`field ${number}`);
    return names;
  }

  /** Marks the field as read; undefined when it is not there. */
  private read(name: string): FieldType | undefined {
    const field = this.type.byName.get(name);
    if (field === undefined) return undefined;
    this.seen[field.slot >> 5]! |= 1 << (field.slot & 31);
    return this.cells[field.slot * 2] === undefined ? undefined : field;
  }

  private isDefault(field: FieldType): boolean {
    if (field.isList || field.isMap || 'mADSVLo'.includes(field.code)) return false;
    const value = jsonOfField(this.source, this.cells, field, this.depth);
    return value === '' || value === 0 || value === false || (field.code === 'e' && this.cells[field.slot * 2] === 0);
  }

  /** A message in this one. */
  private partOf(source: Buffer, start: number, end: number, field: FieldType): MessageFields | string | undefined {
    if (field.code === 'm') return WireFields.of(source, start, end, messageTypeAt(field.line), this.depth + 1);
    if (field.code !== 'A') return JsonFields.of(jsonOf(source, start, end, field, this.depth));
    const content = contentOfAny(source, start, end);
    if (typeof content === 'symbol') return noMessage;
    if (content.type === undefined) return JsonFields.of(jsonOfOther(content, this.depth));
    return WireFields.of(source, content.start, content.end, content.type, this.depth + 1, content.typeUrl);
  }

  private mapAt(field: FieldType, ranges: readonly number[]): WireFields | undefined {
    const entries = mapEntries(this.source, ranges, field);
    if (typeof entries === 'symbol') return undefined;
    const item = field.inner!.fields[1]!;
    const cells: Cells = [];
    const fields: FieldType[] = [];
    for (const [key, { [2]: first, [3]: second }] of entries) {
      const slot = fields.length;
      fields.push({ ...item, name: key, slot });
      // A value that is left out is an empty one.
      cells.push(first ?? (item.wireType === 2 ? 0 : defaultOf(item)), first === undefined ? 0 : second);
    }
    return new WireFields(this.source, typeOf(field.name, fields), { cells, unknown: undefined }, this.depth, undefined);
  }
}

function defaultOf({ code }: FieldType): number | boolean {
  return code === 'b' ? false : 0;
}

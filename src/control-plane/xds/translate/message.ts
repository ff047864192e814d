/**
 * Reads a protobuf message, which is an object of JSON (json-fields.ts) or bytes (../wire/wire-fields.ts): whoever reads it sees no
 * difference. What is read is remembered: at the end every field that nobody asked for is reported by its path, so that a field which
 * Envoy knows and the model cannot say (or a misspelt one) is never dropped in silence. Of JSON the forms are taken that Envoy's YAML
 * has besides: `{ seconds: 30 }` for a duration, `{ value: true }` for a wrapper.
 */
import { durationMsFrom } from './duration.ts';
import { JsonFields, unwrapped } from './json-fields.ts';
import type { MessageFields } from './message-fields.ts';
import { pathOf, type Place } from './place.ts';
import { printed } from './printed.ts';
import { typedMessage, type TypedMessage } from './typed-message.ts';

/** A place inside a resource and what is to be said about it. */
export interface Finding {
  readonly path: string;
  readonly reason: string;
}

/** More findings of a kind in one resource help nobody, and a hostile one could have millions. */
const maxFindings = 1000;

/** What was found while one resource was read: of each kind the first thousand. */
export class Findings {
  /** Reasons to refuse the resource. Empty = it is good. */
  readonly problems: Finding[] = [];
  /** Parts that are accepted and have no effect. */
  readonly unhonoured: Finding[] = [];
  private readonly messages: Message[] = [];
  /** A policy of a virtual host is read once for each of its routes, and reported once. */
  private said: Set<string> | undefined;

  /** The message at `path`, or undefined (reported) when the value is none. */
  message(value: unknown, path: string): Message | undefined {
    const fields = JsonFields.of(value);
    if (fields !== undefined) return this.read(fields, path);
    this.problem(path, noMessage(value));
    return undefined;
  }

  /** The message that has these fields. */
  read(fields: MessageFields, place: Place): Message {
    const message = new Message(fields, place, this);
    this.messages.push(message);
    if (fields instanceof JsonFields)
      for (const key of fields.twice) message.problem(key, 'is there twice, in both spellings; keep one of them');
    return message;
  }

  problem(path: string, reason: string): void {
    this.add(this.problems, path, reason);
  }

  /** Reports a part that has no effect. */
  note(path: string, reason: string): void {
    this.add(this.unhonoured, path, reason);
  }

  private add(findings: Finding[], path: string, reason: string): void {
    const text = `${path}\n${reason}`;
    if (findings.length > maxFindings || this.said?.has(text) === true) return;
    this.said ??= new Set();
    this.said.add(text);
    findings.push(findings.length === maxFindings ? { path: '', reason: 'there is more of this kind' } : { path, reason });
  }

  /** Reports the fields that nobody read. Call it once, when everything has been read. */
  reportUnread(): void {
    for (const message of this.messages) if (this.unhonoured.length <= maxFindings) message.reportUnread();
    this.messages.length = 0;
  }
}

const maxUint32 = 4_294_967_295;

/** One message. Every reader reports what has the wrong type and gives undefined then, as for a field that is not there. */
export class Message {
  readonly findings: Findings;
  private readonly fields: MessageFields;
  private readonly place: Place;
  private parts: Map<string, Message | undefined | readonly Message[]> | undefined;

  constructor(fields: MessageFields, place: Place, findings: Findings) {
    this.fields = fields;
    this.place = place;
    this.findings = findings;
    this.parts = undefined;
  }

  /** Where it stands in the resource; made when it is asked for. */
  get path(): string {
    return pathOf(this.place);
  }

  /** Whether the field is there. */
  has(name: string): boolean {
    return this.fields.has(name);
  }

  /** The field in the form of JSON, as it is written there; it counts as read. */
  raw(name: string): unknown {
    return this.fields.value(name);
  }

  /** Path of a field of this message. */
  at(name: string): string {
    const key = this.fields.spelled(name);
    const step = /^(?:[\w-]+|field \d+)$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
    const { path } = this;
    return path === '' && step.startsWith('.') ? step.slice(1) : `${path}${step}`;
  }

  problem(name: string, reason: string): void {
    this.findings.problem(this.at(name), reason);
  }

  /** Reports a field that has no effect; it counts as read. */
  note(name: string, reason: string): void {
    this.fields.markRead(name);
    this.findings.note(this.at(name), reason);
  }

  /** Fields that say nothing about requests (names of statistics, where to subscribe): read, and not reported. */
  skip(...names: readonly string[]): void {
    for (const name of names) this.fields.markRead(name);
  }

  text(name: string): string | undefined {
    const value = unwrapped(this.raw(name));
    if (value === undefined || typeof value === 'string') return value;
    this.problem(name, `must be a text, not ${printed(value)}`);
    return undefined;
  }

  /** A text that is not empty; `''` is the default value of proto3 and counts as absent. */
  name(name: string): string | undefined {
    const value = this.text(name);
    return value === '' ? undefined : value;
  }

  flag(name: string): boolean | undefined {
    const value = unwrapped(this.raw(name));
    if (value === undefined || typeof value === 'boolean') return value;
    if (value === 'true' || value === 'false') return value === 'true';
    this.problem(name, `must be true or false, not ${printed(value)}`);
    return undefined;
  }

  /** A whole number from `min` to `max`, by default a uint32; digits in a text too. */
  whole(name: string, min = 0, max = maxUint32): number | undefined {
    const value = this.number(name);
    if (value === undefined) return undefined;
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    this.problem(name, `must be a whole number from ${min} to ${max}, not ${value}`);
    return undefined;
  }

  number(name: string): number | undefined {
    const value = unwrapped(this.raw(name));
    if (value === undefined) return undefined;
    const number = typeof value === 'string' && /^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(value) ? Number(value) : value;
    if (typeof number === 'number' && Number.isFinite(number)) return number;
    this.problem(name, `must be a number, not ${printed(value)}`);
    return undefined;
  }

  /** Whole milliseconds, rounded down as in Envoy. */
  durationMs(name: string): number | undefined {
    const value = this.raw(name);
    if (value === undefined) return undefined;
    const duration = durationMsFrom(value);
    if (typeof duration === 'string') {
      this.problem(name, duration);
      return undefined;
    }
    const wholeMs = Math.floor(duration);
    if (wholeMs === 0 && duration > 0) this.note(name, 'is less than a millisecond and counts as 0, as in Envoy');
    return wholeMs;
  }

  /** A value of an enum, by name or number. `names` are in the order of their numbers; undefined ones do not exist. */
  choice<const T extends readonly (string | undefined)[]>(name: string, names: T): Exclude<T[number], undefined> | undefined {
    const value = unwrapped(this.raw(name));
    if (value === undefined) return undefined;
    const chosen = typeof value === 'number' ? names[value] : value;
    if (typeof chosen === 'string' && names.includes(chosen)) return chosen as Exclude<T[number], undefined>;
    this.problem(name, `${printed(value)} is none of ${names.filter((known) => known !== undefined).join(', ')}`);
    return undefined;
  }

  /** A field of bytes, which are those of the resource, not a copy; in JSON they are base64. */
  bytes(name: string): Uint8Array | undefined {
    const value = this.fields.bytes(name);
    if (typeof value !== 'string') return value;
    this.problem(name, value);
    return undefined;
  }

  /** The same object each time, so that what one reader reads counts for all. */
  message(name: string): Message | undefined {
    const known = this.parts?.get(name);
    if (known instanceof Message) return known;
    if (!this.fields.has(name)) return undefined;
    const message = this.part(this.fields.part(name), name, -1);
    this.keep(name, message);
    return message;
  }

  messages(name: string): readonly Message[] {
    const known = this.parts?.get(name);
    if (known !== undefined && !(known instanceof Message)) return known;
    if (!this.fields.has(name)) return none;
    const parts = this.fields.parts(name);
    const messages: Message[] = [];
    if (parts === undefined) this.list(name); // Reports that it is none.
    for (let index = 0; index < (parts?.length ?? 0); index++) {
      const message = this.part(parts![index], name, index);
      if (message !== undefined) messages.push(message);
    }
    this.keep(name, messages);
    return messages;
  }

  private keep(name: string, made: Message | undefined | readonly Message[]): void {
    this.parts ??= new Map();
    this.parts.set(name, made);
  }

  private part(fields: MessageFields | string | undefined, name: string, index: number): Message | undefined {
    if (typeof fields === 'object') return this.findings.read(fields, { owner: this, name, index });
    const value = index === -1 ? this.raw(name) : (this.raw(name) as readonly unknown[])[index];
    this.findings.problem(pathOf({ owner: this, name, index }), fields ?? noMessage(value));
    return undefined;
  }

  texts(name: string): readonly string[] {
    return this.list(name).flatMap((value, index) => {
      if (typeof value === 'string') return [value];
      this.findings.problem(`${this.at(name)}[${index}]`, `must be a text, not ${printed(value)}`);
      return [];
    });
  }

  /** The elements of a list as they are written. */
  list(name: string): readonly unknown[] {
    const value = this.raw(name);
    if (value === undefined) return [];
    if (Array.isArray(value)) return value;
    this.problem(name, `must be a list, not ${printed(value)}`);
    return [];
  }

  /** The names of the fields that are there, as they are written: for maps. */
  keys(): readonly string[] {
    return this.fields.names();
  }

  /** Which one of the fields of a `oneof` is there; reported when there are several, which only JSON can have. */
  oneOf<const T extends string>(...names: readonly T[]): T | undefined {
    let first: T | undefined;
    for (const name of names) {
      if (!this.has(name)) continue;
      if (first === undefined) {
        first = name;
        continue;
      }
      this.skip(...names.filter((present) => this.has(present)));
      this.problem(name, `only one of ${names.filter((present) => this.has(present)).join(', ')} may be there`);
      break;
    }
    return first;
  }

  /** The message in an `Any` (`@type` with the fields beside it), in a `TypedStruct`, or without either in plain form. */
  any(name: string): TypedMessage | undefined {
    const message = this.message(name);
    return message === undefined ? undefined : typedMessage(message);
  }

  /** Counts every field as read: the message as a whole has been reported. */
  markRead(): void {
    this.fields.markAllRead();
  }

  /** Reports the fields that nobody read, but for values that are the default. */
  reportUnread(): void {
    for (const name of this.fields.unread())
      this.findings.note(this.at(name), 'is not carried out: unknown, or without effect here');
  }
}

const none: readonly Message[] = [];

function noMessage(value: unknown): string {
  return `must be a message (an object), not ${printed(value)}`;
}

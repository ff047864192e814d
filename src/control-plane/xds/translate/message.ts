/**
 * Reads a protobuf message in its JSON form (https://protobuf.dev/programming-guides/json). What is read is remembered: at the end
 * every field that nobody asked for is reported by its path, so that a field which Envoy knows and the model cannot say (or a
 * misspelt one) is never dropped in silence. Both spellings of a field's name are taken, `path_separated_prefix` and
 * `pathSeparatedPrefix`, and the forms that Envoy's YAML has besides: `{ seconds: 30 }` for a duration, `{ value: true }` for a wrapper.
 */
import { durationMsFrom } from './duration.ts';

/** A place inside a resource and what is to be said about it. */
export interface Finding {
  readonly path: string;
  readonly reason: string;
}

/** What was found while one resource was read. */
export class Findings {
  /** Reasons to refuse the resource. Empty = it is good. */
  readonly problems: Finding[] = [];
  /** Parts that are accepted and have no effect. */
  readonly unhonoured: Finding[] = [];
  private readonly messages: Message[] = [];
  /** A policy of a virtual host is read once for each of its routes, and reported once. */
  private readonly said = new Set<string>();

  /** The message at `path`, or undefined (reported) when the value is none. */
  message(value: unknown, path: string): Message | undefined {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.problem(path, `must be a message (an object), not ${printed(value)}`);
      return undefined;
    }
    const message = new Message(value as Readonly<Record<string, unknown>>, path, this);
    this.messages.push(message);
    return message;
  }

  problem(path: string, reason: string): void {
    if (this.isNew(path, reason)) this.problems.push({ path, reason });
  }

  /** Reports a part that has no effect. */
  note(path: string, reason: string): void {
    if (this.isNew(path, reason)) this.unhonoured.push({ path, reason });
  }

  private isNew(path: string, reason: string): boolean {
    const text = `${path}\n${reason}`;
    if (this.said.has(text)) return false;
    this.said.add(text);
    return true;
  }

  /** Reports the fields that nobody read. Call it once, when everything has been read. */
  reportUnread(): void {
    for (const message of this.messages) message.reportUnread();
    this.messages.length = 0;
  }
}

/** A value of an `Any`: what it is, by the last part of its type's URL, and its fields. */
export interface TypedMessage {
  /** Such as `envoy.extensions.filters.http.fault.v3.HTTPFault`; `''` when the JSON does not say. */
  readonly type: string;
  readonly message: Message;
}

const maxUint32 = 4_294_967_295;

/** One message. Every reader reports what has the wrong type and gives undefined then, as for a field that is not there. */
export class Message {
  readonly path: string;
  readonly findings: Findings;
  private readonly fields = new Map<string, { readonly key: string; readonly value: unknown }>();
  private readonly seen = new Set<string>();
  private readonly parts = new Map<string, Message>();

  constructor(value: Readonly<Record<string, unknown>>, path: string, findings: Findings) {
    this.path = path;
    this.findings = findings;
    for (const [key, field] of Object.entries(value)) {
      if (field === null || field === undefined) continue;
      const name = folded(key);
      const isThere = this.fields.has(name);
      this.fields.set(name, { key, value: field });
      if (isThere) this.problem(key, 'is there twice, in both spellings; keep one of them');
    }
  }

  /** Whether the field is there. */
  has(name: string): boolean {
    return this.fields.has(folded(name));
  }

  /** The field as it is written, which counts as read. */
  raw(name: string): unknown {
    const key = folded(name);
    this.seen.add(key);
    return this.fields.get(key)?.value;
  }

  /** Path of a field of this message. */
  at(name: string): string {
    const key = this.fields.get(folded(name))?.key ?? name;
    const step = /^[\w-]+$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
    return this.path === '' && step.startsWith('.') ? step.slice(1) : `${this.path}${step}`;
  }

  problem(name: string, reason: string): void {
    this.findings.problem(this.at(name), reason);
  }

  /** Reports a field that has no effect; it counts as read. */
  note(name: string, reason: string): void {
    this.seen.add(folded(name));
    this.findings.note(this.at(name), reason);
  }

  /** Fields that say nothing about requests (names of statistics, where to subscribe): read, and not reported. */
  skip(...names: readonly string[]): void {
    for (const name of names) this.seen.add(folded(name));
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

  /** The same object each time, so that what one reader reads counts for all. */
  message(name: string): Message | undefined {
    const value = this.raw(name);
    return value === undefined ? undefined : this.part(value, this.at(name));
  }

  messages(name: string): readonly Message[] {
    return this.list(name).flatMap((value, index) => this.part(value, `${this.at(name)}[${index}]`) ?? []);
  }

  private part(value: unknown, path: string): Message | undefined {
    const known = this.parts.get(path);
    if (known !== undefined) return known;
    const message = this.findings.message(value, path);
    if (message !== undefined) this.parts.set(path, message);
    return message;
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
    return [...this.fields.values()].map(({ key }) => key);
  }

  /** Which one of the fields of a `oneof` is there; reported when there are several. */
  oneOf<const T extends string>(...names: readonly T[]): T | undefined {
    const present = names.filter((name) => this.has(name));
    if (present.length > 1) this.skip(...present);
    if (present.length > 1) this.problem(present[1]!, `only one of ${present.join(', ')} may be there`);
    return present[0];
  }

  /** The message in an `Any` (`@type` with the fields beside it), in a `TypedStruct`, or without either in plain form. */
  any(name: string): TypedMessage | undefined {
    const message = this.message(name);
    return message === undefined ? undefined : typedMessage(message);
  }

  /** Counts every field as read: the message as a whole has been reported. */
  markRead(): void {
    for (const name of this.fields.keys()) this.seen.add(name);
  }

  /** Reports the fields that nobody read, but for values that are the default. */
  reportUnread(): void {
    for (const [name, { key, value }] of this.fields) {
      if (this.seen.has(name) || isDefault(value)) continue;
      if (name === '@type') continue;
      this.findings.note(this.at(key), 'is not carried out: unknown, or without effect here');
    }
  }
}

/** What a message in an `Any` is. */
export function typedMessage(message: Message): TypedMessage {
  const type = shortType(message.text('@type') ?? '');
  if (!/^(xds\.type|udpa\.type)\.v\d\.TypedStruct$/.test(type)) return { type, message };
  const inner = message.message('value') ?? message;
  return { type: shortType(message.text('type_url') ?? ''), message: inner };
}

/** Which extension it is, such as `previous_hosts`: by the type of its configuration, as in Envoy, else by the end of its name. */
export function extensionOf(message: Message, config: TypedMessage | undefined): string {
  const name = message.text('name') ?? '';
  const ofType = /\.(\w+)\.v\d+\.\w+$/.exec(config?.type ?? '')?.[1];
  return ofType ?? name.slice(name.lastIndexOf('.') + 1);
}

function shortType(url: string): string {
  return url.slice(url.lastIndexOf('/') + 1);
}

/** One key for both spellings; JSON names of protobuf lose their underscores and nothing else. */
function folded(key: string): string {
  return key.replaceAll('_', '').toLowerCase();
}

function unwrapped(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const keys = Object.keys(value);
  return keys.length === 1 && keys[0] === 'value' ? (value as { readonly value: unknown }).value : value;
}

function isDefault(value: unknown): boolean {
  return value === false || value === '' || value === 0 || (Array.isArray(value) && value.length === 0);
}

/** A value for a message: short and on one line. */
export function printed(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = JSON.stringify(value) ?? typeof value;
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

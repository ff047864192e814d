import type { MessageFields } from './message-fields.ts';

/**
 * The fields of a message in the JSON form of protobuf (https://protobuf.dev/programming-guides/json). Both spellings of a field's name
 * are taken, `path_separated_prefix` and `pathSeparatedPrefix`; `null` is a field that is not there.
 */
export class JsonFields implements MessageFields {
  /** Keys of fields that are there in both spellings. */
  readonly twice: readonly string[];
  private readonly fields = new Map<string, { readonly key: string; readonly value: unknown }>();
  private readonly seen = new Set<string>();

  constructor(value: Readonly<Record<string, unknown>>) {
    const twice: string[] = [];
    for (const [key, field] of Object.entries(value)) {
      if (field === null || field === undefined) continue;
      const name = folded(key);
      if (this.fields.has(name)) twice.push(key);
      this.fields.set(name, { key, value: field });
    }
    this.twice = twice;
  }

  /** The fields of a value; undefined when it is no message. */
  static of(value: unknown): JsonFields | undefined {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    return new JsonFields(value as Readonly<Record<string, unknown>>);
  }

  has(name: string): boolean {
    return this.fields.has(folded(name));
  }

  value(name: string): unknown {
    const key = folded(name);
    this.seen.add(key);
    return this.fields.get(key)?.value;
  }

  bytes(name: string): Uint8Array | string | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    const isBase64 = typeof value === 'string' && /^[A-Za-z0-9+/_-]*={0,2}$/.test(value);
    return isBase64 ? Buffer.from(value, 'base64') : 'must be bytes in base64';
  }

  part(name: string): MessageFields | undefined {
    return JsonFields.of(this.value(name));
  }

  parts(name: string): readonly (MessageFields | undefined)[] | undefined {
    const value = this.value(name);
    return Array.isArray(value) ? value.map((item: unknown) => JsonFields.of(item)) : undefined;
  }

  spelled(name: string): string {
    return this.fields.get(folded(name))?.key ?? name;
  }

  names(): readonly string[] {
    return [...this.fields.values()].map(({ key }) => key);
  }

  markRead(name: string): void {
    this.seen.add(folded(name));
  }

  markAllRead(): void {
    for (const name of this.fields.keys()) this.seen.add(name);
  }

  unread(): readonly string[] {
    const left = [...this.fields].filter(([name, { value }]) => name !== '@type' && !this.seen.has(name) && !isDefault(value));
    return left.map(([, { key }]) => key);
  }
}

/** One key for both spellings; JSON names of protobuf lose their underscores and nothing else. */
function folded(key: string): string {
  return key.replaceAll('_', '').toLowerCase();
}

function isDefault(value: unknown): boolean {
  return value === false || value === '' || value === 0 || (Array.isArray(value) && value.length === 0);
}

/** The value of a wrapper that is written as the message that it is: `{ value: true }`. */
export function unwrapped(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const keys = Object.keys(value);
  return keys.length === 1 && keys[0] === 'value' ? (value as { readonly value: unknown }).value : value;
}

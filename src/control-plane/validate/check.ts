/**
 * What the checks of a resource share: the place they are at, and what they found. The place is a stack of keys that becomes text
 * only when there is something to report, since most resources have nothing wrong and some have a hundred thousand places.
 *
 * Checks trust nothing but that the value is plain data (see plain-data.ts): types hold for what our own translators make, not for
 * what a control plane written in JavaScript hands over.
 */
import { isIP } from 'node:net';
import { LRUCache } from 'lru-cache';
import { compilePattern, isPatternEngineLoaded } from '../../base/pattern.ts';

/** A place inside a resource and what is to be said about it. */
export interface Finding {
  readonly path: string;
  readonly reason: string;
}

/** Longest name of anything, in UTF-8 bytes. */
export const maxNameBytes = 1024;
const maxFindings = 20; // enough to mend a file by; a broken translator would otherwise report every endpoint
const maxDurationMs = 31_536_000_000; // one year
/** Largest weight, and largest sum of the weights that are drawn from. */
export const maxUint32 = 4_294_967_295;

/** The same few patterns come again with every update; compiling costs a hundred times a look-up. */
const passedPatterns = new LRUCache<string, true>({ max: 10_000 });

const headerName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/; // RFC 9110, section 5.1
const hostLabel = /^[0-9A-Za-z_]([0-9A-Za-z_-]{0,61}[0-9A-Za-z_])?$/; // RFC 1123, and the underscore that Kubernetes and SRV names have

/** Collects the findings of one resource. */
export class Check {
  /** Reasons to refuse the resource. Empty = it is good. */
  readonly problems: Finding[] = [];
  /** Parts that are accepted and have no effect. */
  readonly notes: Finding[] = [];
  /** Whether a pattern was met. Without the engine it could not be checked: load it and check again. */
  hasPatterns = false;
  private readonly trail: (string | number)[] = [];

  /** Refuses the resource. `key` is the field at the present place, absent = the place itself. */
  reject(reason: string, key?: string | number): void {
    if (this.problems.length < maxFindings) this.problems.push({ path: this.placeOf(key), reason });
  }

  /** Reports a part that has no effect. */
  note(reason: string, key?: string | number): void {
    if (this.notes.length < maxFindings) this.notes.push({ path: this.placeOf(key), reason });
  }

  enter(key: string | number): void {
    this.trail.push(key);
  }

  leave(): void {
    this.trail.pop();
  }

  /** Checks a part where it is there. */
  within<T>(key: string | number, value: T | undefined, visit: (check: Check, value: T) => void): void {
    if (value === undefined) return;
    if (typeof value !== 'object' || value === null) {
      this.reject('must be an object', key);
      return;
    }
    this.enter(key);
    visit(this, value);
    this.leave();
  }

  /** Checks each element of a list where it is there. */
  each<T>(key: string, values: readonly T[] | undefined, visit: (check: Check, value: T, index: number) => void): void {
    this.enter(key);
    for (const [index, value] of this.list(values).entries()) {
      this.enter(index);
      visit(this, value, index);
      this.leave();
    }
    this.leave();
  }

  /** The list at the present place; refuses what is no list. Absent = empty. */
  list<T>(values: readonly T[] | undefined): readonly T[] {
    if (values === undefined) return [];
    if (Array.isArray(values)) return values;
    this.reject('must be a list');
    return [];
  }

  text(key: string, value: unknown): value is string {
    if (typeof value === 'string') return true;
    this.reject('must be a text', key);
    return false;
  }

  /** A name: not empty, at most 1 KiB. */
  name(key: string | number, value: unknown): void {
    if (typeof value !== 'string' || value === '') this.reject('must be a name, and it is empty or no text', key);
    else if (value.length > maxNameBytes || Buffer.byteLength(value) > maxNameBytes)
      this.reject(`is longer than ${maxNameBytes} bytes`, key);
  }

  flag(key: string, value: unknown): void {
    if (value !== undefined && typeof value !== 'boolean') this.reject(`${printed(value)} is neither true nor false`, key);
  }

  /** One of a few words; tells all of them when it is not. */
  oneOf(key: string, value: unknown, words: readonly unknown[]): void {
    if (value !== undefined && !words.includes(value)) this.reject(`${printed(value)} is none of ${words.join(', ')}`, key);
  }

  number(key: string, value: unknown, min: number, max: number): void {
    if (value === undefined) return;
    if (typeof value !== 'number' || !(value >= min && value <= max))
      this.reject(`${printed(value)} is not a number from ${min} to ${max}`, key);
  }

  whole(key: string, value: unknown, min: number, max = maxUint32): void {
    if (value === undefined) return;
    if (!Number.isInteger(value) || !((value as number) >= min && (value as number) <= max)) {
      this.reject(`${printed(value)} is not a whole number from ${min} to ${max}`, key);
    }
  }

  /** Milliseconds from 0 to one year. */
  durationMs(key: string, value: unknown): void {
    if (value === undefined) return;
    if (typeof value !== 'number' || !(value >= 0 && value <= maxDurationMs)) {
      this.reject(`${printed(value)} is not a time from 0 ms to one year (${maxDurationMs} ms)`, key);
    }
  }

  /** Milliseconds, and not none of them. */
  longerThanNothing(key: string, value: unknown): void {
    this.durationMs(key, value);
    if (value === 0) this.reject('must be longer than 0 ms', key);
  }

  percent(key: string, value: unknown): void {
    this.number(key, value, 0, 100);
  }

  ratio(key: string, value: unknown): void {
    this.number(key, value, 0, 1);
  }

  port(key: string, value: unknown, min = 0): void {
    this.whole(key, value, min, 65_535);
  }

  /** A pattern that base/pattern.ts takes. */
  regex(key: string, value: unknown): void {
    if (!this.text(key, value)) return;
    this.hasPatterns = true;
    if (!isPatternEngineLoaded() || passedPatterns.has(value)) return;
    try {
      compilePattern(value);
      passedPatterns.set(value, true);
    } catch (error) {
      this.reject(error instanceof Error ? error.message : 'is no pattern', key);
    }
  }

  headerName(key: string | number, value: unknown, wanted: 'lower-case' | 'any-case'): void {
    if (
      typeof value !== 'string' ||
      !headerName.test(value.startsWith(':') && wanted === 'lower-case' ? value.slice(1) : value)
    ) {
      this.reject(`${printed(value)} is not the name of a header`, key);
    } else if (wanted === 'lower-case' && value !== value.toLowerCase()) {
      // A matcher that compares names exactly would never match, and a DENY rule with it would let everything pass.
      this.reject(`${printed(value)} has capitals and would never match; write it in lower case`, key);
    }
  }

  /** Anything that would begin another header is refused, and what no header can carry (RFC 9110, section 5.5). */
  headerValue(key: string | number, value: unknown): void {
    if (typeof value !== 'string' || !/^[\t\x20-\x7e\x80-\xff]*$/.test(value))
      this.reject('must be a text on one line, without characters beyond Latin-1', key);
  }

  /** A path as it is sent, with or without a query. */
  path(key: string, value: unknown): void {
    if (typeof value !== 'string' || !/^\/[\x21-\x22\x24-\x7e\x80-\xff]*$/.test(value))
      this.reject(`${printed(value)} is not a path: it must begin with a slash and have no space and no #`, key);
  }

  /** `host` or `host:port`, as a request names it. */
  authority(key: string, value: unknown): void {
    const text = typeof value === 'string' ? value : '';
    const parts = /^(?:\[(?<v6>[^\]]*)\]|(?<name>[^:[\]]*))(?::(?<port>\d{1,5}))?$/.exec(text)?.groups;
    const { v6, name = '', port = '1' } = parts ?? {};
    const isHost = v6 === undefined ? isIP(name) === 4 || hostnameFault(name) === undefined : isIP(v6) === 6;
    if (!isHost || Number(port) < 1 || Number(port) > 65_535)
      this.reject(`${printed(value)} is not a host, such as orders.internal or orders.internal:8080`, key);
  }

  hostname(key: string, value: unknown): void {
    const fault = hostnameFault(value);
    if (fault !== undefined) this.reject(fault, key);
  }

  cidr(key: string | number, value: unknown): void {
    const [address = '', bits = '', ...rest] = typeof value === 'string' ? value.split('/') : [];
    const family = isIP(address);
    const most = family === 4 ? 32 : 128;
    if (family === 0 || rest.length > 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > most) {
      this.reject(`${printed(value)} is not an address range like 10.0.0.0/8 or fd00::/8`, key);
    }
  }

  private placeOf(key: string | number | undefined): string {
    const keys = key === undefined || key === '' ? this.trail : [...this.trail, key];
    let path = '';
    for (const step of keys) {
      if (typeof step === 'number') path += `[${step}]`;
      else if (/^[A-Za-z_$][\w$-]*$/.test(step)) path += path === '' ? step : `.${step}`;
      else path += `[${JSON.stringify(step.slice(0, 64))}]`;
    }
    return path;
  }
}

/** Why this is no host name, or undefined when it is one. */
function hostnameFault(value: unknown): string | undefined {
  if (typeof value !== 'string' || value === '') return 'must be a host name, and it is empty or no text';
  if (value.startsWith('[')) return `${printed(value)}: write IPv6 addresses without brackets`;
  const labels = (value.endsWith('.') ? value.slice(0, -1) : value).split('.');
  if (value.length > 254 || !labels.every((label) => hostLabel.test(label))) {
    return `${printed(value)} is neither an IP address nor a host name${/^[^/]+:\d+$/.test(value) ? '; the port goes into `port`' : ''}`;
  }
  // A name that ends in a number is read as an IPv4 address (WHATWG URL, "ends in a number"), and this one is none.
  if (/^\d+$/.test(labels.at(-1)!)) return `${printed(value)} looks like an IPv4 address and is none`;
  return undefined;
}

/** A value as it may stand in a message: short, on one line. */
export function printed(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return String(value);
  return Array.isArray(value) ? 'a list' : `a value of type ${typeof value}`;
}

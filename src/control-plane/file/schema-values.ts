/**
 * The single values of the file. The message of each schema completes "found …; expected …", so that a mistake reads the same
 * wherever the value stands.
 */
import * as v from 'valibot';
import { partsOfRewriteTemplate, patternFromPathTemplate } from '../../base/path-template.ts';
import { compilePattern } from '../../base/pattern.ts';
import { isDomain, isHostName, parseAddress } from './address.ts';
import { shown } from './file-problem.ts';

/** An object of these keys and no others. Its message is the one for a value that is no object at all. */
export function mapping<const E extends v.ObjectEntries>(entries: E, expected = 'a mapping') {
  return v.strictObject(entries, expected);
}

/** A mapping of which exactly one of `kinds` is set, with any of `others` beside it. */
export function oneKind<const K extends v.ObjectEntries, const O extends v.ObjectEntries>(kinds: K, others: O) {
  const names = Object.keys(kinds);
  const expected = `a mapping with exactly one of ${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
  const isWritten = (key: string, value: unknown): boolean =>
    value !== v.getDefault((others as v.ObjectEntries)[key] as v.GenericSchema);
  return v.pipe(
    mapping({ ...kinds, ...others }, expected),
    v.check(
      (value) => names.filter((name) => Object.hasOwn(value, name)).length === 1,
      ({ input }) => {
        const set = Object.entries(input).filter(([key]) => names.includes(key));
        const found = set.length > 0 ? set : Object.entries(input).filter(([key, value]) => isWritten(key, value));
        return `found ${shown(Object.fromEntries(found))}; expected ${expected}`;
      },
    ),
    v.metadata({ oneOf: names.map((name) => ({ required: [name] })) }),
  );
}

/** Refuses the keys of `kinds` where `by` names none of the kinds that they belong to. */
export function onlyFor<T extends object>(
  by: keyof T & string,
  kinds: Readonly<Record<string, readonly string[]>>,
): v.RawCheckAction<T> {
  return v.rawCheck<T>(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const value = dataset.value as Readonly<Record<string, unknown>>;
    const kind = value[by] as string;
    for (const [key, owners] of Object.entries(kinds)) {
      if (value[key] === undefined || owners.includes(kind)) continue;
      addIssue({
        message: `it has an effect with \`${by}: ${owners.join('` and `')}\` only; remove it`,
        path: [{ type: 'object', origin: 'value', input: value, key, value: value[key] }],
      });
    }
  });
}

/** A list of at least one item: an empty one says nothing that leaving the key out does not say. */
export function list<const S extends v.GenericSchema>(item: S, expected = 'a list', remedy = '') {
  return v.pipe(v.array(item, expected), v.minLength(1, `at least one item${remedy}`));
}

/** One mapping, or a list of them. */
export function oneOrList<const S extends v.GenericSchema>(item: S, expected = 'a mapping, or a list of them') {
  return v.union([list(item), item], expected);
}

/** Own keys to values of one kind. */
export function dictionary<const S extends v.GenericSchema>(value: S) {
  return v.record(v.string(), value, 'a mapping');
}

/** A whole number of this range. `remedy` is for who writes another one. */
export function wholeNumber(min: number, max: number, unit = '', remedy = '') {
  const expected = `a whole number${unit}, ${min} … ${max}${remedy}`;
  return v.pipe(v.number(expected), v.integer(expected), v.minValue(min, expected), v.maxValue(max, expected));
}

/** The longest timer of Node, 24.8 days: a longer one would fire at once. */
export const maxDurationMs = 2_147_483_647;

/** The largest count: uint32, as in Envoy. */
export const maxCount = 4_294_967_295;

/** The largest weight, and the largest sum of weights, of Envoy. */
export const maxWeight = 4_294_967_295;

/** Milliseconds from `min`. */
export function durationMs(min: 0 | 1) {
  return wholeNumber(min, maxDurationMs, ' of milliseconds');
}

/** 1 … 100. */
export function percent() {
  return wholeNumber(1, 100);
}

/** A share of requests as percent, with so many decimals as a share of a million has. */
export function sharePercent() {
  const expected = 'a number, 0 … 100, with at most 4 decimals';
  return v.pipe(
    v.number(expected),
    v.minValue(0, expected),
    v.maxValue(100, expected),
    v.check((value) => Math.abs(value * 10_000 - Math.round(value * 10_000)) < 1e-6, expected),
  );
}

/** A number of this range. */
export function number(min: number, max: number) {
  const expected = `a number, ${min} … ${max}`;
  return v.pipe(v.number(expected), v.minValue(min, expected), v.maxValue(max, expected));
}

/** 0 … 1. */
export function ratio() {
  return number(0, 1);
}

const maxTextLength = 1024;

/** A string that is not empty and short enough for a log line. */
export function text(expected: string) {
  return v.pipe(
    v.string(expected),
    v.minLength(1, expected),
    v.maxLength(maxTextLength, `${expected} of at most ${maxTextLength} characters`),
  );
}

/** One of these words. `otherNames` are those that others give to them, for who writes one of those. */
export function oneOf<const T extends readonly string[]>(words: T, otherNames: Readonly<Record<string, T[number]>> = {}) {
  const expected = `one of ${words.join(', ')}`;
  return v.picklist(words, ({ input }) => {
    const name = typeof input === 'string' ? input.toLowerCase().replaceAll('_', '-') : '';
    return Object.hasOwn(otherNames, name) ? `${expected}; did you mean "${otherNames[name]}"?` : expected;
  });
}

/** A mapping, or `false` for none. Without the key there is one, which `true` and `on` would say. */
export function mappingOrFalse<const S extends v.GenericSchema>(written: S) {
  const expected = '`false`, or a mapping';
  return v.union([v.literal(false, '`false`'), written], ({ input }) => {
    if (input === true || input === 'on' || input === 'yes') return `${expected}; for the defaults write \`{}\`, or nothing`;
    return input === 'off' || input === 'no' ? `${expected}; it is a text here, write \`false\`` : expected;
  });
}

/** `true` or `false`. */
export function flag() {
  return v.boolean('true or false');
}

/** Port of TCP. */
export function port() {
  return wholeNumber(1, 65_535);
}

/** `host:port` or `host`. */
export function hostAndPort() {
  const expected = 'host:port such as 127.0.0.1:7001 or [::1]:7001, without a scheme or path, the port 1 … 65535';
  return v.pipe(
    v.string(expected),
    v.check((value) => parseAddress(value) !== undefined, expected),
  );
}

/** The host of a request as it is sent: a name or an address, with its port where that is not the usual one. */
export function authority() {
  const expected = 'a host such as orders.internal or orders.internal:8080, without a scheme or path';
  return v.pipe(
    v.string(expected),
    v.check((value) => parseAddress(value) !== undefined, expected),
  );
}

/** A DNS name. */
export function hostName() {
  const expected = 'a host name such as orders.example.org';
  return v.pipe(v.string(expected), v.check(isHostName, expected));
}

/** Host of a URL, with or without port or wildcard. */
export function domain() {
  const expected = 'a host such as orders, orders:8080, *.example.org or *, without a scheme or path';
  return v.pipe(v.string(expected), v.check(isDomain, expected));
}

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/; // RFC 9110, section 5.6.2

/** Name of a header, and of a cookie. */
export function tokenName(expected = 'a header name (letters, digits and -)') {
  return v.pipe(v.string(expected), v.regex(token, expected));
}

/** What may stand after the name of a header: visible characters of Latin-1, spaces and tabs (RFC 9110, section 5.5). */
export function headerValue() {
  const expected = 'a text on one line, in quotes, without characters beyond Latin-1';
  return v.pipe(v.string(expected), v.regex(/^[\t\x20-\x7e\xa0-\xff]*$/, expected));
}

/** A path as it is sent, without a query. */
export function absolutePath() {
  const expected = 'a path that begins with / and has no space, ? or #';
  return v.pipe(text(expected), v.regex(/^\/[^?#\s]*$/, expected));
}

/** A path of the file system; PEM text that was pasted in place of one is refused without being repeated in the message. */
export function filePath() {
  const expected = 'the path of a PEM file';
  return v.pipe(
    v.string(expected),
    v.minLength(1, expected),
    v.check((value) => !value.includes('-----BEGIN') && !value.includes('\0'), expected),
  );
}

/** A pattern in RE2 syntax, within the limits of {@link compilePattern}. The engine must be loaded when a value is checked. */
export function re2() {
  return v.pipe(
    text('a regular expression in RE2 syntax'),
    v.check(
      (value) => regexMistake(value) === undefined,
      ({ input }) => `a regular expression in RE2 syntax (no look-around, no back-references): ${regexMistake(input)}`,
    ),
  );
}

/** A template of paths that a route matches, or with `'rewrite'` one for the new path. */
export function pathTemplate(use: 'match' | 'rewrite') {
  const expected = `a template such as ${use === 'match' ? '/orders/{id}' : '/v2/{id}'}`;
  const mistake = (template: string): string | undefined =>
    mistakeOf(() => (use === 'match' ? patternFromPathTemplate(template) : partsOfRewriteTemplate(template)));
  return v.pipe(
    text(expected),
    v.check(
      (value) => mistake(value) === undefined,
      ({ input }) => `${expected}: ${mistake(input)}`,
    ),
  );
}

function mistakeOf(read: () => unknown): string | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return error.message;
  }
}

function regexMistake(pattern: string): string | undefined {
  if (pattern.length > maxTextLength) return undefined; // reported already, and not worth compiling
  try {
    compilePattern(pattern);
    return undefined;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return error.cause instanceof Error ? error.cause.message : error.message;
  }
}

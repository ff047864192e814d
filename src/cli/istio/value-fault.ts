/**
 * What is wrong with a value of a resource of Istio: it is not of the type that the schema of Kubernetes has for it. Durations are those of
 * Go, `1h30m` (istiod reads them so), of at least a millisecond and without parts of one.
 */
import { compilePattern } from '../../base/pattern.ts';
import { suggestion } from '../../base/nearest-name.ts';
import type { Bounds, ValueType } from './field-tree.ts';

/** Why the value is none of its type; undefined = it is one. */
export function valueFault(value: unknown, type: ValueType): string | undefined {
  switch (type.kind) {
    case 'boolean':
      return typeof value === 'boolean' ? undefined : `must be true or false, not ${told(value)}`;
    case 'whole':
    case 'number':
      return numberFault(value, type);
    case 'duration':
      return typeof value === 'string' ? durationFault(value) : `must be a duration such as "3s", not ${told(value)}`;
    case 'word':
      if (typeof value !== 'string') return `must be one of ${type.words.join(', ')}, not ${told(value)}`;
      return type.words.includes(value)
        ? undefined
        : `must be another word than ${told(value)}: ${suggestion(value, type.words)}`;
    case 'pattern':
      if (typeof value !== 'string') return textWanted(value);
      return compilePattern(type.pattern).testExact(value)
        ? undefined
        : `${told(value)} does not match the pattern ${type.pattern}`;
    case 'bytes':
      return typeof value === 'string' && /^[A-Za-z0-9+/]*={0,2}$/.test(value) ? undefined : 'must be bytes in base64';
    default:
      if (typeof value !== 'string') return textWanted(value);
      return boundsFault(value.length, type, (bounds) => `must have ${bounds} characters, not ${value.length}`);
  }
}

/** Why a number, or a length, is out of its bounds; `words` makes the sentence of "1 to 9". */
export function boundsFault(size: number, { min, max }: Bounds, words: (bounds: string) => string): string | undefined {
  if ((min === undefined || size >= min) && (max === undefined || size <= max)) return undefined;
  if (min === undefined) return words(`at most ${max}`);
  return words(max === undefined ? `at least ${min}` : `${min} to ${max}`);
}

const unitMs = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

/** Why a text is no duration. */
export function durationFault(text: string, least: 0 | 1 = 1): string | undefined {
  const isDuration = /^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|ms|s|m|h))+$/.test(text) || text === '0';
  if (!isDuration) return `${told(text)} is no duration; write a number with h, m, s or ms, such as "3s"`;
  let ms = 0;
  for (const [, number, unit] of text.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)/g))
    ms += Number(number) * unitMs[unit as keyof typeof unitMs];
  if (ms > 0 && text.startsWith('-')) return `${told(text)} is a negative duration`;
  if (ms < least) return `${told(text)} is shorter than the millisecond that it must be at least`;
  // Sums of fractions of seconds are not exact in binary.
  return Math.abs(ms - Math.round(ms)) > 1e-6 ? `${told(text)} has parts of a millisecond, which Istio refuses` : undefined;
}

function numberFault(value: unknown, type: ValueType & Bounds): string | undefined {
  const what = type.kind === 'whole' ? 'a whole number' : 'a number';
  const isNumber = typeof value === 'number' && (type.kind === 'whole' ? Number.isSafeInteger(value) : Number.isFinite(value));
  if (isNumber) return boundsFault(value, type, (bounds) => `must be ${what}, ${bounds}, not ${value}`);
  const isQuoted = typeof value === 'string' && value.trim() !== '' && Number.isFinite(Number(value));
  return `must be ${what}, not ${told(value)}${isQuoted ? '; leave the quotes out' : ''}`;
}

function textWanted(value: unknown): string {
  const isBare = typeof value === 'number' || typeof value === 'boolean';
  return `must be a text, not ${told(value)}${isBare ? '; write it in quotes' : ''}`;
}

/** A value as it is named in a sentence. */
function told(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  return JSON.stringify(value)?.slice(0, 80) ?? String(value);
}

/** Tests of strings, headers, query parameters, cookies and metadata (`envoy.type.matcher.v3`, `config.route.v3.HeaderMatcher`). */
import { compilePattern, isPatternEngineLoaded, maxPatternBytes, PatternSizeError } from '../../../base/pattern.ts';
import type { Fraction, MetadataMatcher, StringMatcher, ValueMatcher } from '../../../model/match.ts';
import type { Message } from './message.ts';

/** A matcher, or the condition that cannot be said, in words. */
export type Said<T> = { readonly value: T } | { readonly unsupported: string };

/** The value, or undefined with the reason among the findings: for places where a matcher that cannot be said has no effect. */
export function valueOrNote<T>(said: Said<T>, at: Message): T | undefined {
  if ('value' in said) return said.value;
  at.findings.note(at.path, said.unsupported);
  return undefined;
}

/** Reads a `RegexMatcher` of a rewrite, which has to be one that can be carried out. */
export function regexFrom(message: Message | undefined): string | undefined {
  const said = message && regexMatcherFrom(message);
  if (said === undefined) return undefined;
  if ('value' in said) return said.value.value;
  message!.problem('regex', said.unsupported);
  return '';
}

/**
 * Reads a `RegexMatcher`. A pattern beyond our bounds is a good one that cannot be tested here: what needs it never matches. Where the
 * engine is there, mistakes are told here, by the path that was written; else the store finds them.
 */
export function regexMatcherFrom(message: Message): Said<{ readonly kind: 'regex'; readonly value: string }> {
  message.skip('google_re2'); // bounds of the engine; ours has its own
  const value = message.text('regex') ?? '';
  // Envoy requires it (min_len 1), since an empty pattern matches nothing but the empty text.
  if (value === '') message.problem('regex', 'must be a regular expression in RE2 syntax');
  else if (isPatternEngineLoaded() || Buffer.byteLength(value) > maxPatternBytes) {
    try {
      compilePattern(value);
    } catch (error) {
      if (error instanceof PatternSizeError) return { unsupported: `the pattern at ${message.at('regex')} (${error.message})` };
      message.problem('regex', (error as Error).message);
    }
  }
  return { value: { kind: 'regex', value } };
}

/** Reads a `StringMatcher`. */
export function stringMatcherFrom(message: Message): Said<StringMatcher> {
  const kind = message.oneOf('exact', 'prefix', 'suffix', 'contains', 'safe_regex', 'custom');
  if (kind === 'safe_regex') {
    if (message.flag('ignore_case') === true) message.problem('ignore_case', 'has no effect on a regex; write (?i) into it');
    return regexMatcherFrom(message.message('safe_regex') ?? message);
  }
  if (kind === 'custom') {
    message.skip('custom');
    return { unsupported: `the matcher at ${message.at('custom')}, an extension` };
  }
  if (kind === undefined) {
    message.findings.problem(message.path, 'must have one of exact, prefix, suffix, contains and safe_regex');
    return { value: { kind: 'present' } };
  }
  const value = message.text(kind) ?? '';
  if (value === '' && kind !== 'exact') message.problem(kind, 'must not be empty');
  return { value: { kind, value, ...(message.flag('ignore_case') === true && { ignoreCase: true }) } };
}

/** Reads a `HeaderMatcher`. Without any test the header has to be there. */
export function headerMatcherFrom(message: Message): Said<ValueMatcher> {
  const kind = message.oneOf(
    'exact_match',
    'safe_regex_match',
    'range_match',
    'present_match',
    'prefix_match',
    'suffix_match',
    'contains_match',
    'string_match',
  );
  const name = message.text('name')?.toLowerCase() ?? '';
  if (name === '') message.problem('name', 'must be the name of a header');
  let invert = message.flag('invert_match') ?? false;
  let match: ValueMatcher['match'] = { kind: 'present' };
  let unsupported: string | undefined;
  switch (kind) {
    case undefined:
      break;
    case 'string_match': {
      const string = message.message('string_match');
      const said = string === undefined ? { value: match } : stringMatcherFrom(string);
      if ('value' in said) match = said.value;
      else unsupported = said.unsupported;
      break;
    }
    case 'safe_regex_match': {
      const said = regexMatcherFrom(message.message(kind) ?? message);
      if ('value' in said) match = said.value;
      else unsupported = said.unsupported;
      break;
    }
    case 'range_match':
      match = rangeFrom(message.message(kind)) ?? match;
      break;
    case 'present_match':
      // `present_match: false` is met when the header is missing.
      if (message.flag(kind) === false) invert = !invert;
      break;
    default:
      match = {
        kind: kind.slice(0, -'_match'.length) as 'exact' | 'prefix' | 'suffix' | 'contains',
        value: message.text(kind) ?? '',
      };
  }
  const whenMissing = message.flag('treat_missing_header_as_empty') === true;
  if (unsupported !== undefined) return { unsupported };
  return { value: { name, match, ...(invert && { invert }), ...(whenMissing && { whenMissing: 'empty' as const }) } };
}

/** Header matchers where one that cannot be said is left out and reported. */
export function headerMatchersFrom(messages: readonly Message[]): readonly ValueMatcher[] {
  return messages.flatMap((message) => valueOrNote(headerMatcherFrom(message), message) ?? []);
}

/** Reads a `QueryParameterMatcher`. */
export function queryMatcherFrom(message: Message): Said<ValueMatcher> {
  const name = message.text('name') ?? '';
  if (name === '') message.problem('name', 'must be the name of a query parameter');
  const kind = message.oneOf('string_match', 'present_match');
  if (kind === 'string_match') {
    const said = stringMatcherFrom(message.message('string_match') ?? message);
    return 'value' in said ? { value: { name, match: said.value } } : said;
  }
  const isPresent = message.flag('present_match') ?? true;
  return { value: { name, match: { kind: 'present' }, ...(!isPresent && { invert: true }) } };
}

/** Reads a `CookieMatcher`. */
export function cookieMatcherFrom(message: Message): Said<ValueMatcher> {
  const name = message.text('name') ?? '';
  if (name === '') message.problem('name', 'must be the name of a cookie');
  const invert = message.flag('invert_match') === true;
  const string = message.message('string_match');
  const said: Said<StringMatcher> = string === undefined ? { value: { kind: 'present' } } : stringMatcherFrom(string);
  return 'value' in said ? { value: { name, match: said.value, ...(invert && { invert }) } } : said;
}

/** Reads a `MetadataMatcher`: a test of what another filter noted about the request. */
export function metadataMatcherFrom(message: Message): Said<MetadataMatcher> {
  const namespace = message.text('filter') ?? '';
  if (namespace === '') message.problem('filter', 'must be a name space');
  const path = message.messages('path').map((segment) => segment.text('key') ?? '');
  if (path.length === 0) message.problem('path', 'must have at least one key');
  const invert = message.flag('invert') === true;
  const value = message.message('value');
  if (value === undefined) {
    message.problem('value', 'must be a test of the value');
    return { unsupported: `the metadata matcher at ${message.path}, which has no test` };
  }
  const match = metadataTest(value);
  if ('unsupported' in match) return match;
  return { value: { namespace, path, match: match.value, ...(invert && { invert }) } };
}

/** Reads a `ValueMatcher` of a single value. */
export function metadataTest(value: Message): Said<MetadataMatcher['match']> {
  const kind = value.oneOf('null_match', 'double_match', 'string_match', 'bool_match', 'present_match', 'list_match', 'or_match');
  if (kind === 'string_match') return stringMatcherFrom(value.message(kind) ?? value);
  if (kind === 'bool_match') return { value: { kind: 'bool', value: value.flag(kind) ?? false } };
  if (kind === 'present_match' && value.flag(kind) !== false) return { value: { kind: 'present' } };
  if (kind === 'double_match') {
    const double = value.message(kind);
    const range = rangeFrom(double?.message('range'));
    if (range !== undefined) return { value: range };
    double?.skip('exact');
  } else if (kind !== undefined) value.skip(kind);
  return { unsupported: `the metadata test at ${value.path}${kind === undefined ? '' : `.${kind}`}` };
}

function rangeFrom(message: Message | undefined): { kind: 'range'; start: number; end: number } | undefined {
  if (message === undefined) return undefined;
  const bound = Number.MAX_SAFE_INTEGER;
  const range = {
    kind: 'range' as const,
    start: message.whole('start', -bound, bound) ?? 0,
    end: message.whole('end', -bound, bound) ?? 0,
  };
  return range;
}

const denominators = { HUNDRED: 100, TEN_THOUSAND: 10_000, MILLION: 1_000_000 } as const;

/** Reads a `FractionalPercent`. More than all of the requests is all of them, as in Envoy. */
export function fractionFrom(message: Message): Fraction {
  const name = message.choice('denominator', ['HUNDRED', 'TEN_THOUSAND', 'MILLION']) ?? 'HUNDRED';
  const denominator = denominators[name];
  return { numerator: Math.min(message.whole('numerator') ?? 0, denominator), denominator };
}

/** Reads a `RuntimeFractionalPercent`. */
export function runtimeFractionFrom(message: Message): Fraction {
  const value = message.message('default_value');
  if (value === undefined) message.problem('default_value', 'must be a fraction');
  const runtimeKey = message.name('runtime_key');
  const fraction = value === undefined ? { numerator: 0, denominator: 100 as const } : fractionFrom(value);
  return { ...fraction, ...(runtimeKey !== undefined && { runtimeKey }) };
}

/** Reads a `Percent`, which is a message with a value. */
export function percentFrom(message: Message | undefined): number | undefined {
  if (message === undefined) return undefined;
  const percent = message.number('value') ?? 0;
  if (percent >= 0 && percent <= 100) return percent;
  message.problem('value', `must be a share from 0 to 100, not ${percent}`);
  return undefined;
}

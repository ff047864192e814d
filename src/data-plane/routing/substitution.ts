/**
 * Replacing what a pattern matches, with the references of RE2: `\0` is the whole match, `\1` to `\9` its groups, and two
 * backslashes are one. Source: RE2 `GlobalReplace`, which Envoy's `regex_rewrite` calls.
 */
import { compilePattern } from '../../base/pattern.ts';

/** Replaces every match in `text`. */
export type Substitution = (text: string) => string;

/**
 * Compiles the pattern and its replacement once. A reference to a group that the pattern does not have makes RE2 leave the text
 * alone, so that is what happens here.
 */
export function compileSubstitution(regex: string, replacement: string): Substitution {
  const pattern = compilePattern(regex);
  const groups = pattern.groupCount();
  const parts = replacementParts(replacement);
  if (parts === undefined || parts.some((part) => typeof part === 'number' && part > groups)) return (text) => text;
  return (text) => {
    const replace = (...groups: unknown[]): string =>
      parts.map((part) => (typeof part === 'string' ? part : ((groups[part] as string | undefined) ?? ''))).join('');
    return pattern.matcher(text).replaceAll(replace);
  };
}

/** Text and numbers of groups; undefined for an escape that RE2 does not know. */
function replacementParts(replacement: string): (string | number)[] | undefined {
  const parts: (string | number)[] = [];
  for (let index = 0; index < replacement.length; index++) {
    const character = replacement[index]!;
    if (character !== '\\') {
      parts.push(character);
      continue;
    }
    const next = replacement[++index];
    if (next === '\\') parts.push('\\');
    else if (next !== undefined && next >= '0' && next <= '9') parts.push(Number(next));
    else return undefined;
  }
  return parts;
}

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
    const matcher = pattern.matcher(text);
    let result = '';
    let end = -1;
    let copied = 0;
    while (matcher.find()) {
      const start = matcher.start();
      // RE2 takes no empty match where the last one ended, as others do.
      if (start === end && matcher.end() === start) continue;
      end = matcher.end();
      result += text.slice(copied, start);
      for (const part of parts) result += typeof part === 'string' ? part : (matcher.group(part) ?? '');
      copied = end;
    }
    return end === -1 ? text : result + text.slice(copied);
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

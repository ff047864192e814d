/** What a path must begin with to match, so that routes can be found by it. */
import type { PathMatcher } from '../../model/match.ts';
import type { PathRelation } from './path-tree.ts';

/** A text, how a path stands to it, and whether letters of either case are equal. */
export interface PathLiteral {
  readonly text: string;
  readonly relation: PathRelation;
  readonly ignoreCase: boolean;
}

/** The text that every path has which the matcher matches; the matcher may want more than that. */
export function pathLiteral(matcher: PathMatcher | undefined): PathLiteral {
  if (matcher === undefined) return { text: '', relation: 'prefix', ignoreCase: false };
  if (matcher.kind === 'regex') return { text: patternPrefix(matcher.value), relation: 'prefix', ignoreCase: false };
  if (matcher.kind === 'template') return { text: /^[^{*]*/.exec(matcher.value)![0], relation: 'prefix', ignoreCase: false };
  const { value, ignoreCase = false } = matcher;
  if (matcher.kind === 'exact') return { text: value, relation: 'whole', ignoreCase };
  if (matcher.kind === 'prefix') return { text: value, relation: 'prefix', ignoreCase };
  return { text: value.endsWith('/') ? value.slice(0, -1) : value, relation: 'segments', ignoreCase };
}

/** The characters that a pattern in RE2 syntax begins with, as far as they stand for themselves. */
export function patternPrefix(pattern: string): string {
  if (hasAlternatives(pattern)) return '';
  let text = '';
  let index = pattern.startsWith('^') ? 1 : 0;
  while (index < pattern.length) {
    const isEscape = pattern[index] === '\\';
    const character = pattern[isEscape ? index + 1 : index];
    // A letter or digit after \ is a class, an assertion or a code; other signs stand for themselves there, and only there.
    if (character === undefined || (isEscape ? /[A-Za-z0-9]/ : /[\\^$.|?*+()[\]{}]/).test(character)) break;
    const after = pattern[index + (isEscape ? 2 : 1)];
    if (after !== undefined && '?*+{'.includes(after)) break;
    text += character;
    index += isEscape ? 2 : 1;
  }
  return text;
}

/** Whether there is a `|` outside of groups. A quoted text (`\Q…\E`) is not looked into: it counts as one. */
function hasAlternatives(pattern: string): boolean {
  if (pattern.includes('\\Q')) return true;
  let depth = 0;
  let isClass = false;
  for (let index = 0; index < pattern.length; index++) {
    const character = pattern[index];
    if (character === '\\') index++;
    else if (isClass) isClass = character !== ']' || isFirstInClass(pattern, index);
    else if (character === '[') isClass = true;
    else if (character === '(') depth++;
    else if (character === ')') depth--;
    else if (character === '|' && depth === 0) return true;
  }
  return false;
}

/** `]` stands for itself as the first of a class. */
function isFirstInClass(pattern: string, index: number): boolean {
  return pattern[index - 1] === '[' || (pattern[index - 1] === '^' && pattern[index - 2] === '[');
}

/**
 * Conditions on paths on the way in: of access rules, of rules about tokens, of routes. Some routers of frameworks take `/ADMIN` for
 * `/admin`, or `/admin/` for it, and all of them take `/a%3Ab` for `/a:b`; a condition is met when it is met by one of the spellings that
 * count (path-spelling.ts): more of them where it keeps requests out. What is let in whoever asks (`plaintextPaths`, `readyPath`) is
 * compared as it is written.
 */
import { patternFromPathTemplate } from '../../base/path-template.ts';
import type { PathMatcher, StringMatcher } from '../../model/match.ts';
import { compilePath, compileString, type StringTest } from '../routing/match-value.ts';
import type { AccessRequest, PathSpelling } from './access-request.ts';
import { decodeNeedless } from './normalize-path.ts';

type PathMatch = PathMatcher | StringMatcher;

/** A compiled condition. Throws where its pattern is too large to be compared in another spelling. */
export type AccessPath = (request: AccessRequest) => boolean;

/** Compiles a condition on the path; `refuses` = met, it keeps requests out. Throws what compiling a pattern throws. */
export function compileAccessPath(match: PathMatch, refuses = false): AccessPath {
  const asWritten = compileMatch(match);
  const decoded = withoutNeedlessEscapes(match);
  let decodedTest: StringTest | undefined;
  const inAnyCase: StringTest[] = [];
  /** The test for a spelling, made when it is first asked for. A pattern that is too large in its form refuses the request. */
  const testFor = ({ ignoresCase, ignoresEscapes }: PathSpelling): StringTest => {
    const isDecoded = ignoresEscapes === true && decoded !== match;
    if (ignoresCase) return (inAnyCase[isDecoded ? 1 : 0] ??= compileMatch(ignoringCase(isDecoded ? decoded : match)));
    return isDecoded ? (decodedTest ??= compileMatch(decoded)) : asWritten;
  };
  return (request) => {
    const { pathOnly } = request;
    // Of a connection that is asked about before any request there is no path.
    if (pathOnly === '') return false;
    const spelling = refuses ? (request.refusingSpelling ?? request.pathSpelling) : request.pathSpelling;
    if (spelling === undefined) return asWritten(pathOnly);
    const { ignoresEscapes, ignoresSlash } = spelling;
    const path = ignoresEscapes === true && pathOnly.includes('%') ? decodeNeedless(pathOnly) : pathOnly;
    const test = testFor(spelling);
    if (test(path) || (ignoresSlash && path !== '/' && test(otherSlash(path)))) return true;
    // A pattern may be met in one form alone: `[^a]` by `A` in its own case.
    return (path !== pathOnly || match.kind === 'regex') && asWritten(pathOnly);
  };
}

/** The same condition where its value has none; a pattern (`regex`) is looked for as it is. */
function withoutNeedlessEscapes(match: PathMatch): PathMatch {
  if (match.kind === 'present' || match.kind === 'regex' || !match.value.includes('%')) return match;
  const value = decodeNeedless(match.value);
  return value === match.value ? match : { ...match, value };
}

function compileMatch(match: PathMatch): StringTest {
  return match.kind === 'template' || match.kind === 'segment-prefix' ? compilePath(match) : compileString(match);
}

function ignoringCase(match: PathMatch): PathMatch {
  switch (match.kind) {
    case 'present':
      return match;
    case 'regex':
      return { kind: 'regex', value: `(?i:${match.value})` };
    case 'template':
      return ignoringCase({ kind: 'regex', value: patternFromPathTemplate(match.value) });
    default:
      return { ...match, ignoreCase: true };
  }
}

/** With a slash at its end where there is none, and without it where there is one. */
function otherSlash(path: string): string {
  return path.endsWith('/') ? path.slice(0, -1) : `${path}/`;
}

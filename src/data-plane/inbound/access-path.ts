/**
 * Conditions on paths on the way in: of access rules, of rules about tokens, of routes. Some routers of frameworks take `/ADMIN` for
 * `/admin`, or `/admin/` for it; where the program says that its router does, a condition is met when it is met by one of the spellings
 * that lead to the same handler. What is let in whoever asks (`plaintextPaths`, `readyPath`) is compared as it is written.
 */
import { patternFromPathTemplate } from '../../base/path-template.ts';
import type { PathMatcher, StringMatcher } from '../../model/match.ts';
import { compilePath, compileString, type StringTest } from '../routing/match-value.ts';
import type { AccessRequest } from './access-request.ts';

type PathMatch = PathMatcher | StringMatcher;

/** A compiled condition. Throws where its pattern is too large to be compared in another spelling. */
export type AccessPath = (request: AccessRequest) => boolean;

/** Compiles a condition on the path. Throws what compiling a pattern throws. */
export function compileAccessPath(match: PathMatch): AccessPath {
  const asWritten = compileMatch(match);
  let inAnyCase: StringTest | undefined;
  return ({ pathOnly, pathSpelling }) => {
    // Of a connection that is asked about before any request there is no path.
    if (pathOnly === '') return false;
    if (pathSpelling === undefined) return asWritten(pathOnly);
    // A pattern that is too large in this form refuses the request: whoever evaluates rules takes what is thrown so.
    const test = pathSpelling.ignoresCase ? (inAnyCase ??= compileMatch(ignoringCase(match))) : asWritten;
    return test(pathOnly) || (pathSpelling.ignoresSlash && pathOnly !== '/' && test(otherSlash(pathOnly)));
  };
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

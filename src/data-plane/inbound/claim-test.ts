import type { ClaimMatcher } from '../../model/authorization.ts';
import type { VerifiedToken } from '../../model/inbound.ts';
import { compileString } from '../routing/match-value.ts';
import type { AccessRequest } from './access-request.ts';

type ValueTest = (value: unknown) => boolean;

/**
 * Compiles a test of a claim of the verified tokens: one token has to pass it. A claim that is missing, or of another type, fails it.
 * Source: Envoy's `MetadataMatcher` and `ValueMatcher` (`string_match`, `bool_match`, `double_match`, `present_match`, `list_match`).
 */
export function compileClaim({ provider, path, match, elements }: ClaimMatcher): (request: AccessRequest) => boolean {
  const test = compileClaimValue(match);
  const passes: ValueTest = (value) => {
    if (value === undefined) return false;
    if (!Array.isArray(value)) return elements !== 'only' && test(value);
    if (elements === 'never') return false;
    // Whatever is there is there, a list without values too; `only` looks at the values.
    return (match.kind === 'present' && elements === undefined) || value.some(test);
  };
  return ({ tokens }) => {
    for (const token of tokens) {
      if ((provider === undefined || token.provider === provider) && passes(claimAt(token, path))) return true;
    }
    return false;
  };
}

function compileClaimValue(match: ClaimMatcher['match']): ValueTest {
  if (match.kind === 'present') return () => true;
  if (match.kind === 'bool') return (value) => value === match.value;
  if (match.kind === 'range') return (value) => typeof value === 'number' && value >= match.start && value < match.end;
  const test = compileString(match);
  return (value) => typeof value === 'string' && test(value);
}

function claimAt({ claims, ruleClaims }: VerifiedToken, path: readonly string[]): unknown {
  let value: unknown = ruleClaims ?? claims;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, key)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[key];
  }
  return value;
}

/** The payload of a token, and whether what it says of its time, audience and subject is acceptable. Source: RFC 7519; Envoy's order and bounds. */
import { objectFrom, own } from './compact-token.ts';
import type { JsonObject } from './strict-json.ts';
import type { TokenProblem } from './token-problem.ts';

/** Largest tolerance for clocks that differ: Envoy's default. */
export const maxClockSkewMs = 60_000;

/** The registered claims, each of its type, beside the payload. */
export interface TokenClaims {
  readonly payload: JsonObject;
  readonly issuer: string | undefined;
  readonly subject: string | undefined;
  readonly audiences: readonly string[];
  /** Seconds since 1970. */
  readonly notBeforeS: number;
  /** Seconds since 1970; undefined = the token says none. */
  readonly expiresS: number | undefined;
}

/** Reads the payload of a token. */
export function parseClaims(section: string): TokenClaims | TokenProblem {
  const payload = objectFrom(section);
  if (typeof payload === 'string') return payload === 'base64' ? 'payload-bad-base64' : 'payload-bad-json';
  const iss = own(payload, 'iss');
  if (iss !== undefined && typeof iss !== 'string') return 'iss-not-string';
  const sub = own(payload, 'sub');
  if (sub !== undefined && typeof sub !== 'string') return 'sub-not-string';
  const iat = seconds(own(payload, 'iat'));
  if (typeof iat === 'string') return `iat-${iat}`;
  const nbf = seconds(own(payload, 'nbf'));
  if (typeof nbf === 'string') return `nbf-${nbf}`;
  const exp = seconds(own(payload, 'exp'));
  if (typeof exp === 'string') return `exp-${exp}`;
  const jti = own(payload, 'jti');
  if (jti !== undefined && typeof jti !== 'string') return 'jti-not-string';
  const audiences = textsOf(own(payload, 'aud'));
  if (audiences === undefined) return 'aud-not-string';
  return { payload, issuer: iss, subject: sub, audiences, notBeforeS: nbf ?? 0, expiresS: exp };
}

/** A time; fractions of a second are cut off. */
function seconds(value: unknown): number | 'not-integer' | 'out-of-range' | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'number') return 'not-integer';
  return value < 0 || value >= 2 ** 64 ? 'out-of-range' : Math.trunc(value);
}

function textsOf(value: unknown): readonly string[] | undefined {
  if (value === undefined) return [];
  if (typeof value === 'string') return [value];
  return Array.isArray(value) && value.every((each) => typeof each === 'string') ? value : undefined;
}

/** Whether the token holds now. */
export function checkTime(claims: TokenClaims, nowS: number, skewS: number): TokenProblem | undefined {
  if (nowS + skewS < claims.notBeforeS) return 'not-yet-valid';
  return claims.expiresS !== undefined && nowS > claims.expiresS + skewS ? 'expired' : undefined;
}

/** A list of audiences, compiled: one of them has to be in the token, unless there are none. */
export type AudienceTest = (audiences: readonly string[]) => boolean;

/** Compiles audiences; the scheme of a URL and a slash at its end do not count, as in Envoy. */
export function compileAudiences(accepted: readonly string[]): AudienceTest {
  if (accepted.length === 0) return () => true;
  const names = new Set(accepted.map(bareAudience));
  return (audiences) => audiences.some((each) => names.has(bareAudience(each)));
}

function bareAudience(audience: string): string {
  const start = audience.startsWith('http://') ? 7 : audience.startsWith('https://') ? 8 : 0;
  return audience.endsWith('/') ? audience.slice(start, -1) : audience.slice(start);
}

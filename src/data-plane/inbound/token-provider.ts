import type { Clock } from '../../base/runtime.ts';
import type { JwtProviderConfig } from '../../model/authorization.ts';
import type { KeySource } from '../../security/jwt/key-source.ts';
import {
  checkTime,
  compileAudiences,
  maxClockSkewMs,
  type AudienceTest,
  type TokenClaims,
} from '../../security/jwt/token-claims.ts';
import type { TokenProblem } from '../../security/jwt/token-problem.ts';
import { secondsNow, VerifiedTokens, type UnverifiedToken } from '../../security/jwt/verified-tokens.ts';
import { compileString, type StringTest } from '../routing/match-value.ts';
import type { CheckedTokens, TokenVerdict } from './checked-tokens.ts';
import { compileLocations, type FoundToken, type TokenLocation } from './token-locations.ts';

/** Accepted tokens of one issuer, compiled. */
export class TokenProvider {
  readonly config: JwtProviderConfig;
  /** Its place in the policy. */
  readonly index: number;
  readonly locations: readonly TokenLocation[];
  readonly audiences: AudienceTest;
  /** Headers that it sets. */
  readonly ownHeaders: readonly string[];
  readonly verified: VerifiedTokens;
  private readonly clock: Clock;
  private readonly isSubject: StringTest | undefined;
  private readonly skewS: number;
  private readonly maxLifetimeS: number;

  constructor(config: JwtProviderConfig, index: number, keys: KeySource, clock: Clock) {
    this.config = config;
    this.index = index;
    this.locations = compileLocations([config]);
    this.audiences = compileAudiences(config.audiences);
    const { payloadHeader, claimHeaders = [] } = config;
    this.ownHeaders = [...(payloadHeader === undefined ? [] : [payloadHeader]), ...claimHeaders.map(({ header }) => header)].map(
      (name) => name.toLowerCase(),
    );
    this.verified = new VerifiedTokens(config, keys, clock);
    this.clock = clock;
    this.isSubject = config.subjects === undefined ? undefined : compileString(config.subjects);
    this.skewS = Math.floor(Math.min(config.clockSkewMs ?? maxClockSkewMs, maxClockSkewMs) / 1000);
    this.maxLifetimeS = config.maxLifetimeMs === undefined ? Number.POSITIVE_INFINITY : config.maxLifetimeMs / 1000;
  }

  /** Accepts a token that was verified before; undefined = it was not. */
  recall({ text, location }: FoundToken, audiences: AudienceTest, checked: CheckedTokens): TokenVerdict | undefined {
    const signed = this.verified.find(text);
    if (signed === undefined) return undefined;
    if (location.issuers !== undefined && !isAmong(signed.claims, location.issuers)) return 'unknown-issuer';
    const problem = this.problemOf(signed.claims, audiences);
    if (problem !== undefined) {
      if (problem === 'expired') this.verified.forget(text);
      return problem;
    }
    checked.accept(this, signed, location);
    return 'ok';
  }

  /** Verifies and accepts a token that was read. */
  async accept(
    unverified: UnverifiedToken,
    location: TokenLocation,
    audiences: AudienceTest,
    checked: CheckedTokens,
  ): Promise<TokenVerdict> {
    const signed = await this.verified.verify(unverified);
    if (typeof signed === 'string') return signed;
    checked.accept(this, signed, location);
    return 'ok';
  }

  /** What speaks against a token whatever its signature. */
  problemOf(claims: TokenClaims, audiences: AudienceTest): TokenProblem | undefined {
    const nowS = secondsNow(this.clock);
    const problem = checkTime(claims, nowS, this.skewS);
    if (problem !== undefined) return problem;
    if (!audiences(claims.audiences)) return 'audience-not-allowed';
    if (this.isSubject !== undefined && !this.isSubject(claims.subject ?? '')) return 'verification-failed';
    // One that never expires could not be taken back (Envoy's `require_expiration`, always on).
    if (claims.expiresS === undefined || claims.expiresS - nowS >= this.maxLifetimeS) return 'verification-failed';
    return undefined;
  }
}

/** Whether the issuer of the token is one of these. */
export function isAmong({ issuer }: TokenClaims, issuers: ReadonlySet<string>): boolean {
  return issuer !== undefined && issuers.has(issuer);
}

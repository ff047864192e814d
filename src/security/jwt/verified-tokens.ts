import { LRUCache } from 'lru-cache';
import type { Clock } from '../../base/runtime.ts';
import type { JwtProviderConfig } from '../../model/authorization.ts';
import type { VerifiedToken } from '../../model/inbound.ts';
import { decodeSection, parseCompact, type CompactToken } from './compact-token.ts';
import type { KeySet } from './key-set.ts';
import type { KeySource } from './key-source.ts';
import { parseClaims, type TokenClaims } from './token-claims.ts';
import type { TokenProblem } from './token-problem.ts';
import { verifySignature } from './verify-signature.ts';
import { verifiedTokenFrom } from './verified-token.ts';

/** A token whose signature is good, and what it says. Its time has to be looked at again at each use. */
export interface SignedToken {
  readonly claims: TokenClaims;
  readonly token: VerifiedToken;
  /** A list of it alone: what most requests have. */
  readonly tokens: readonly VerifiedToken[];
  /** The section, for handlers that read it from a header. */
  readonly payload: string;
  /** The keys that it was verified with. */
  readonly keys: KeySet;
}

/** A token that was read, and whose signature nobody has looked at. */
export interface UnverifiedToken {
  readonly compact: CompactToken;
  readonly claims: TokenClaims;
}

/** Tokens that are remembered; callers use theirs for minutes. */
const maxTokens = 1000;
/** Tokens that failed and are remembered, and how long: who sends them over and over waits for no signature. */
const maxFailedTokens = 500;
const failedMs = 10_000;
/** Longer ones are verified at each use, so that what is remembered stays below 4 MB (Envoy's bound too). */
const maxKeptBytes = 4096;

interface Failure {
  readonly problem: TokenProblem;
  readonly keys: KeySet;
  readonly untilMs: number;
}

/**
 * The tokens of one provider that were verified: a signature costs about 180 µs of CPU, looking it up below one. What was verified with keys
 * that hold no more is forgotten. Several requests with one token wait for one verification.
 */
export class VerifiedTokens {
  private readonly config: JwtProviderConfig;
  private readonly source: KeySource;
  private readonly kept = new LRUCache<string, SignedToken>({ max: maxTokens });
  /** Those that no key has made: the same again costs nothing. */
  private readonly failed = new LRUCache<string, Failure>({ max: maxFailedTokens });
  private readonly clock: Clock;
  private readonly underWay = new Map<string, Promise<SignedToken | TokenProblem>>();

  constructor(config: JwtProviderConfig, source: KeySource, clock: Clock) {
    this.config = config;
    this.source = source;
    this.clock = clock;
  }

  /** A token that was verified before. */
  find(text: string): SignedToken | undefined {
    const known = this.kept.get(text);
    if (known === undefined) return undefined;
    if (known.keys === this.source.current()) return known;
    this.kept.delete(text);
    return undefined;
  }

  /** Forgets a token, which has expired. */
  forget(text: string): void {
    this.kept.delete(text);
  }

  /** Verifies the signature of a token. */
  verify(unverified: UnverifiedToken): Promise<SignedToken | TokenProblem> {
    const { text } = unverified.compact;
    const failure = this.failed.get(text);
    if (failure !== undefined && this.clock.now() < failure.untilMs && failure.keys === this.source.current())
      return Promise.resolve(failure.problem);
    let promise = this.underWay.get(text);
    if (promise === undefined) {
      promise = this.verifyOnce(unverified).finally(() => this.underWay.delete(text));
      this.underWay.set(text, promise);
    }
    return promise;
  }

  private async verifyOnce({ compact, claims }: UnverifiedToken): Promise<SignedToken | TokenProblem> {
    let keys = this.source.current() ?? (await this.source.newer(undefined));
    if (typeof keys === 'string') return keys;
    let problem = await verifySignature(compact, keys);
    // The issuer may have a new key since; a token that names none may be signed with it.
    if (problem === 'kid-or-alg-unknown' || (problem !== undefined && compact.kid === undefined)) {
      const newer = await this.source.newer(keys);
      if (typeof newer !== 'string' && newer !== keys) {
        keys = newer;
        problem = await verifySignature(compact, keys);
      }
    }
    if (problem !== undefined) {
      // One whose key is not known costs no signature, and its key may come at any time.
      if (problem !== 'kid-or-alg-unknown' && compact.text.length <= maxKeptBytes)
        this.failed.set(compact.text, { problem, keys, untilMs: this.clock.now() + failedMs });
      return problem;
    }
    const token = verifiedTokenFrom(this.config, claims);
    const signed: SignedToken = { claims, token, tokens: Object.freeze([token]), payload: compact.payload, keys };
    if (compact.text.length <= maxKeptBytes) this.kept.set(compact.text, signed);
    return signed;
  }
}

/** Reads a token without believing it. */
export function readToken(text: string): UnverifiedToken | TokenProblem {
  const compact = parseCompact(text);
  if (typeof compact === 'string') return compact;
  if (compact.payload === '') return 'bad-format';
  const claims = parseClaims(compact.payload);
  if (typeof claims === 'string') return claims;
  return decodeSection(compact.signature) === undefined ? 'signature-bad-base64' : { compact, claims };
}

/** Whole seconds since 1970, which is what tokens count in. */
export function secondsNow(clock: Clock): number {
  return Math.floor(clock.wallNow() / 1000);
}

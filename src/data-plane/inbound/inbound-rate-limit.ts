/**
 * Local rate limits of the way in: a bucket for everybody, and one for each identity, or for a group of them. Where the policy stays as it
 * was its buckets stay as they are, whatever else of the configuration changes. Source: Envoy `local_ratelimit`, Linkerd
 * `HTTPLocalRateLimitPolicy`.
 */
import { LRUCache } from 'lru-cache';
import type { InboundRefusal } from '../../model/inbound.ts';
import type { HeaderMutation, LocalRateLimitConfig, TokenBucketConfig } from '../../model/policy.ts';
import { TokenBucket } from '../resilience/token-bucket.ts';
import { compileString, type StringTest } from '../routing/match-value.ts';
import { refusal } from './refusal.ts';

/** Identities with a bucket of their own; the one that called longest ago gets a full one again. */
const maxIdentities = 10_000;
/** Limits that are kept through updates. */
const maxLimits = 1000;

/** One limit and its buckets. */
export class InboundRateLimit {
  private readonly all: TokenBucket;
  private readonly groups: readonly { readonly tests: readonly StringTest[]; readonly bucket: TokenBucket }[];
  private readonly perIdentity: TokenBucketConfig | undefined;
  private readonly byIdentity: LRUCache<string, TokenBucket> | undefined;
  private readonly refused: InboundRefusal;

  constructor(config: LocalRateLimitConfig) {
    this.all = new TokenBucket(config);
    this.groups = (config.overrides ?? []).map(({ identities, bucket }) => ({
      tests: identities.map(compileString),
      bucket: new TokenBucket(bucket),
    }));
    this.perIdentity = config.perIdentity;
    this.byIdentity = config.perIdentity && new LRUCache({ max: maxIdentities });
    this.refused = refusalOf(config);
  }

  /** Takes a token for a request of this peer; a refusal when there is none. `identity` undefined = it has none. */
  check(identity: string | undefined, now: number): InboundRefusal | undefined {
    // Its own first: who has used it up takes nothing from the others.
    const own = this.bucketOf(identity);
    if (own !== undefined && !own.tryTake(now)) return this.refused;
    return this.all.tryTake(now) ? undefined : this.refused;
  }

  /** Tokens left for everybody. */
  remaining(now: number): number {
    return this.all.remaining(now);
  }

  private bucketOf(identity: string | undefined): TokenBucket | undefined {
    if (identity !== undefined)
      for (const { tests, bucket } of this.groups) if (tests.some((test) => test(identity))) return bucket;
    if (this.byIdentity === undefined) return undefined;
    const key = identity ?? '';
    let bucket = this.byIdentity.get(key);
    if (bucket === undefined) this.byIdentity.set(key, (bucket = new TokenBucket(this.perIdentity!)));
    return bucket;
  }
}

/** Says when to come again: the time in which the bucket for everybody gets its next token. */
function refusalOf({ status = 429, responseHeaders, tokensPerFill, fillIntervalMs }: LocalRateLimitConfig): InboundRefusal {
  const afterSeconds = Math.max(1, Math.ceil(fillIntervalMs / tokensPerFill / 1000));
  const headers = { 'retry-after': String(afterSeconds), ...written(responseHeaders) };
  return refusal(status, 'local_rate_limited', { details: 'local_rate_limited', flag: 'RL', headers, grpcStatus: 14 });
}

/** A refusal has no headers yet, so that all ways to write one come to the same. */
function written(mutation: HeaderMutation | undefined): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of [...(mutation?.setIfAbsent ?? []), ...(mutation?.set ?? [])]) headers[name.toLowerCase()] = value;
  for (const [name, value] of mutation?.add ?? []) {
    const key = name.toLowerCase();
    const known = headers[key];
    headers[key] = known === undefined ? value : [...(typeof known === 'string' ? [known] : known), value];
  }
  return headers;
}

/** The limits of one mesh. */
export class InboundRateLimits {
  private readonly byPlace = new LRUCache<string, InboundRateLimit>({ max: maxLimits });

  /** The limit that stands in this place; the one that stood there before where it says the same. */
  limitAt(place: string, config: LocalRateLimitConfig): InboundRateLimit {
    const key = `${place}\n${JSON.stringify(config)}`;
    let limit = this.byPlace.get(key);
    if (limit === undefined) this.byPlace.set(key, (limit = new InboundRateLimit(config)));
    return limit;
  }
}

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
  private readonly all: OwnBucket;
  private readonly groups: readonly (OwnBucket & { readonly tests: readonly StringTest[] })[];
  private readonly perIdentity: { readonly config: TokenBucketConfig; readonly refused: InboundRefusal } | undefined;
  private readonly byIdentity: LRUCache<string, OwnBucket> | undefined;

  constructor(config: LocalRateLimitConfig) {
    this.all = { bucket: new TokenBucket(config), refused: refusalOf(config, config) };
    this.groups = (config.overrides ?? []).map(({ identities, bucket }) => ({
      tests: identities.map(compileString),
      bucket: new TokenBucket(bucket),
      refused: refusalOf(config, bucket),
    }));
    this.perIdentity = config.perIdentity && { config: config.perIdentity, refused: refusalOf(config, config.perIdentity) };
    this.byIdentity = config.perIdentity && new LRUCache({ max: maxIdentities });
  }

  /** Takes a token for a request of this peer; a refusal when there is none. `identity` undefined = it has none. */
  check(identity: string | undefined, now: number): InboundRefusal | undefined {
    // Its own first: who has used it up takes nothing from the others.
    const own = this.bucketOf(identity);
    if (own !== undefined && !own.bucket.tryTake(now)) return own.refused;
    return this.all.bucket.tryTake(now) ? undefined : this.all.refused;
  }

  /** Tokens left for everybody. */
  remaining(now: number): number {
    return this.all.bucket.remaining(now);
  }

  private bucketOf(identity: string | undefined): OwnBucket | undefined {
    if (identity !== undefined) for (const group of this.groups) if (group.tests.some((test) => test(identity))) return group;
    if (this.byIdentity === undefined || this.perIdentity === undefined) return undefined;
    const key = identity ?? '';
    let own = this.byIdentity.get(key);
    if (own === undefined) {
      const { config, refused } = this.perIdentity;
      this.byIdentity.set(key, (own = { bucket: new TokenBucket(config), refused }));
    }
    return own;
  }
}

/** A bucket, and what is answered when it is empty. */
interface OwnBucket {
  readonly bucket: TokenBucket;
  readonly refused: InboundRefusal;
}

/** Says when to come again: the time in which the bucket that is empty gets its next token. */
function refusalOf(
  { status = 429, responseHeaders }: LocalRateLimitConfig,
  { tokensPerFill, fillIntervalMs }: TokenBucketConfig,
): InboundRefusal {
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

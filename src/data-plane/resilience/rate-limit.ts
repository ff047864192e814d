/**
 * Rate limits of this process. A bucket belongs to the place where its limit was written: a limit of a virtual host is one bucket
 * for all of its routes, and two routes with equal limits have a bucket each, as in Envoy. Unlike there, a reload that leaves the
 * limit as it was does not fill its bucket again.
 */
import { LRUCache } from 'lru-cache';
import type { LocalRateLimitConfig } from '../../model/policy.ts';
import type { RequestPolicy, RouteTableConfig } from '../../model/route.ts';
import { TokenBucket } from './token-bucket.ts';

/** Buckets that are kept across updates; a limit that is in force keeps its bucket however many there are. */
const maxKeptBuckets = 10_000;

/** The buckets of one mesh. */
export class RateLimits {
  private readonly byPlace = new LRUCache<string, TokenBucket>({ max: maxKeptBuckets });
  private readonly byConfig = new WeakMap<LocalRateLimitConfig, TokenBucket>();

  /** Takes a token for a request under this limit; false = the request is to be refused with `status` (429). `now` is monotonic. */
  tryTake(config: LocalRateLimitConfig, now: number): boolean {
    return (this.byConfig.get(config) ?? this.bind(config, '')).tryTake(now);
  }

  /** Tokens left, for `explain()`. */
  remaining(config: LocalRateLimitConfig, now: number): number {
    return (this.byConfig.get(config) ?? this.bind(config, '')).remaining(now);
  }

  /** Finds the buckets that the limits of a table had before. Called once per table and configuration. */
  adopt(place: string, outer: RequestPolicy | undefined, table: RouteTableConfig): void {
    this.bindPolicy(outer, place);
    this.bindPolicy(table.policy, `${place}\n${table.name}`);
    for (const host of table.virtualHosts) {
      const ofHost = `${place}\n${table.name}\n${host.name}`;
      this.bindPolicy(host.policy, ofHost);
      for (const [index, route] of host.routes.entries()) this.bindPolicy(route.policy, `${ofHost}\n${index}\n${route.name}`);
    }
  }

  private bindPolicy(policy: RequestPolicy | undefined, place: string): void {
    if (policy?.rateLimit !== undefined) this.bind(policy.rateLimit, place);
  }

  private bind(config: LocalRateLimitConfig, place: string): TokenBucket {
    const key = `${place}\n${config.maxTokens}\n${config.tokensPerFill}\n${config.fillIntervalMs}`;
    let bucket = this.byPlace.get(key);
    if (bucket === undefined) this.byPlace.set(key, (bucket = new TokenBucket(config)));
    this.byConfig.set(config, bucket);
    return bucket;
  }
}

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RateLimits } from '../../../../src/data-plane/resilience/rate-limit.ts';
import type { LocalRateLimitConfig } from '../../../../src/model/policy.ts';
import type { RequestPolicy, RouteTableConfig } from '../../../../src/model/route.ts';

const limitOf = (maxTokens: number): LocalRateLimitConfig => ({ maxTokens, tokensPerFill: 1, fillIntervalMs: 3_600_000 });

function table(ofHost: RequestPolicy | undefined, ofRoutes: readonly RequestPolicy[]): RouteTableConfig {
  return {
    name: 'table',
    virtualHosts: [
      {
        name: 'orders',
        domains: ['orders'],
        ...(ofHost === undefined ? {} : { policy: ofHost }),
        routes: ofRoutes.map((policy, index) => ({
          name: `route ${index}`,
          match: {},
          action: { kind: 'respond', status: 200 },
          policy,
        })),
      },
    ],
  };
}

/** Takes until nothing is left. */
function drain(limits: RateLimits, config: LocalRateLimitConfig): number {
  let taken = 0;
  while (limits.tryTake(config, 1)) taken++;
  return taken;
}

describe('RateLimits', () => {
  it('gives two routes with equal limits a bucket each', () => {
    const [one, other] = [limitOf(2), limitOf(2)];
    const limits = new RateLimits();
    limits.adopt('source', undefined, table(undefined, [{ rateLimit: one }, { rateLimit: other }]));
    assert.deepEqual([drain(limits, one), drain(limits, other)], [2, 2]);
  });

  it('gives a virtual host one bucket for all of its routes', () => {
    const shared = limitOf(3);
    const limits = new RateLimits();
    limits.adopt('source', undefined, table({ rateLimit: shared }, [{}, {}]));
    assert.deepEqual([drain(limits, shared), drain(limits, shared)], [3, 0]);
  });

  it('does not fill a bucket again when the configuration is loaded anew', () => {
    const limits = new RateLimits();
    const before = limitOf(2);
    limits.adopt('source', undefined, table(undefined, [{ rateLimit: before }]));
    assert.equal(drain(limits, before), 2);
    const after = structuredClone(before);
    limits.adopt('source', undefined, table(undefined, [{ rateLimit: after }]));
    assert.equal(drain(limits, after), 0);
  });

  it('begins a full bucket where the limit was changed', () => {
    const limits = new RateLimits();
    limits.adopt('source', undefined, table(undefined, [{ rateLimit: limitOf(2) }]));
    const changed = limitOf(5);
    limits.adopt('source', undefined, table(undefined, [{ rateLimit: changed }]));
    assert.equal(drain(limits, changed), 5);
  });

  it('keeps the buckets of listeners apart whose tables have the same name', () => {
    const [one, other] = [limitOf(1), limitOf(1)];
    const limits = new RateLimits();
    limits.adopt('source/80', { rateLimit: one }, table(undefined, []));
    limits.adopt('source/81', { rateLimit: other }, table(undefined, []));
    assert.deepEqual([drain(limits, one), drain(limits, other)], [1, 1]);
  });

  it('limits a policy that nobody announced', () => {
    assert.equal(drain(new RateLimits(), limitOf(4)), 4);
  });

  it('says what is left', () => {
    const limits = new RateLimits();
    const config = limitOf(4);
    limits.tryTake(config, 1);
    assert.equal(limits.remaining(config, 1), 3);
  });
});

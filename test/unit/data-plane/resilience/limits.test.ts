import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ClusterLimits } from '../../../../src/data-plane/resilience/limits.ts';

describe('ClusterLimits', () => {
  it('lets as many requests in as the limit says, and names the limit to the next one', () => {
    const limits = new ClusterLimits({ maxRequests: 2 });
    assert.deepEqual([limits.tryAcquireRequest(), limits.tryAcquireRequest()], [undefined, undefined]);
    assert.equal(limits.tryAcquireRequest(), '2 requests in flight, the limit is 2 (limits.maxRequests)');
    limits.releaseRequest();
    assert.equal(limits.tryAcquireRequest(), undefined);
  });

  it('has the defaults of Envoy, and no cap on retries beside the budget', () => {
    const limits = new ClusterLimits(undefined);
    assert.deepEqual(
      [limits.maxConnections, limits.maxPending, limits.maxRequests, limits.maxRetries],
      [1024, 1024, 1024, Number.POSITIVE_INFINITY],
    );
  });

  const kinds = [
    {
      name: 'pending',
      config: { maxPendingRequests: 1 },
      acquire: 'tryAcquirePending',
      release: 'releasePending',
      words: 'requests waiting for a connection',
    },
    {
      name: 'retries',
      config: { maxRetries: 1 },
      acquire: 'tryAcquireRetry',
      release: 'releaseRetry',
      words: 'retries under way',
    },
    {
      name: 'connections',
      config: { maxConnections: 1 },
      acquire: 'tryAcquireConnection',
      release: 'releaseConnection',
      words: 'connections',
    },
  ] as const;
  for (const { name, config, acquire, release, words } of kinds) {
    it(`counts ${name} by themselves`, () => {
      const limits = new ClusterLimits(config);
      assert.deepEqual([limits[acquire](), limits[acquire]()], [true, false]);
      assert.deepEqual(limits.reached(), [`1 ${words}, the limit is 1 (limits.${Object.keys(config)[0]})`]);
      limits[release]();
      assert.deepEqual(limits.reached(), []);
    });
  }

  it('keeps its counts when the limits change, and refuses new work under a lower one', () => {
    const limits = new ClusterLimits({ maxRequests: 10 });
    for (let index = 0; index < 5; index++) limits.tryAcquireRequest();
    limits.update({ maxRequests: 3 });
    assert.notEqual(limits.tryAcquireRequest(), undefined);
    for (let index = 0; index < 3; index++) limits.releaseRequest();
    assert.equal(limits.tryAcquireRequest(), undefined);
  });

  it('refuses everything at a limit of 0', () => {
    assert.notEqual(new ClusterLimits({ maxRequests: 0 }).tryAcquireRequest(), undefined);
  });
});

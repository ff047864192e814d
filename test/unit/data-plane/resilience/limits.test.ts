import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Criticality } from '../../../../src/base/request-context.ts';
import { ClusterLimits } from '../../../../src/data-plane/resilience/limits.ts';

describe('ClusterLimits', () => {
  it('lets as many requests in as the limit says, and names the limit to the next one', () => {
    const limits = new ClusterLimits({ maxRequests: 2 });
    assert.deepEqual([limits.tryAcquireRequest(), limits.tryAcquireRequest()], [undefined, undefined]);
    assert.deepEqual(limits.tryAcquireRequest(), {
      reason: '2 requests in flight, the limit is 2 (limits.maxRequests)',
      details: { limit: 'limits.maxRequests', count: 2, max: 2 },
    });
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

const half = (): number => 0.5;
/** Lets requests in until one is refused; gives their number and the refusal. */
function fill(limits: ClusterLimits, criticality?: Criticality): { taken: number; refusal: string } {
  for (let taken = 0; ; taken++) {
    const refusal = limits.admit(1000, half, criticality);
    if (refusal !== undefined) return { taken, refusal: refusal.reason };
  }
}

describe('ClusterLimits.of', () => {
  it('counts requests of high priority apart', () => {
    const limits = new ClusterLimits({ maxRequests: 1, highPriority: { maxRequests: 2 } });
    const high = limits.of('high');
    assert.deepEqual([limits.admit(0, half), high.admit(0, half), high.admit(0, half)], [undefined, undefined, undefined]);
    assert.equal(limits.admit(0, half)?.reason, '1 requests in flight, the limit is 1 (limits.maxRequests)');
    assert.equal(high.admit(0, half)?.reason, '2 requests in flight, the limit is 2 (limits.highPriority.maxRequests)');
    assert.deepEqual(limits.reached(), [
      '1 requests in flight, the limit is 1 (limits.maxRequests)',
      '2 requests in flight, the limit is 2 (limits.highPriority.maxRequests)',
    ]);
    high.releaseRequest();
    assert.equal(high.admit(0, half), undefined);
  });

  it('has the defaults of Envoy for high priority too, whatever the others have', () => {
    const { high } = new ClusterLimits({ maxRequests: 1, maxPendingRequests: 1, maxConnections: 1 });
    assert.deepEqual([high.maxRequests, high.maxPending, high.maxConnections], [1024, 1024, 1024]);
  });

  it('knows how long a request of each priority may be pending', () => {
    const limits = new ClusterLimits({ pendingTimeoutMs: 50 });
    assert.deepEqual([limits.pendingTimeoutMs, limits.high.pendingTimeoutMs], [50, Number.POSITIVE_INFINITY]);
  });
});

describe('ClusterLimits.admit', () => {
  const adaptive = { algorithm: 'aimd', initialLimit: 20, minLimit: 1 } as const;
  const classes: readonly { name: string; criticality: Criticality | undefined; taken: number }[] = [
    { name: 'unclassified', criticality: undefined, taken: 20 },
    { name: 'critical-plus', criticality: 'critical-plus', taken: 22 },
    { name: 'critical', criticality: 'critical', taken: 20 },
    { name: 'sheddable-plus', criticality: 'sheddable-plus', taken: 18 },
    { name: 'sheddable', criticality: 'sheddable', taken: 15 },
  ];
  for (const { name, criticality, taken } of classes) {
    it(`lets so many ${name} requests in under an adaptive limit of 20`, () => {
      assert.equal(fill(new ClusterLimits({ adaptive }), criticality).taken, taken);
    });
  }

  it('names the adaptive limit to whom it refuses', () => {
    const { refusal } = fill(new ClusterLimits({ adaptive }), 'sheddable');
    assert.equal(refusal, '15 requests in flight, the aimd limit for sheddable ones is 15 now (limits.adaptive)');
  });

  it('names no class to requests that nobody classified', () => {
    const { refusal } = fill(new ClusterLimits({ adaptive }));
    assert.equal(refusal, '20 requests in flight, the aimd limit is 20 now (limits.adaptive)');
  });

  it('counts the requests of both priorities under the adaptive limit', () => {
    const limits = new ClusterLimits({ adaptive });
    for (let index = 0; index < 12; index++) limits.high.admit(0, half);
    assert.equal(fill(limits).taken, 8);
  });

  it('lets a sheddable request through an idle cluster, however small the limit', () => {
    assert.equal(fill(new ClusterLimits({ adaptive: { ...adaptive, initialLimit: 1 } }), 'sheddable').taken, 1);
  });

  it('keeps what it learnt when another limit changes, and begins anew when the adaptive one does', () => {
    const limits = new ClusterLimits({ adaptive });
    const learn = (): void => {
      for (let index = 0; index < 10; index++) limits.onOutcome('dropped', 0, 20, 1000 + index, half);
    };
    learn();
    assert.equal(limits.admission.limit, 18);
    limits.update({ maxRequests: 500, adaptive: { ...adaptive } });
    assert.equal(limits.admission.limit, 18);
    limits.update({ adaptive: { ...adaptive, maxLimit: 50 } });
    assert.equal(limits.admission.limit, 20);
    limits.update({});
    assert.equal(limits.admission.limit, undefined);
  });

  it('keeps its counts right when the adaptive limit comes and goes while requests are under way', () => {
    const limits = new ClusterLimits({});
    for (let index = 0; index < 5; index++) limits.admit(0, half);
    limits.update({ adaptive });
    assert.equal(fill(limits).taken, 15);
    limits.update({});
    for (let index = 0; index < 20; index++) limits.releaseRequest();
    assert.deepEqual([limits.requests, limits.admission.inFlight], [0, 0]);
  });

  it('refuses by the throttle, and names it', () => {
    const limits = new ClusterLimits({ throttle: {} });
    for (let index = 0; index < 100; index++) limits.onOutcome('dropped', 5, 1, 1000, half);
    assert.equal(limits.admission.refusalPercent(1000), 80);
    const refusal = limits.admit(1000, half);
    assert.equal(
      refusal?.reason,
      'the service refuses most requests, so 80 % of the requests are refused here (limits.throttle)',
    );
    assert.deepEqual(refusal.details, { limit: 'limits.throttle', refusedPercent: 80 });
    assert.match(refusal.remedy!, /nothing to raise here/);
    assert.match(limits.admit(1000, half, 'critical')!.reason, /80 % of the critical ones/);
    assert.equal(
      limits.admit(1000, () => 0.9),
      undefined,
    );
  });

  const verdicts = [
    { verdict: 'success', refusalPercent: 0 },
    { verdict: 'error', refusalPercent: 0 },
    { verdict: 'dropped', refusalPercent: 80 },
    { verdict: 'ignored', refusalPercent: 0 },
  ] as const;
  for (const { verdict, refusalPercent } of verdicts) {
    it(`throttles by outcomes that are ${verdict}: ${refusalPercent} %`, () => {
      const limits = new ClusterLimits({ throttle: {} });
      for (let index = 0; index < 100; index++) limits.onOutcome(verdict, 5, 1, 1000, half);
      assert.equal(limits.admission.refusalPercent(1000), refusalPercent);
    });
  }
});

import assert from 'node:assert/strict';
import { createHook } from 'node:async_hooks';
import { EventEmitter } from 'node:events';
import { describe, it, mock, type TestContext } from 'node:test';
import CircuitBreaker from 'opossum';
import { Breaker, type BreakerState } from '../../../../src/data-plane/resilience/circuit-breaker.ts';
import { CircuitWindow } from '../../../../src/data-plane/resilience/circuit-window.ts';
import { createVirtualClock } from '../../../../src/testing/virtual-clock.ts';

const probeLimitMs = 1000;

/** A breaker in virtual time: opossum's timer is Node's, mocked; the limit on a probe runs on the clock. */
function breakerIn(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const clock = createVirtualClock();
  const window = new CircuitWindow(10_000);
  const changes: BreakerState[] = [];
  const breaker = new Breaker({
    name: 'orders/192.0.2.1:80',
    clock,
    window,
    onChange: (state) => changes.push(state),
  });
  t.after(() => breaker.dispose());
  const advance = async (ms: number): Promise<void> => {
    t.mock.timers.tick(ms);
    await clock.advance(ms);
  };
  return { breaker, clock, window, changes, advance };
}

/** Lets opossum hear a verdict. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function naive(options: CircuitBreaker.Options = {}): CircuitBreaker<[() => Promise<void>], void> {
  return new CircuitBreaker((action: () => Promise<void>) => action(), { timeout: false, resetTimeout: 1000, ...options });
}

const fails = (): Promise<void> => Promise.reject(new Error('failed'));

describe('Breaker', () => {
  it('opens for the time it is told, then becomes half-open', async (t) => {
    const { breaker, changes, advance } = breakerIn(t);
    breaker.open(5000, 'outlier');
    assert.deepEqual([breaker.state, breaker.openedBy, breaker.openUntilMs], ['open', 'outlier', 5000]);
    await advance(4999);
    assert.equal(breaker.state, 'open');
    await advance(1);
    assert.equal(breaker.state, 'half-open');
    assert.deepEqual(changes, ['open', 'half-open']);
  });

  it('lets exactly one probe through, and only when half-open', async (t) => {
    const { breaker, advance } = breakerIn(t);
    assert.equal(breaker.tryProbe(probeLimitMs), undefined);
    breaker.open(100, 'circuit');
    assert.equal(breaker.tryProbe(probeLimitMs), undefined);
    await advance(100);
    assert.notEqual(breaker.tryProbe(probeLimitMs), undefined);
    assert.equal(breaker.tryProbe(probeLimitMs), undefined);
  });

  it('closes when the probe succeeds, and forgets what came before', async (t) => {
    const { breaker, window, changes, advance } = breakerIn(t);
    window.record(true, 0);
    breaker.open(100, 'circuit');
    await advance(100);
    breaker.tryProbe(probeLimitMs)!.succeeded();
    assert.equal(breaker.tryProbe(probeLimitMs), undefined);
    await settled();
    assert.equal(breaker.state, 'closed');
    assert.deepEqual(changes, ['open', 'half-open', 'closed']);
    assert.equal(window.finished(100), 0);
  });

  it('opens again for the time that the failed probe names', async (t) => {
    const { breaker, advance } = breakerIn(t);
    breaker.open(100, 'outlier');
    await advance(100);
    breaker.tryProbe(probeLimitMs)!.failed(700);
    await settled();
    assert.deepEqual([breaker.state, breaker.openUntilMs], ['open', 800]);
    await advance(699);
    assert.equal(breaker.state, 'open');
    await advance(1);
    assert.equal(breaker.state, 'half-open');
    assert.notEqual(breaker.tryProbe(probeLimitMs), undefined);
  });

  it('lets the next request probe when a probe was abandoned', async (t) => {
    const { breaker, advance } = breakerIn(t);
    breaker.open(100, 'circuit');
    await advance(100);
    const abandoned = breaker.tryProbe(probeLimitMs)!;
    abandoned.abandoned();
    const probe = breaker.tryProbe(probeLimitMs);
    assert.notEqual(probe, undefined);
    abandoned.failed(1);
    probe!.succeeded();
    await settled();
    assert.equal(breaker.state, 'closed');
  });

  it('hears only the first verdict of a probe', async (t) => {
    const { breaker, advance } = breakerIn(t);
    breaker.open(100, 'circuit');
    await advance(100);
    const probe = breaker.tryProbe(probeLimitMs)!;
    probe.failed(500);
    probe.succeeded();
    await settled();
    assert.equal(breaker.state, 'open');
  });

  it('stays open for the longer of two times, without a word of it', async (t) => {
    const { breaker, changes, advance } = breakerIn(t);
    breaker.open(5000, 'circuit');
    breaker.open(1000, 'outlier');
    assert.deepEqual([breaker.openedBy, breaker.openUntilMs], ['circuit', 5000]);
    breaker.open(30_000, 'outlier');
    assert.deepEqual([breaker.openedBy, breaker.openUntilMs], ['outlier', 30_000]);
    await advance(29_999);
    assert.equal(breaker.state, 'open');
    await advance(1);
    assert.deepEqual(changes, ['open', 'half-open']);
  });

  it('stays open for longer than a Node timer can wait', async (t) => {
    const { breaker, advance } = breakerIn(t);
    breaker.open(Number.POSITIVE_INFINITY, 'outlier');
    await advance(86_400_000);
    assert.equal(breaker.state, 'open');
  });

  it('has no timer left after dispose, even with a probe under way', async (t) => {
    const { breaker, changes, advance } = breakerIn(t);
    breaker.open(100, 'circuit');
    await advance(100);
    const probe = breaker.tryProbe(probeLimitMs)!;
    breaker.dispose();
    await advance(10 * probeLimitMs);
    probe.succeeded();
    await settled();
    assert.deepEqual(changes, ['open', 'half-open']);
    breaker.open(100, 'circuit');
    assert.equal(breaker.tryProbe(probeLimitMs), undefined);
  });
});

describe('a probe of a slow host', () => {
  it('brings it back when it succeeds after its time', async (t) => {
    const { breaker, changes, advance } = breakerIn(t);
    breaker.open(5000, 'circuit');
    await advance(5000);
    const slow = breaker.tryProbe(probeLimitMs)!;
    await advance(probeLimitMs);
    await settled();
    assert.equal(breaker.state, 'open');
    slow.succeeded();
    await settled();
    assert.equal(breaker.state, 'closed');
    assert.deepEqual(changes, ['open', 'half-open', 'open', 'closed']);
  });

  it('brings it back although the next request probes by then', async (t) => {
    const { breaker, advance } = breakerIn(t);
    breaker.open(100, 'circuit');
    await advance(100);
    const slow = breaker.tryProbe(probeLimitMs)!;
    await advance(probeLimitMs);
    await settled();
    await advance(100);
    const next = breaker.tryProbe(probeLimitMs)!;
    slow.succeeded();
    await settled();
    assert.equal(breaker.state, 'closed');
    next.failed(100);
    await settled();
    assert.equal(breaker.state, 'closed', 'the outage of that probe is over');
  });

  it('does not bring it back from a later outage', async (t) => {
    const { breaker, advance } = breakerIn(t);
    breaker.open(100, 'circuit');
    await advance(100);
    const slow = breaker.tryProbe(probeLimitMs)!;
    await advance(probeLimitMs);
    await settled();
    breaker.close();
    breaker.open(100, 'circuit');
    slow.succeeded();
    await settled();
    assert.equal(breaker.state, 'open');
  });

  it('says nothing any more once it has failed', async (t) => {
    const { breaker, advance } = breakerIn(t);
    breaker.open(5000, 'circuit');
    await advance(5000);
    const slow = breaker.tryProbe(probeLimitMs)!;
    await advance(probeLimitMs);
    await settled();
    slow.failed(100);
    slow.succeeded();
    await settled();
    assert.equal(breaker.state, 'open');
  });
});

describe('a probe whose response has begun', () => {
  it('succeeds when its time is over: a stream may last', async (t) => {
    const { breaker, advance } = breakerIn(t);
    breaker.open(100, 'outlier');
    await advance(100);
    breaker.tryProbe(probeLimitMs)!.heard();
    await advance(probeLimitMs);
    await settled();
    assert.equal(breaker.state, 'closed');
  });

  it('fails when its end says so', async (t) => {
    const { breaker, advance } = breakerIn(t);
    breaker.open(100, 'outlier');
    await advance(100);
    const probe = breaker.tryProbe(probeLimitMs)!;
    probe.heard();
    probe.failed(300);
    await settled();
    assert.deepEqual([breaker.state, breaker.openUntilMs], ['open', 400]);
  });

  it('succeeds when its caller has heard enough', async (t) => {
    const { breaker, advance } = breakerIn(t);
    breaker.open(100, 'outlier');
    await advance(100);
    const probe = breaker.tryProbe(probeLimitMs)!;
    probe.heard();
    probe.abandoned();
    await settled();
    assert.equal(breaker.state, 'closed');
  });
});

describe('a breaker whose probe is free', () => {
  it('says so when it becomes half-open and when its probe is abandoned', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    let free = 0;
    const breaker = new Breaker({
      name: 'orders',
      clock: createVirtualClock(),
      window: new CircuitWindow(10_000),
      onProbeFree: () => free++,
    });
    t.after(() => breaker.dispose());
    breaker.open(100, 'circuit');
    assert.equal(free, 0);
    t.mock.timers.tick(100);
    assert.equal(free, 1);
    breaker.tryProbe(probeLimitMs)!.abandoned();
    assert.equal(free, 2);
    breaker.tryProbe(probeLimitMs)!.succeeded();
    await settled();
    assert.equal(free, 2);
  });

  it('opens at once for a time that is none', async (t) => {
    const { breaker, advance } = breakerIn(t);
    for (const forMs of [Number.NaN, -5, 0]) {
      breaker.open(forMs, 'circuit');
      assert.equal(breaker.state, 'open');
      await advance(1);
      assert.equal(breaker.state, 'half-open');
      breaker.close();
    }
  });
});

describe('the traps of a naive opossum breaker', () => {
  it('(a) a probe that hangs does not keep the breaker half-open for ever', async (t) => {
    const { breaker, advance } = breakerIn(t);
    const plain = naive();
    plain.open();
    t.mock.timers.tick(1000);
    void plain.fire(() => new Promise(() => {}));
    t.mock.timers.tick(3_600_000);
    await assert.rejects(
      plain.fire(() => Promise.resolve()),
      { code: 'EOPENBREAKER' },
    );
    plain.shutdown();

    breaker.open(100, 'circuit');
    await advance(100);
    const hung = breaker.tryProbe(probeLimitMs)!;
    await advance(probeLimitMs);
    await settled();
    assert.equal(breaker.state, 'open');
    await advance(100);
    const next = breaker.tryProbe(probeLimitMs)!;
    next.failed(100);
    await settled();
    await advance(100);
    breaker.tryProbe(probeLimitMs)!.succeeded();
    await settled();
    assert.equal(breaker.state, 'closed');
    hung.failed(100);
    assert.equal(breaker.state, 'closed');
  });

  it('(b) the late success of an old request, or of an old probe, does not close a half-open breaker', async (t) => {
    const { breaker, advance } = breakerIn(t);
    const plain = naive();
    const old = Promise.withResolvers<void>();
    const answered = plain.fire(() => old.promise);
    plain.open();
    t.mock.timers.tick(1000);
    old.resolve();
    await answered;
    assert.equal(plain.closed, true);
    plain.shutdown();

    breaker.open(100, 'circuit');
    await advance(100);
    const oldProbe = breaker.tryProbe(probeLimitMs)!;
    breaker.open(100, 'outlier');
    await advance(100);
    oldProbe.succeeded();
    await settled();
    assert.equal(breaker.state, 'half-open');
    assert.notEqual(breaker.tryProbe(probeLimitMs), undefined);
  });

  it('(c) requests in flight do not dilute the error rate', async (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    const plain = naive({ volumeThreshold: 10 });
    for (let index = 0; index < 90; index++) void plain.fire(() => new Promise(() => {}));
    for (let index = 0; index < 60; index++) await plain.fire(fails).catch(() => {});
    assert.equal(plain.opened, false); // 60 / 150 = 40 %, although every finished one failed
    plain.shutdown();

    const window = new CircuitWindow(10_000);
    for (let index = 0; index < 60; index++) window.record(true, 0);
    assert.equal(window.isTripped(50, 10, 0), true);
  });

  it('(d) a threshold of 100 % is reached when everything fails', async (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    const plain = naive({ errorThresholdPercentage: 100 });
    for (let index = 0; index < 50; index++) await plain.fire(fails).catch(() => {});
    assert.equal(plain.opened, false);
    plain.shutdown();

    const window = new CircuitWindow(10_000);
    for (let index = 0; index < 50; index++) window.record(true, 0);
    assert.equal(window.isTripped(100, 10, 0), true);
  });

  it('(e) one request that takes too long does not abort the others of the host', async (t) => {
    const { breaker, advance } = breakerIn(t);
    const abortController = new AbortController();
    const plain = naive({ timeout: 100, abortController });
    const slow = plain.fire(() => new Promise(() => {}));
    t.mock.timers.tick(100);
    await assert.rejects(slow, { code: 'ETIMEDOUT' });
    assert.equal(abortController.signal.aborted, true); // the one signal that all requests were given
    plain.shutdown();

    const abort = t.mock.method(AbortController.prototype, 'abort');
    breaker.open(100, 'circuit');
    await advance(100);
    breaker.tryProbe(probeLimitMs);
    await advance(probeLimitMs);
    assert.equal(abort.mock.callCount(), 0);
  });

  it('(f) many breakers do not run into the listener limit of a shared emitter', async (t) => {
    const { clock } = breakerIn(t);
    const warned = t.mock.method(process, 'emitWarning', () => {});
    const rotateBucketController = new EventEmitter();
    const plain = Array.from({ length: 20 }, (_, index) =>
      naive({ name: `${index}`, enableSnapshots: false, rotateBucketController }),
    );
    assert.ok(warned.mock.callCount() > 0, 'MaxListenersExceededWarning');
    for (const breaker of plain) breaker.shutdown();
    warned.mock.resetCalls();

    const lean = Array.from(
      { length: 200 },
      (_, index) => new Breaker({ name: `${index}`, clock, window: new CircuitWindow(10_000) }),
    );
    assert.equal(warned.mock.callCount(), 0);
    for (const breaker of lean) breaker.dispose();
  });

  it('(g) making a breaker draws no random numbers', (t) => {
    const { clock } = breakerIn(t);
    const drawn = mock.method(Math, 'random');
    t.after(() => drawn.mock.restore());
    new CircuitBreaker(async () => {}, { enableSnapshots: false, rotateBucketController: new EventEmitter() }).shutdown();
    assert.ok(drawn.mock.callCount() > 10, `${drawn.mock.callCount()} draws by a breaker without a name`);
    drawn.mock.resetCalls();
    new Breaker({ name: 'orders/192.0.2.1:80', clock, window: new CircuitWindow(10_000) }).dispose();
    assert.equal(drawn.mock.callCount(), 0);
  });

  it('keeps no timer while it is idle: 500 breakers start none, 500 of opossum start 1000', (t) => {
    const clock = createVirtualClock();
    let timers = 0;
    const hook = createHook({
      init: (_id, type) => {
        if (type === 'Timeout') timers++;
      },
    }).enable();
    t.after(() => hook.disable());
    const lean = Array.from(
      { length: 500 },
      (_, index) => new Breaker({ name: `${index}`, clock, window: new CircuitWindow(10_000) }),
    );
    assert.equal(timers, 0);
    const plain = Array.from({ length: 500 }, (_, index) => naive({ name: `${index}` }));
    assert.equal(timers, 1000); // one to rotate its buckets, one for its snapshots
    for (const breaker of [...lean.map((one) => () => one.dispose()), ...plain.map((one) => () => one.shutdown())]) breaker();
  });
});

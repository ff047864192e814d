import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { CircuitBreakerConfig } from '../../../../src/model/detection.ts';
import { ClusterBreaker, type BreakerAttempt } from '../../../../src/data-plane/resilience/cluster-breaker.ts';
import { leastProbeLimitMs, patienceMs } from '../../../../src/data-plane/resilience/probe-rule.ts';
import type { Telemetry } from '../../../../src/telemetry/telemetry.ts';
import { createVirtualClock } from '../../../../src/testing/virtual-clock.ts';

const config: CircuitBreakerConfig = {
  errorThresholdPercent: 50,
  minimumRequests: 4,
  openMs: 1000,
  windowMs: 10_000,
  scope: 'cluster',
};
const fallback = { kind: 'answer', status: 200 } as const;

class SentAttempt implements BreakerAttempt {
  readonly startMs: number;
  readonly mayProbe: boolean;
  isOver = false;
  isRecorded = false;
  constructor(startMs: number, mayProbe = true) {
    this.startMs = startMs;
    this.mayProbe = mayProbe;
  }
}

/** A breaker in virtual time: opossum's timer is Node's, mocked; the limit on a probe runs on the clock. */
function breakerIn(t: TestContext, more: Partial<CircuitBreakerConfig> = {}) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const clock = createVirtualClock();
  const events: string[] = [];
  const telemetry = { publish: (name: string) => events.push(name) } as unknown as Telemetry;
  const breaker = new ClusterBreaker('orders', { ...config, ...more }, clock, telemetry);
  t.after(() => breaker.dispose());
  const advance = async (ms: number): Promise<void> => {
    t.mock.timers.tick(ms);
    await clock.advance(ms);
    await settled();
  };
  const send = (mayProbe = true): SentAttempt | undefined => {
    const attempt = new SentAttempt(clock.now(), mayProbe);
    return breaker.admit(attempt, clock.now()) ? attempt : undefined;
  };
  const end = (attempt: SentAttempt, verdict: 'success' | 'failure' | 'ours'): void => {
    attempt.isRecorded = attempt.isOver = true;
    breaker.record(attempt, verdict, clock.now());
  };
  const failing = (times = 4): void => {
    for (let turn = 0; turn < times; turn++) end(send()!, 'failure');
  };
  return { breaker, clock, events, advance, send, end, failing };
}

/** Lets opossum hear a verdict. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('ClusterBreaker', () => {
  it('opens at its threshold of the attempts of the whole cluster, and refuses the next', (t) => {
    const { breaker, send, end, failing, events } = breakerIn(t);
    end(send()!, 'success');
    end(send()!, 'success');
    failing(1);
    assert.equal(breaker.isClosed, true, 'three are too few');
    failing(1);
    assert.equal(breaker.isOpen, true, '2 of 4 = 50 %');
    assert.equal(send(), undefined);
    assert.deepEqual(breaker.view(0), { state: 'open', openForMs: 1000, finished: 4, failed: 2 });
    assert.deepEqual(events, ['breaker:opened']);
  });

  it('does not count what was our own doing', (t) => {
    const { breaker, send, end } = breakerIn(t);
    for (let turn = 0; turn < 20; turn++) end(send()!, 'ours');
    assert.deepEqual(breaker.view(0), { state: 'closed', finished: 0, failed: 0 });
  });

  it('lets one attempt probe after its time, and closes when that succeeds', async (t) => {
    const { breaker, advance, send, end, failing, events } = breakerIn(t);
    failing();
    await advance(1000);
    const probe = send()!;
    assert.equal(send(), undefined);
    assert.match(breaker.refusal(1000), /half-open, and one request is trying it/);
    end(probe, 'success');
    await settled();
    assert.equal(breaker.isClosed, true);
    assert.deepEqual(breaker.view(1000), { state: 'closed', finished: 0, failed: 0 });
    assert.deepEqual(events, ['breaker:opened', 'breaker:half-open', 'breaker:closed']);
  });

  it('opens again when the probe fails', async (t) => {
    const { breaker, advance, send, end, failing } = breakerIn(t);
    failing();
    await advance(1000);
    end(send()!, 'failure');
    await settled();
    assert.equal(breaker.isOpen, true);
    assert.equal(breaker.view(1000).openForMs, 1000);
  });

  it('closes by the head of the probe, and for gRPC by its end', async (t) => {
    const { breaker, advance, send, end, failing } = breakerIn(t);
    failing();
    await advance(1000);
    const grpc = send()!;
    breaker.onHead(grpc, true);
    await settled();
    assert.equal(breaker.isClosed, false);
    end(grpc, 'failure');
    await settled();
    assert.equal(breaker.isOpen, true);
    await advance(1000);
    breaker.onHead(send()!, false);
    await settled();
    assert.equal(breaker.isClosed, true);
  });

  it('takes another probe when one was cancelled or was refused by this process', async (t) => {
    const { breaker, advance, send, end, failing } = breakerIn(t);
    failing();
    await advance(1000);
    const cancelled = send()!;
    assert.equal(send(), undefined);
    cancelled.isOver = true;
    const refused = send()!;
    assert.notEqual(refused, undefined);
    end(refused, 'ours');
    const probe = send()!;
    assert.notEqual(probe, undefined);
    end(probe, 'success');
    await settled();
    assert.equal(breaker.isClosed, true);
  });

  it('gives up a probe that takes too long, and hears it all the same', async (t) => {
    const { breaker, advance, send, end, failing } = breakerIn(t);
    failing();
    await advance(1000);
    const slow = send()!;
    await advance(leastProbeLimitMs);
    assert.equal(breaker.isOpen, true);
    await advance(1000);
    const next = send()!;
    assert.notEqual(next, undefined);
    end(slow, 'success');
    await settled();
    assert.equal(breaker.isClosed, true);
    end(next, 'failure');
    assert.equal(breaker.isClosed, true);
  });

  it('does not hear of attempts that began before it closed', async (t) => {
    const { breaker, advance, send, end, failing } = breakerIn(t);
    const old = Array.from({ length: 8 }, () => send()!);
    failing();
    await advance(1000);
    end(send()!, 'success');
    await settled();
    for (const attempt of old) end(attempt, 'failure');
    assert.deepEqual([breaker.isClosed, breaker.view(1000).finished], [true, 0]);
  });

  it('with a fallback waits some seconds for a request that is safe to lose', async (t) => {
    const { breaker, clock, advance, send, failing } = breakerIn(t, { fallback });
    failing();
    await clock.advance(1000);
    t.mock.timers.tick(1000);
    assert.equal(send(false), undefined);
    assert.match(breaker.refusal(1000), /waits for a request that is safe to repeat/);
    await advance(patienceMs - 1);
    assert.equal(send(false), undefined);
    await advance(1);
    assert.notEqual(send(false), undefined);
  });

  it('without a fallback lets any request probe', async (t) => {
    const { advance, send, failing } = breakerIn(t);
    failing();
    await advance(1000);
    assert.notEqual(send(false), undefined);
  });

  it('keeps its state when its thresholds change, and begins anew with another window', (t) => {
    const { breaker, failing } = breakerIn(t);
    failing();
    breaker.update({ ...config, minimumRequests: 100 });
    assert.equal(breaker.isOpen, true);
    breaker.update({ ...config, windowMs: 5000 });
    assert.equal(breaker.isClosed, true);
  });

  it('takes a time that is none as the default', (t) => {
    const { breaker, failing } = breakerIn(t, { windowMs: Number.NaN, openMs: Number.NaN });
    failing();
    assert.equal(breaker.view(0).openForMs, 5000);
  });
});

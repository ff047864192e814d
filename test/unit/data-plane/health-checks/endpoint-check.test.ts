/** One check at one endpoint, in virtual time, with an endpoint that answers as the test says. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CheckSlots } from '../../../../src/data-plane/health-checks/check-slots.ts';
import type { CheckTarget } from '../../../../src/data-plane/health-checks/check-target.ts';
import { EndpointCheck } from '../../../../src/data-plane/health-checks/endpoint-check.ts';
import type { CheckVerdict, HealthProbe } from '../../../../src/data-plane/health-checks/health-probe.ts';
import type { HealthCheckConfig } from '../../../../src/model/health.ts';
import { createVirtualClock } from '../../../../src/testing/virtual-clock.ts';

const passed: CheckVerdict = { kind: 'passed', isDegraded: false };
const gone: CheckVerdict = { kind: 'network', reason: 'refused' };

function checked(more: Partial<HealthCheckConfig> = {}, options: { random?: number; slots?: CheckSlots } = {}) {
  const clock = createVirtualClock();
  const check: HealthCheckConfig = {
    kind: 'tcp',
    timeoutMs: 100,
    intervalMs: 1000,
    healthyThreshold: 1,
    unhealthyThreshold: 2,
    ...more,
  };
  const target = { key: 'k', check, endpoint: '192.0.2.1:80' } as CheckTarget;
  const begun: number[] = [];
  let closed = 0;
  let answer: CheckVerdict | 'silence' = passed;
  let open = false;
  const probe: HealthProbe = {
    begin(onVerdict) {
      begun.push(clock.now());
      if (answer === 'silence') return;
      open = answer.kind === 'passed' || answer.kind === 'answer';
      onVerdict(answer);
    },
    close() {
      closed++;
      open = false;
    },
    get isConnected() {
      return open;
    },
  };
  const slots = options.slots ?? new CheckSlots();
  const endpoint = new EndpointCheck(target, probe, { clock, random: () => options.random ?? 0.5, slots });
  const verdicts: boolean[] = [];
  const watcher = { onVerdict: (hasPassed: boolean) => void verdicts.push(hasPassed), hasTraffic: () => true };
  endpoint.add(watcher);
  return {
    clock,
    endpoint,
    begun,
    verdicts,
    watcher,
    slots,
    closes: () => closed,
    answerWith: (next: CheckVerdict | 'silence') => (answer = next),
  };
}

describe('a check', () => {
  it('begins at once, and goes on at its interval from the end of the last one', async () => {
    const { endpoint, clock, begun } = checked();
    endpoint.begin();
    await clock.advance(2500);
    assert.deepEqual(begun, [0, 1000, 2000]);
  });

  it('waits a random part of the initial jitter before the first', async () => {
    const { endpoint, clock, begun } = checked({ initialJitterMs: 600 }, { random: 0.5 });
    endpoint.begin();
    await clock.advance(299);
    assert.deepEqual(begun, []);
    await clock.advance(1);
    assert.deepEqual(begun, [300]);
  });

  it('fails when nothing comes within its timeout, and goes on an interval later', async () => {
    const { endpoint, clock, begun, verdicts, answerWith, closes } = checked();
    endpoint.begin();
    answerWith('silence');
    await clock.advance(1100);
    assert.deepEqual(verdicts, [true, false]);
    assert.equal(endpoint.reason, 'no answer within 100 ms');
    assert.equal(closes(), 1);
    await clock.advance(1000);
    assert.deepEqual(begun, [0, 1000, 2100]);
  });

  it('gives back the time in which this process stood still', async () => {
    const { endpoint, clock, verdicts, answerWith } = checked();
    answerWith('silence');
    let isLate = false;
    const now = clock.now.bind(clock);
    // The clock jumps while the timer is waited for: it fires 500 ms late.
    clock.now = () => now() + (isLate ? 500 : 0);
    endpoint.begin();
    isLate = true;
    await clock.advance(100);
    assert.deepEqual(verdicts, []);
    await clock.advance(99);
    assert.deepEqual(verdicts, []);
    await clock.advance(1);
    assert.deepEqual(verdicts, [false], 'not more than another timeout');
  });

  it('ends where every timer is late', async () => {
    const { endpoint, clock, verdicts, answerWith } = checked({ timeoutMs: 1000 });
    const setTimer = clock.setTimer.bind(clock);
    clock.setTimer = (callback, delayMs) => setTimer(callback, delayMs + 25);
    answerWith('silence');
    endpoint.begin();
    // 1025 ms, then 40 times 25 ms are given back, each 25 ms late.
    await clock.advance(3025);
    assert.deepEqual(verdicts, [false]);
  });

  it('tells nobody of a verdict before who begins it is done', async () => {
    const { endpoint, verdicts } = checked();
    endpoint.begin();
    assert.deepEqual(verdicts, []);
    await Promise.resolve();
    assert.deepEqual(verdicts, [true]);
  });

  it('keeps its connection, unless the check failed or the policy says no', async () => {
    const kept = checked();
    kept.endpoint.begin();
    await kept.clock.advance(1000);
    assert.equal(kept.closes(), 0);
    kept.answerWith(gone);
    await kept.clock.advance(1000);
    assert.equal(kept.closes(), 1);

    const fresh = checked({ reuseConnection: false });
    fresh.endpoint.begin();
    await fresh.clock.advance(1000);
    assert.equal(fresh.closes(), 2);
  });

  it('makes a new connection once an identity was replaced', async () => {
    const { endpoint, clock, closes } = checked();
    endpoint.begin();
    endpoint.renew();
    await clock.advance(1000);
    assert.equal(closes(), 1);
    await clock.advance(1000);
    assert.equal(closes(), 1);
  });

  it('tries again soon, and says nothing, when it could not be begun', async () => {
    const { endpoint, clock, begun, verdicts, answerWith } = checked({ intervalMs: 30_000 });
    answerWith({ kind: 'unasked', reason: 'no certificate yet' });
    endpoint.begin();
    await clock.advance(1500);
    answerWith(passed);
    await clock.advance(500);
    assert.deepEqual(begun, [0, 1000, 2000]);
    assert.deepEqual(verdicts, [true]);
  });

  it('stops for good when it is closed, in a wait as in the middle of a check', async () => {
    for (const answer of [passed, 'silence'] as const) {
      const { endpoint, clock, begun, verdicts, answerWith } = checked();
      answerWith(answer);
      endpoint.begin();
      const before = verdicts.length;
      endpoint.close();
      await clock.advance(5000);
      assert.deepEqual(begun, [0]);
      assert.equal(verdicts.length, before);
    }
  });

  it('may be closed by who hears its verdict', async () => {
    const { endpoint, clock, begun } = checked();
    endpoint.add({ onVerdict: () => endpoint.close(), hasTraffic: () => true });
    endpoint.begin();
    await clock.advance(5000);
    assert.deepEqual(begun, [0]);
  });

  it('is not shortened by an endpoint that asks to be taken out', async () => {
    const { endpoint, clock, begun, verdicts } = checked();
    endpoint.begin();
    await clock.advance(500);
    endpoint.failAtOnce('said so');
    assert.deepEqual([endpoint.thresholds.isHealthy, endpoint.reason, verdicts], [false, 'said so', [true, false]]);
    await clock.advance(500);
    assert.deepEqual(begun, [0, 1000]);
    assert.equal(endpoint.thresholds.isHealthy, true);
  });

  it('looks less often while none of its users has had a request', async () => {
    const { endpoint, clock, begun, watcher } = checked({ noTrafficIntervalMs: 5000 });
    watcher.hasTraffic = () => false;
    endpoint.begin();
    await clock.advance(4000);
    endpoint.add({ onVerdict: () => {}, hasTraffic: () => true });
    await clock.advance(2000);
    assert.deepEqual(begun, [0, 5000, 6000]);
  });

  for (const { name, atMs, noTrafficIntervalMs, begins } of [
    { name: 'early-in-its-rest', atMs: 300, noTrafficIntervalMs: 60_000, begins: [0, 1000, 2000] },
    { name: 'when-an-interval-is-over-already', atMs: 30_000, noTrafficIntervalMs: 60_000, begins: [0, 30_000, 31_000] },
    { name: 'where-it-looks-more-often-without', atMs: 100, noTrafficIntervalMs: 500, begins: [0, 500, 1500] },
  ])
    it(`hears of the first request: ${name}`, async () => {
      const { endpoint, clock, begun, watcher } = checked({ noTrafficIntervalMs });
      let hasTraffic = false;
      watcher.hasTraffic = () => hasTraffic;
      endpoint.begin();
      await clock.advance(atMs);
      hasTraffic = true;
      endpoint.trafficBegan();
      endpoint.trafficBegan();
      await clock.advance(begins[2]! - atMs);
      assert.deepEqual(begun, begins);
    });
});

describe('the checks of a mesh', () => {
  it('are 256 at a time, the others in order of arrival', async () => {
    const slots = new CheckSlots();
    const started: number[] = [];
    for (let number = 0; number < 300; number++) slots.request({ start: () => void started.push(number) });
    while (started.length < 256) await new Promise(setImmediate);
    await new Promise(setImmediate);
    assert.equal(started.length, 256);
    slots.release();
    slots.release();
    await new Promise(setImmediate);
    assert.deepEqual(started.slice(255), [255, 256, 257]);
  });

  it('begin in slices between which the event loop turns', async () => {
    const slots = new CheckSlots();
    let started = 0;
    for (let number = 0; number < 64; number++) slots.request({ start: () => void started++ });
    assert.equal(started, 16);
    await new Promise(setImmediate);
    assert.equal(started, 32);
  });

  it('give their places back when they end, whatever they came to', async () => {
    const slots = new CheckSlots();
    const { endpoint, clock, answerWith } = checked({}, { slots });
    for (const answer of [passed, gone, 'silence', { kind: 'unasked', reason: '' }] as const) {
      answerWith(answer);
      if (answer === passed) endpoint.begin();
      await clock.advance(1000);
    }
    answerWith('silence');
    await clock.advance(1000);
    endpoint.close();
    let started = 0;
    for (let number = 0; number < 300; number++) slots.request({ start: () => void started++ });
    for (let turn = 0; turn < 30; turn++) await new Promise(setImmediate);
    assert.equal(started, 256);
  });

  it('keep a thousand connections open, and no more', () => {
    const slots = new CheckSlots();
    const kept = Array.from({ length: 1001 }, () => slots.tryKeep());
    assert.deepEqual([kept.filter(Boolean).length, kept.at(-1)], [1000, false]);
    slots.unkeep();
    assert.equal(slots.tryKeep(), true);
  });
});

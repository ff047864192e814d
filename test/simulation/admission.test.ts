/** Servers of known capacity that are offered too much, in virtual time: what the admission of the way in makes of it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Criticality } from '../../src/base/request-context.ts';
import { LoopDelay } from '../../src/base/loop-delay.ts';
import { seededRandom } from '../../src/base/runtime.ts';
import { InboundAdmission, ListenerLoad } from '../../src/data-plane/inbound/admission.ts';
import { adaptiveAlgorithms } from '../../src/data-plane/resilience/adaptive-limits.ts';
import type { AdaptiveConcurrencyConfig, AdmissionConfig } from '../../src/model/policy.ts';
import { runLoop, type LoopLoad } from './busy-loop.ts';
import { BusyService } from './busy-service.ts';
import { drawByShare } from './chance.ts';
import { EventQueue } from './event-queue.ts';
import { poissonArrivals } from './poisson-arrivals.ts';

type Mix = Readonly<Partial<Record<Criticality, number>>>;

/** 2 ms of work each = 500 a second; a refusal costs a twentieth of it. */
const loop: LoopLoad = {
  requestsPerSecond: 1000,
  seconds: 60,
  workMs: 2,
  refusalMs: 0.1,
  timeoutMs: 500,
  mix: { critical: 1 },
};

describe('a server that works on its own thread and is offered twice its capacity', () => {
  it('answers nobody in time while everything is let in', () => {
    assert.equal(runLoop(loop, undefined).goodputPerSecond, 0);
  });

  it('does at least nine tenths of its work when it looks at the delay of its event loop', () => {
    const { goodputPerSecond } = runLoop(loop, { maxLoopDelayMs: 50 });
    // Half of what comes is refused: 500 × 0.1 ms a second of refusals leave 95 %.
    assert.ok(goodputPerSecond >= 450, `${goodputPerSecond} of 500`);
  });

  it('serves critical requests whole while it is sheddable ones that are too many', () => {
    const { goodputPerSecond, refusedShare } = runLoop(
      { ...loop, mix: { critical: 0.3, sheddable: 0.7 } },
      { maxLoopDelayMs: 50 },
    );
    assert.ok(refusedShare.critical! < 0.01, `${refusedShare.critical}`);
    assert.ok(refusedShare.sheddable! > 0.5, `${refusedShare.sheddable}`);
    assert.ok(goodputPerSecond >= 450, `${goodputPerSecond} of 500`);
  });

  it('sheds in the order of criticality, and the most critical not at all', () => {
    const mix: Mix = { 'critical-plus': 0.1, critical: 0.5, 'sheddable-plus': 0.2, sheddable: 0.2 };
    const { refusedShare } = runLoop({ ...loop, mix }, { maxLoopDelayMs: 50 });
    assert.equal(refusedShare['critical-plus'], 0);
    assert.ok(refusedShare.critical! < refusedShare['sheddable-plus']!, JSON.stringify(refusedShare));
    assert.ok(refusedShare['sheddable-plus']! <= refusedShare.sheddable!, JSON.stringify(refusedShare));
  });

  it('refuses nobody at half its capacity, not even after garbage collections of 100 ms', () => {
    const { refusedShare } = runLoop(
      { ...loop, requestsPerSecond: 250, mix: { critical: 0.5, sheddable: 0.5 }, stall: { ms: 100, perSecond: 0.5 } },
      { maxLoopDelayMs: 50 },
    );
    assert.ok(refusedShare.critical === 0 && refusedShare.sheddable === 0, JSON.stringify(refusedShare));
  });
});

/** 10 workers × 20 ms = 500 a second; callers wait 200 ms. */
function offer(
  config: AdmissionConfig,
  load: { readonly requestsPerSecond: number; readonly seconds: number; readonly mix: Mix },
): { readonly goodputPerSecond: number; readonly refusedShare: Mix } {
  const random = seededRandom(1);
  const queue = new EventQueue();
  const service = new BusyService({ workers: 10, serviceMs: 20 }, queue, random);
  const admission = new InboundAdmission(config, new ListenerLoad(), new LoopDelay(queue), random);
  const mix = Object.entries(load.mix) as [Criticality, number][];
  const counts = { offered: {} as Record<string, number>, refused: {} as Record<string, number>, good: 0 };
  const halfMs = load.seconds * 500;
  poissonArrivals(queue, load, random, (now) => {
    const criticality = drawByShare(mix, random);
    const isCounted = now >= halfMs;
    if (isCounted) counts.offered[criticality] = (counts.offered[criticality] ?? 0) + 1;
    if (admission.admit(now, criticality) !== undefined) {
      if (isCounted) counts.refused[criticality] = (counts.refused[criticality] ?? 0) + 1;
      return;
    }
    const { inFlight } = admission;
    // The server goes on with a request whose caller has gone.
    service.handle(
      now,
      (later) => {
        const isLate = later - now > 200;
        admission.release(isLate ? 'late' : 200, later - now, inFlight, later);
        if (isCounted && !isLate) counts.good++;
      },
      () => {},
    );
  });
  queue.runUntil(load.seconds * 1000);
  return {
    goodputPerSecond: counts.good / (load.seconds / 2),
    refusedShare: Object.fromEntries(mix.map(([each]) => [each, (counts.refused[each] ?? 0) / (counts.offered[each] ?? 1)])),
  };
}

describe('a server that waits for ten places of a database and is offered twice their capacity', () => {
  const twice = { requestsPerSecond: 1000, seconds: 60 };

  for (const algorithm of Object.keys(adaptiveAlgorithms) as AdaptiveConcurrencyConfig['algorithm'][]) {
    it(`does at least nine tenths of its work under ${algorithm}`, () => {
      const adaptive = { algorithm, minLimit: 1, initialLimit: 20, timeoutMs: 60 };
      const { goodputPerSecond } = offer({ adaptive }, { ...twice, mix: { critical: 1 } });
      assert.ok(goodputPerSecond >= 450, `${goodputPerSecond} of 500`);
    });
  }

  it('does it under a fixed cap too, and serves critical requests before sheddable ones', () => {
    const { goodputPerSecond, refusedShare } = offer({ maxRequests: 40 }, { ...twice, mix: { critical: 0.3, sheddable: 0.7 } });
    assert.ok(goodputPerSecond >= 450, `${goodputPerSecond} of 500`);
    assert.ok(refusedShare.critical! < 0.01, `${refusedShare.critical}`);
    // 700 a second are offered beside 300 critical ones, and 200 find room.
    assert.ok(Math.abs(refusedShare.sheddable! - 500 / 700) < 0.05, `${refusedShare.sheddable}`);
  });
});

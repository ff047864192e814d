/**
 * A server whose work is done on its one thread, in virtual time. It is Node's event loop: a turn fires the timers that are due, then
 * serves every request that was ready when it began, one after the other. A request that is refused costs a little too.
 */
import type { Criticality } from '../../src/base/request-context.ts';
import { LoopDelay } from '../../src/base/loop-delay.ts';
import { seededRandom, type Clock, type Timer } from '../../src/base/runtime.ts';
import { InboundAdmission, ListenerLoad } from '../../src/data-plane/inbound/admission.ts';
import type { AdmissionConfig } from '../../src/model/policy.ts';
import { drawByShare, exponential } from './chance.ts';

/** What the server can do, and what is asked of it. */
export interface LoopLoad {
  readonly requestsPerSecond: number;
  readonly seconds: number;
  /** Work of one request. */
  readonly workMs: number;
  /** Work of one refusal. */
  readonly refusalMs: number;
  /** A response that comes later is of no use. */
  readonly timeoutMs: number;
  readonly mix: Readonly<Partial<Record<Criticality, number>>>;
  /** The process stands still for so long, so many times a second: garbage collection. */
  readonly stall?: { readonly ms: number; readonly perSecond: number };
}

/** What came of it, in the second half of the time. */
export interface LoopResult {
  /** Answered in time, a second. */
  readonly goodputPerSecond: number;
  /** 0…1 of those of the class. */
  readonly refusedShare: Readonly<Partial<Record<Criticality, number>>>;
}

class TurnClock implements Clock {
  nowMs = 0;
  private readonly timers: { dueMs: number; callback: () => void }[] = [];
  now = (): number => this.nowMs;
  wallNow = (): number => this.nowMs;
  setTimer = (callback: () => void, delayMs: number): Timer => {
    const timer = { dueMs: this.nowMs + delayMs, callback };
    this.timers.push(timer);
    return { cancel: () => this.timers.splice(this.timers.indexOf(timer), 1) };
  };

  fireDue(): void {
    for (const timer of this.timers.filter(({ dueMs }) => dueMs <= this.nowMs)) {
      this.timers.splice(this.timers.indexOf(timer), 1);
      timer.callback();
    }
  }

  nextDueMs(): number {
    return Math.min(Number.POSITIVE_INFINITY, ...this.timers.map(({ dueMs }) => dueMs));
  }
}

/** Runs the load. Without a configuration everything is let in. */
export function runLoop(load: LoopLoad, config: AdmissionConfig | undefined, seed = 1): LoopResult {
  const random = seededRandom(seed);
  const clock = new TurnClock();
  const admission = config && new InboundAdmission(config, new ListenerLoad(), new LoopDelay(clock), random);
  const mix = Object.entries(load.mix) as [Criticality, number][];
  const endMs = load.seconds * 1000;
  const offered = new Map<Criticality, number>();
  const refused = new Map<Criticality, number>();
  let good = 0;
  let arrivalMs = exponential(random, 1000 / load.requestsPerSecond);
  const { ms: stallMs = 0, perSecond = 0 } = load.stall ?? {};
  let stallDueMs = perSecond === 0 ? Number.POSITIVE_INFINITY : 1000 / perSecond;
  while (clock.nowMs < endMs) {
    clock.fireDue();
    const turnMs = clock.nowMs;
    for (; arrivalMs <= turnMs; arrivalMs += exponential(random, 1000 / load.requestsPerSecond)) {
      const criticality = drawByShare(mix, random);
      const counts = arrivalMs >= endMs / 2;
      if (counts) offered.set(criticality, (offered.get(criticality) ?? 0) + 1);
      if (admission?.admit(clock.nowMs, criticality) !== undefined) {
        clock.nowMs += load.refusalMs;
        if (counts) refused.set(criticality, (refused.get(criticality) ?? 0) + 1);
        continue;
      }
      const inFlight = admission?.inFlight ?? 0;
      clock.nowMs += load.workMs;
      admission?.release(200, load.workMs, inFlight, clock.nowMs);
      if (counts && clock.nowMs - arrivalMs <= load.timeoutMs) good++;
    }
    if (clock.nowMs >= stallDueMs) {
      clock.nowMs += stallMs;
      stallDueMs += 1000 / perSecond;
    }
    if (clock.nowMs === turnMs) clock.nowMs = Math.min(arrivalMs, clock.nextDueMs(), stallDueMs);
  }
  return {
    goodputPerSecond: (good * 2) / load.seconds,
    refusedShare: Object.fromEntries(mix.map(([each]) => [each, (refused.get(each) ?? 0) / (offered.get(each) ?? 1)])),
  };
}

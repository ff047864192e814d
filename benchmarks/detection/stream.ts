/** Mode `alone`: one stream of requests, spread evenly, that any number of detectors watch side by side. */
import { yieldToLoop } from '../../src/base/runtime.ts';
import { chanceOf, exponential } from '../../test/simulation/chance.ts';
import { EventQueue } from '../../test/simulation/event-queue.ts';
import { withVirtualTimers } from '../../test/simulation/virtual-timers.ts';
import type { Detector, DetectorKind } from './detectors/detector.ts';
import { timing, workloads } from './protocol.ts';
import type { StreamWorkload } from './workloads.ts';

/** What a detector made of one run with a fault. Infinity: nothing in the time that was watched. */
export interface Finding {
  readonly delayMs: number;
  /** Requests that the bad host failed until it was out, or until the end. */
  readonly failed: number;
}

interface Observer {
  onEject(detector: number, host: number, now: number): void;
  /** Before detectors see the outcome. False ends the stream. */
  onOutcome?(host: number, isFailure: boolean, now: number, detectors: readonly Detector[]): boolean;
}

/** Shows the stream to all detectors until `endMs`. */
async function watch(
  workload: StreamWorkload,
  kinds: readonly DetectorKind[],
  seed: number,
  faultMs: number,
  endMs: number,
  observer: Observer,
): Promise<void> {
  const queue = new EventQueue();
  await withVirtualTimers(queue, async () => {
    const detectors = kinds.map((kind, index) =>
      kind.create({
        hosts: workload.hosts,
        random: chanceOf(seed, `detector ${kind.name}`),
        queue,
        onEject: (host, now) => observer.onEject(index, host, now),
      }),
    );
    const failures = workload.failures(seed, faultMs);
    const random = chanceOf(seed, 'requests');
    const meanGapMs = 1000 / workload.requestsPerSecond;
    for (let now = exponential(random, meanGapMs); now < endMs; now += exponential(random, meanGapMs)) {
      queue.runUntil(now);
      if (queue.takePromised()) await yieldToLoop();
      const host = Math.floor(random() * workload.hosts);
      const isFailure = failures[host]!(now, random) !== 'none';
      if (observer.onOutcome?.(host, isFailure, now, detectors) === false) return;
      for (let index = 0; index < detectors.length; index++) detectors[index]!.record(host, isFailure, now);
      if (queue.takePromised()) await yieldToLoop();
    }
  });
}

/** One run of a workload in which host 0 goes bad: what each detector made of it. */
export async function runFault(
  workload: StreamWorkload,
  kinds: readonly DetectorKind[],
  seed: number,
): Promise<readonly Finding[]> {
  const faultMs = timing.warmUpMs + chanceOf(seed, 'phase')() * timing.phaseMs;
  const found: (Finding | undefined)[] = kinds.map(() => undefined);
  let missing = kinds.length;
  let failed = 0;
  let hasBegun = false;
  const find = (detector: number, delayMs: number): void => {
    if (found[detector] !== undefined) return;
    found[detector] = { delayMs, failed };
    missing--;
  };
  await watch(workload, kinds, seed, faultMs, faultMs + timing.watchMs, {
    onEject(detector, host, now) {
      if (host === 0 && now >= faultMs) find(detector, now - faultMs);
    },
    onOutcome(host, isFailure, now, detectors) {
      if (now < faultMs) return true;
      if (!hasBegun) {
        hasBegun = true;
        for (const [index, detector] of detectors.entries()) if (detector.isOut(0, now)) find(index, 0);
      }
      if (host === 0 && isFailure) failed++;
      return missing > 0;
    },
  });
  return found.map((finding) => finding ?? { delayMs: Number.POSITIVE_INFINITY, failed });
}

/** So many milliseconds in which nobody is at fault: the ejections of each detector. */
export async function runClean(
  workload: StreamWorkload,
  kinds: readonly DetectorKind[],
  seed: number,
  forMs: number,
): Promise<readonly number[]> {
  const ejections = kinds.map(() => 0);
  await watch(workload, kinds, seed, 0, forMs, {
    onEject(detector) {
      ejections[detector]!++;
    },
  });
  return ejections;
}

/** One outage of all hosts: how many of them each detector took out. */
export async function runOutage(
  workload: StreamWorkload,
  kinds: readonly DetectorKind[],
  seed: number,
): Promise<readonly number[]> {
  const faultMs = timing.warmUpMs + chanceOf(seed, 'phase')() * timing.phaseMs;
  const { forMs, afterMs } = workloads.outages;
  const ejected = kinds.map(() => new Set<number>());
  await watch(workload, kinds, seed, faultMs, faultMs + forMs + afterMs, {
    onEject(detector, host, now) {
      if (now >= faultMs) ejected[detector]!.add(host);
    },
  });
  return ejected.map(({ size }) => size);
}

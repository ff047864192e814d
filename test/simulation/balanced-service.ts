/** A service in virtual time: requests arrive at random, a picker chooses, hosts answer after their latency. */
import type { Random } from '../../src/base/runtime.ts';
import type { Picker } from '../../src/model/contracts.ts';
import { EventQueue } from './event-queue.ts';
import { fixedLatency } from './latency-profiles.ts';
import { poissonArrivals } from './poisson-arrivals.ts';
import { SimulatedHost } from './simulated-host.ts';
import { healthy } from './failure-profiles.ts';

export type { SimulatedHost } from './simulated-host.ts';

/** Hosts that always take so long, each its own. */
export function simulatedHosts(latenciesMs: readonly number[]): readonly SimulatedHost[] {
  return latenciesMs.map((latencyMs, index) => new SimulatedHost(index, fixedLatency(latencyMs), healthy));
}

export interface Load {
  readonly requestsPerSecond: number;
  readonly seconds: number;
  readonly random: Random;
  /** Asked for each request: the picker that is in force then. */
  readonly pickerAt: (nowMs: number) => Picker;
}

/** Runs the load and gives the mean latency in milliseconds. What the picker learns from, it is told. */
export function run({ requestsPerSecond, seconds, random, pickerAt }: Load): {
  readonly requests: number;
  readonly meanLatencyMs: number;
} {
  const queue = new EventQueue();
  let requests = 0;
  let totalMs = 0;
  poissonArrivals(queue, { requestsPerSecond }, random, (now) => {
    const host = pickerAt(now).pick({ tried: [], random, now }) as SimulatedHost;
    const latencyMs = host.latency(now, random);
    const fault = host.meet(now, random);
    host.inFlight++;
    requests++;
    totalMs += latencyMs;
    queue.add(now + latencyMs, (later) => {
      host.inFlight--;
      host.observer?.onResponse?.(latencyMs, fault !== 'none', later);
    });
  });
  queue.runUntil(seconds * 1000);
  return { requests, meanLatencyMs: totalMs / requests };
}

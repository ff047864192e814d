/** A service in virtual time: requests arrive at random, a picker chooses, hosts answer after their latency. */
import type { Random } from '../../src/base/runtime.ts';
import type { PickableHost, Picker } from '../../src/model/contracts.ts';

/** A host that answers after `latencyMs`. */
export interface SimulatedHost extends PickableHost {
  inFlight: number;
  latencyMs: number;
  picked: number;
}

export function simulatedHosts(latenciesMs: readonly number[]): readonly SimulatedHost[] {
  return latenciesMs.map((latencyMs, index) => ({
    address: `192.0.2.${index + 1}:80`,
    weight: 1,
    inFlight: 0,
    latencyMs,
    picked: 0,
  }));
}

export interface Load {
  readonly requestsPerSecond: number;
  readonly seconds: number;
  readonly random: Random;
  /** Called at the start of each millisecond; the picker that is in force from then on. */
  readonly pickerAt: (nowMs: number) => Picker;
}

/** Runs the load and gives the mean latency in milliseconds. Arrivals are Poisson, drawn per millisecond. */
export function run({ requestsPerSecond, seconds, random, pickerAt }: Load): {
  readonly requests: number;
  readonly meanLatencyMs: number;
} {
  const endsAt = new Map<number, SimulatedHost[]>();
  const chance = Math.exp(-requestsPerSecond / 1000);
  let requests = 0;
  let totalMs = 0;
  for (let now = 0; now < seconds * 1000; now++) {
    for (const host of endsAt.get(now) ?? []) host.inFlight--;
    endsAt.delete(now);
    const picker = pickerAt(now);
    // Knuth's draw of a Poisson number.
    for (let product = random(); product > chance; product *= random()) {
      const host = picker.pick({ tried: [], random, now }) as SimulatedHost;
      host.inFlight++;
      host.picked++;
      requests++;
      totalMs += host.latencyMs;
      const due = endsAt.get(now + host.latencyMs) ?? [];
      due.push(host);
      endsAt.set(now + host.latencyMs, due);
    }
  }
  return { requests, meanLatencyMs: totalMs / requests };
}

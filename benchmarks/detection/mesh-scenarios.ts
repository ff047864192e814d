/** The workloads of mode `mesh`, each as the figures that one run of it gives. */
import { chanceOf } from '../../test/simulation/chance.ts';
import { blackhole, during, errors, flapping, ramp, type FailureProfile } from '../../test/simulation/failure-profiles.ts';
import { heavyTail, logNormalLatency } from '../../test/simulation/latency-profiles.ts';
import type { HostChange } from '../../test/simulation/simulated-mesh.ts';
import type { MeshDetector } from './mesh-detectors.ts';
import { runThroughMesh } from './mesh-run.ts';
import { baseErrorRatio, latency, timing, workloads, type Volume } from './protocol.ts';

/** Numbers by what they are; null where there is none, since JSON knows no Infinity. */
export type RunFigures = Readonly<Record<string, number | null>>;

/** A workload through the whole mesh. */
export interface MeshScenario {
  readonly name: string;
  readonly title: string;
  runs(volume: Volume): number;
  run(detector: MeshDetector, seed: number, volume: Volume): Promise<RunFigures>;
}

interface Size {
  readonly hosts: number;
  readonly requestsPerSecond: number;
}

const well = errors(baseErrorRatio);

function phaseOf(seed: number): number {
  return timing.warmUpMs + chanceOf(seed, 'phase')() * timing.phaseMs;
}

const meshRuns = (volume: Volume): number => volume.meshRuns;

/** One run, however long: for what is counted over a long time. */
const once = (): number => 1;

/** Host 0 has a fault from a moment on that `faultOf` is told. */
function fault(name: string, title: string, size: Size, faultOf: (faultMs: number) => FailureProfile): MeshScenario {
  return {
    name,
    title,
    runs: meshRuns,
    async run(detector, seed) {
      const faultMs = phaseOf(seed);
      const atFault = { picked: 0, failed: 0 };
      const { changes, hosts, lost } = await runThroughMesh({
        detector,
        seed,
        ...size,
        endMs: faultMs + timing.watchMs,
        failureOf: (host) => (host === 0 ? faultOf(faultMs) : undefined),
        prepare: (queue, [bad]) =>
          void queue.add(faultMs, () => Object.assign(atFault, { picked: bad!.picked, failed: bad!.failed })),
      });
      const bad = hosts[0]!;
      const last = changes.findLast(({ host, atMs }) => host === bad && atMs < faultMs);
      const first = changes.find(({ host, atMs, kind }) => host === bad && atMs >= faultMs && kind === 'ejected');
      const isOutAlready = last?.kind === 'ejected';
      return {
        delayMs: isOutAlready ? 0 : first === undefined ? null : first.atMs - faultMs,
        failed: isOutAlready ? 0 : (first?.failed ?? bad.failed) - atFault.failed,
        lost,
        // 1 = as much as every other host would get of an equal split.
        share: (bad.picked - atFault.picked) / ((timing.watchMs / 1000) * (size.requestsPerSecond / size.hosts)),
      };
    },
  };
}

function ejected(changes: readonly HostChange[], fromMs = 0): readonly HostChange[] {
  return changes.filter(({ kind, atMs }) => kind === 'ejected' && atMs >= fromMs);
}

/** All hosts have it for a while: distinct ones that were ejected. */
function outage(name: string, title: string, size: Size, forMs: number, afterMs: number, profile: FailureProfile): MeshScenario {
  return {
    name,
    title,
    runs: meshRuns,
    async run(detector, seed) {
      const faultMs = phaseOf(seed);
      const { changes } = await runThroughMesh({
        detector,
        seed,
        ...size,
        endMs: faultMs + forMs + afterMs,
        failureOf: () => during(profile, well, faultMs, faultMs + forMs),
      });
      return { ejected: new Set(ejected(changes, faultMs).map(({ host }) => host)).size };
    },
  };
}

const { shares, blackhole: silent, poison, blockedLoop, flapping: flaps, returns, silentOutage, heavyTail: tail } = workloads;

/** Endpoint-days of hosts that are well, with a tail of slow answers. */
const clean: MeshScenario = {
  name: 'clean',
  title: 'nobody at fault, 1 % of the answers very late',
  runs: once,
  async run(detector, seed, { meshCleanDays }) {
    const { changes, lost, requests } = await runThroughMesh({
      detector,
      seed,
      ...tail,
      endMs: (meshCleanDays / tail.hosts) * 86_400_000,
      latency: heavyTail(logNormalLatency(latency.medianMs, latency.sigma), tail),
    });
    return { ejections: ejected(changes).length, endpointDays: meshCleanDays, lost, requests };
  },
};

const poisonKey: MeshScenario = {
  name: 'poison-key',
  title: 'a key that always fails, ring hash',
  runs: meshRuns,
  async run(detector, seed) {
    const faultMs = phaseOf(seed);
    const random = chanceOf(seed, 'keys');
    let isPoisoned = false;
    const { changes } = await runThroughMesh({
      detector,
      seed,
      ...poison,
      endMs: faultMs + poison.forMs,
      cluster: { loadBalancing: { policy: 'ring-hash' } },
      hashPolicies: [{ kind: 'header', name: 'x-key' }],
      failureOf: () => (now, chance, path) => (path === '/poison' ? 'error' : well(now, chance)),
      prepare: (queue) => void queue.add(faultMs, () => (isPoisoned = true)),
      next: () =>
        isPoisoned && random() < poison.poisonRatio
          ? { path: '/poison', headers: { 'x-key': 'poison' } }
          : { headers: { 'x-key': String(Math.floor(random() * poison.keys)) } },
    });
    return { ejected: new Set(ejected(changes, faultMs).map(({ host }) => host)).size };
  },
};

const stalls: MeshScenario = {
  name: 'blocked-loop',
  title: 'this process stands still for 2 s',
  runs: meshRuns,
  async run(detector, seed) {
    const firstMs = phaseOf(seed);
    const { everyMs, stallMs, times } = blockedLoop;
    const { changes } = await runThroughMesh({
      detector,
      seed,
      ...blockedLoop,
      endMs: firstMs + times * everyMs,
      prepare(queue) {
        for (let turn = 0; turn < times; turn++) queue.add(firstMs + turn * everyMs, () => queue.stall(stallMs));
      },
    });
    // Ejections within 10 s of a stall; others are counted by `clean`.
    const near = ejected(changes, firstMs).filter(({ atMs }) => (atMs - firstMs) % everyMs < stallMs + 10_000);
    return { ejections: near.length };
  },
};

const parts = 5;

const flappingHost: MeshScenario = {
  name: 'flapping',
  title: 'dead for 1 s, well for 1 s',
  runs: meshRuns,
  async run(detector, seed) {
    const faultMs = phaseOf(seed);
    const { forMs } = flaps;
    const picked: number[] = [];
    const { hosts } = await runThroughMesh({
      detector,
      seed,
      ...flaps,
      endMs: faultMs + forMs,
      failureOf: (host) => (host === 0 ? flapping(errors(1), well, { startMs: faultMs, ...flaps }) : undefined),
      prepare(queue, [bad]) {
        for (let part = 0; part <= parts; part++) queue.add(faultMs + (part * forMs) / parts, () => picked.push(bad!.picked));
      },
    });
    picked[parts] ??= hosts[0]!.picked;
    const fair = ((forMs / 1000) * (flaps.requestsPerSecond / flaps.hosts)) / parts;
    const byPart = picked.slice(1).map((count, part) => [`share ${part + 1}`, (count - picked[part]!) / fair] as const);
    return { failed: hosts[0]!.failed, ...Object.fromEntries(byPart) };
  },
};

const recovery: MeshScenario = {
  name: 'recovery',
  title: 'dead for a minute, then well',
  runs: meshRuns,
  async run(detector, seed) {
    const deadMs = phaseOf(seed);
    const wellMs = deadMs + returns.deadMs;
    const fair = returns.requestsPerSecond / returns.hosts;
    let backMs: number | null = null;
    const { hosts } = await runThroughMesh({
      detector,
      seed,
      ...returns,
      endMs: wellMs + returns.watchMs,
      failureOf: (host) => (host === 0 ? during(errors(1), well, deadMs, wellMs) : undefined),
      prepare(queue, [bad]) {
        let before = 0;
        const look = (now: number): void => {
          // Half of its share over five seconds.
          if (bad!.picked - before >= 5 * fair * 0.5) backMs ??= now - wellMs;
          before = bad!.picked;
          queue.add(now + 5000, look);
        };
        queue.add(wellMs, (now) => {
          before = bad!.picked;
          queue.add(now + 5000, look);
        });
      },
    });
    return { backMs, failed: hosts[0]!.failed };
  },
};

const halfBad: MeshScenario = {
  name: 'half-bad',
  title: 'fails 50 % for ten minutes',
  runs: meshRuns,
  async run(detector, seed) {
    const faultMs = phaseOf(seed);
    let before = 0;
    const { changes, hosts } = await runThroughMesh({
      detector,
      seed,
      ...returns,
      endMs: faultMs + returns.halfMs,
      failureOf: (host) => (host === 0 ? during(errors(returns.halfRatio), well, faultMs) : undefined),
      prepare: (queue, [bad]) => void queue.add(faultMs, () => (before = bad!.failed)),
    });
    const bad = hosts[0]!;
    return {
      failed: bad.failed - before,
      returns: changes.filter(({ host, kind, atMs }) => host === bad && kind === 'returned' && atMs >= faultMs).length,
    };
  },
};

export const meshScenarios: readonly MeshScenario[] = [
  ...[1, 0.5, 0.2].map((ratio) =>
    fault(`mesh-fail-${ratio * 100}%`, `fails ${ratio * 100} %`, shares, (faultMs) => during(errors(ratio), well, faultMs)),
  ),
  fault('mesh-ramp', 'ramp to 60 % in 60 s', workloads.ramp, (startMs) =>
    ramp({ startMs, durationMs: workloads.ramp.durationMs, from: baseErrorRatio, to: workloads.ramp.to }),
  ),
  ...silent.requestsPerSecond.map((requestsPerSecond) =>
    fault(
      `blackhole-${requestsPerSecond}rps`,
      `never answers, ${requestsPerSecond / silent.hosts} rps a host`,
      { hosts: silent.hosts, requestsPerSecond },
      (faultMs) => during(blackhole, well, faultMs),
    ),
  ),
  outage(
    'mesh-outage',
    'all hosts fail everything for a minute',
    { hosts: 10, requestsPerSecond: 100 },
    workloads.outages.forMs,
    workloads.outages.afterMs,
    errors(1),
  ),
  outage('silent-outage', 'no host answers for 20 s', silentOutage, silentOutage.forMs, silentOutage.afterMs, blackhole),
  poisonKey,
  stalls,
  flappingHost,
  recovery,
  halfBad,
  clean,
];

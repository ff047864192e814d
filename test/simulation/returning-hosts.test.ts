/**
 * Hosts that come back: slowly, where the cluster says so, and less and less often when they keep failing. The whole mesh in virtual
 * time.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ClusterConfig } from '../../src/model/cluster.ts';
import { chanceOf } from './chance.ts';
import { EventQueue } from './event-queue.ts';
import { during, flapping, healthy, refusing, type FailureProfile } from './failure-profiles.ts';
import { fixedLatency } from './latency-profiles.ts';
import { poissonArrivals } from './poisson-arrivals.ts';
import { equalHosts } from './simulated-host.ts';
import { runMesh, withSimulatedMesh, type HostChange } from './simulated-mesh.ts';

const hostCount = 5;
const requestsPerSecond = 400;
const windowMs = 20_000;

interface Run {
  /** Share of the requests that the first host was given, in each period. */
  readonly shares: readonly number[];
  readonly periodStarts: readonly number[];
  readonly changes: readonly HostChange[];
}

/** The first host fails as told; the others never do. */
async function run(
  failure: FailureProfile,
  cluster: Partial<ClusterConfig>,
  { untilMs, periodMs }: { readonly untilMs: number; readonly periodMs: number },
): Promise<Run> {
  const queue = new EventQueue();
  const hosts = equalHosts(hostCount, fixedLatency(4));
  hosts[0]!.failure = failure;
  const options = { queue, random: chanceOf(7, 'mesh'), hostRandom: chanceOf(7, 'hosts'), hosts, cluster };
  return withSimulatedMesh(options, async (mesh) => {
    poissonArrivals(queue, { requestsPerSecond, untilMs }, chanceOf(7, 'callers'), () => mesh.send());
    const shares: number[] = [];
    const periodStarts: number[] = [];
    let before = { first: 0, all: 0 };
    for (let endMs = periodMs; endMs <= untilMs; endMs += periodMs) {
      await runMesh(queue, endMs);
      const now = { first: hosts[0]!.picked, all: hosts.reduce((sum, { picked }) => sum + picked, 0) };
      shares.push((now.first - before.first) / (now.all - before.all));
      periodStarts.push(endMs - periodMs);
      before = now;
    }
    return { shares, periodStarts, changes: mesh.changes };
  });
}

const ejection = { baseEjectionMs: 5000, maxEjectionMs: 300_000, maxEjectionPercent: 67, alwaysEjectOneHost: true, cusum: {} };
const outage = during(refusing, healthy, 5000, 8000);

/** Five standard deviations above a share, for the requests of a period. */
const above = (share: number, periodMs: number): number =>
  share + 5 * Math.sqrt((share * (1 - share)) / ((requestsPerSecond * periodMs) / 1000));

for (const { policy, most } of [
  { policy: 'round-robin', most: 1 },
  { policy: 'random', most: 1 },
  // It prefers whoever has least in flight, so that a host whose requests are fewer wins every comparison: twice at most.
  { policy: 'least-request', most: 2 },
]) {
  describe(`a host that comes back, by ${policy}`, () => {
    it('takes no more than its slow start allows, and its whole share afterwards', async () => {
      const periodMs = 1000;
      const { shares, periodStarts, changes } = await run(
        outage,
        { loadBalancing: { policy }, outlierDetection: ejection, slowStart: { windowMs } },
        { untilMs: 50_000, periodMs },
      );
      const returned = changes.find(({ kind }) => kind === 'returned')!;
      assert.ok(returned.atMs < 20_000, `it came back at ${returned.atMs} ms`);
      for (const [index, share] of shares.entries()) {
        const startMs = periodStarts[index]!;
        if (startMs < returned.atMs) continue;
        const factor = Math.min(1, Math.max(0.1, (startMs + periodMs - returned.atMs) / windowMs));
        const allowed = Math.min(above(1 / hostCount, periodMs), above((most * factor) / hostCount, periodMs));
        assert.ok(share <= allowed, `${share} of the requests after ${startMs - returned.atMs} ms; ${allowed} are allowed`);
      }
      const late = shares.slice(Math.ceil((returned.atMs + windowMs) / periodMs));
      const mean = late.reduce((sum, share) => sum + share, 0) / late.length;
      assert.ok(Math.abs(mean - 1 / hostCount) < 0.02, `${mean} of the requests after slow start`);
    });
  });
}

describe('a host that fails every other second', () => {
  it('gets fewer requests minute after minute', async () => {
    const profile = flapping(refusing, healthy, { startMs: 5000, badMs: 1000, goodMs: 1000 });
    const { shares, changes } = await run(
      profile,
      { loadBalancing: { policy: 'least-request' }, outlierDetection: ejection },
      { untilMs: 480_000, periodMs: 120_000 },
    );
    const words = `shares of each two minutes: ${shares.map((share) => share.toFixed(4)).join(', ')}`;
    for (let index = 1; index < shares.length; index++) {
      const before = shares[index - 1]!;
      const noise = 3 * Math.sqrt(before / (requestsPerSecond * 120));
      assert.ok(shares[index]! <= before + noise, words);
    }
    assert.ok(shares.at(-1)! < shares[0]! / 4, words);
    assert.ok(shares.at(-1)! < 0.02, `${shares.at(-1)} at the end`);
    assert.ok(changes.length >= 6, `${changes.length} changes`);
  });
});

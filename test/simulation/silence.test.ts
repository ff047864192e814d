/** The evidence of silence through the whole mesh, in virtual time: what is found, and what is left alone. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../src/base/runtime.ts';
import { EventQueue } from './event-queue.ts';
import { blackhole, healthy, type FailureProfile } from './failure-profiles.ts';
import { heavyTail, logNormalLatency, type LatencyProfile } from './latency-profiles.ts';
import { poissonArrivals } from './poisson-arrivals.ts';
import { SimulatedHost } from './simulated-host.ts';
import { runMesh, withSimulatedMesh, type HostChange } from './simulated-mesh.ts';

const usual = logNormalLatency(5, 0.5);

interface Load {
  readonly hosts?: number;
  readonly requestsPerSecond: number;
  readonly durationMs: number;
  readonly seed: number;
  /** From then on the third answers nothing; with `untilMs` none does, until then. */
  readonly fromMs?: number;
  readonly untilMs?: number;
}

/** Hosts, ten if not said otherwise, under load for so long. Returns who was ejected. */
async function ejections(
  options: Load,
  latencyOf: (index: number) => LatencyProfile = () => usual,
): Promise<readonly HostChange[]> {
  const { requestsPerSecond, durationMs, seed, fromMs, untilMs } = options;
  const queue = new EventQueue();
  const hosts = Array.from({ length: options.hosts ?? 10 }, (_, index) => new SimulatedHost(index, latencyOf(index), healthy));
  const parts = { queue, random: seededRandom(seed), hostRandom: seededRandom(seed + 1), hosts };
  return withSimulatedMesh(parts, async (mesh) => {
    poissonArrivals(queue, { requestsPerSecond, untilMs: durationMs }, seededRandom(seed + 2), () => mesh.send());
    const silent = untilMs === undefined ? hosts.slice(2, 3) : hosts;
    const become = (failure: FailureProfile) => (): void => {
      for (const host of silent) host.failure = failure;
    };
    if (fromMs !== undefined) queue.add(fromMs, become(blackhole));
    if (untilMs !== undefined) queue.add(untilMs, become(healthy));
    await runMesh(queue, durationMs);
    return mesh.changes.filter(({ kind }) => kind === 'ejected');
  });
}

/** Each host stands still for `pauseMs` once in `everyMs`, one after the other. */
function pausing(pauseMs: number, everyMs: number): (index: number) => LatencyProfile {
  return (index) => (now, random) => {
    const sincePauseMs = (now + (index * everyMs) / 10) % everyMs;
    return usual(now, random) + Math.max(0, pauseMs - sincePauseMs);
  };
}

describe('hosts that answer late', () => {
  const rows: readonly { readonly name: string; readonly latencyOf: (index: number) => LatencyProfile }[] = [
    { name: 'spread-over-a-factor-of-hundred', latencyOf: () => logNormalLatency(20, 1) },
    {
      name: 'one-in-hundred-by-a-power-law',
      latencyOf: () => heavyTail(usual, { ratio: 0.01, tailMs: 200, shape: 1.2, maxMs: 20_000 }),
    },
    {
      name: 'one-in-two-thousand-after-seconds',
      latencyOf: () => heavyTail(usual, { ratio: 0.0005, tailMs: 1000, shape: 1, maxMs: 30_000 }),
    },
    { name: 'pauses-of-400-ms-each-minute', latencyOf: pausing(400, 60_000) },
  ];
  for (const { name, latencyOf } of rows)
    for (const requestsPerSecond of [20, 60])
      it(`stay for a quarter of an hour, at ${requestsPerSecond} requests a second: ${name}`, async () => {
        assert.deepEqual(await ejections({ requestsPerSecond, durationMs: 900_000, seed: 5 }, latencyOf), []);
      });
});

describe('a host of ten that answers nothing', () => {
  it('is out within a second in nine of ten cases, at 100 requests a second and without any timeout', async () => {
    const fromMs = 20_000;
    const delays: number[] = [];
    for (let seed = 0; seed < 20; seed++) {
      const [first] = await ejections({ requestsPerSecond: 100, durationMs: 25_000, seed: 100 * seed, fromMs });
      assert.equal(first?.host.index, 2);
      delays.push(first.atMs - fromMs);
    }
    const p90 = delays.toSorted((a, b) => a - b)[17]!;
    assert.ok(p90 <= 1000, `${p90} ms`);
  });

  it('gets one request at the end of each ejection, and is out for longer each time', async () => {
    const fromMs = 20_000;
    const all = await ejections({ requestsPerSecond: 100, durationMs: fromMs + 250_000, seed: 7, fromMs });
    assert.ok(all.length >= 3);
    const picked = all.map((change) => change.picked - all[0]!.picked);
    assert.deepEqual(
      picked,
      all.map((_, index) => index),
    );
    const apartMs = all.slice(1).map(({ atMs }, index) => atMs - all[index]!.atMs);
    for (const [index, ms] of apartMs.entries()) assert.ok(index === 0 || ms > apartMs[index - 1]! + 1000, apartMs.join(' '));
  });
});

describe('hosts of which none answers for 5 s', () => {
  const rows = [
    { hosts: 3, requestsPerSecond: 30 },
    { hosts: 5, requestsPerSecond: 25 },
    { hosts: 10, requestsPerSecond: 100 },
  ];
  for (const size of rows)
    it(`stay, then and later: ${size.hosts} at ${size.requestsPerSecond} requests a second`, async () => {
      for (let seed = 0; seed < 5; seed++)
        assert.deepEqual(await ejections({ ...size, durationMs: 40_000, seed: 100 * seed, fromMs: 20_000, untilMs: 25_000 }), []);
    });
});

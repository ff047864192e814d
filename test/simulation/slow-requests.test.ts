/** Requests that take long on a host which is taken out for what others met there: who may be asked instead, in virtual time. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../src/base/runtime.ts';
import type { RetryConfig } from '../../src/model/policy.ts';
import { EventQueue } from './event-queue.ts';
import { poissonArrivals } from './poisson-arrivals.ts';
import { SimulatedHost } from './simulated-host.ts';
import { runMesh, withSimulatedMesh } from './simulated-mesh.ts';

const requests = 12;

/** How often the hosts saw each of twelve requests of 3 s; one host of four is taken out a third of a second after they left. */
async function executions(method: 'GET' | 'POST', retry: Partial<RetryConfig>): Promise<number[]> {
  const queue = new EventQueue();
  const seen = new Map<string, number>();
  let latencyMs = 8;
  const hosts = Array.from(
    { length: 4 },
    (_, index) =>
      new SimulatedHost(
        index,
        () => latencyMs,
        (now, _random, path = '') => {
          const isSlow = path.startsWith('/slow/');
          if (isSlow) seen.set(path, (seen.get(path) ?? 0) + 1);
          return !isSlow && index === 0 && now > 20_000 ? 'error' : 'none';
        },
      ),
  );
  const policy = { timeoutMs: 0, retry: { maxAttempts: 3, on: ['5xx', 'unavailable', 'cancelled'] as const, ...retry } };
  const parts = { queue, random: seededRandom(3), hostRandom: seededRandom(4), hosts, policy };
  await withSimulatedMesh(parts, async (mesh) => {
    poissonArrivals(queue, { requestsPerSecond: 100, untilMs: 22_000 }, seededRandom(5), () => mesh.send());
    queue.add(19_999, () => {
      latencyMs = 3000;
      for (let index = 0; index < requests; index++) mesh.send(undefined, { path: `/slow/${index}`, method });
      latencyMs = 8;
    });
    await runMesh(queue, 26_000);
    assert.equal(mesh.changes[0]?.host.index, 0, 'one was taken out');
  });
  return [...seen.values()];
}

describe('a request that waits on a host which is taken out', () => {
  const once = Array.from({ length: requests }, () => 1);
  const rows: readonly { readonly name: string; readonly retry: Partial<RetryConfig> }[] = [
    { name: 'that-repeats-nothing-unsafe', retry: { nonIdempotent: 'never' } },
    { name: 'that-repeats-what-failed', retry: { nonIdempotent: 'as-configured' } },
    { name: 'that-repeats-gRPC-statuses', retry: {} },
    { name: 'with-more-time-for-an-attempt', retry: { nonIdempotent: 'as-configured', perTryTimeoutMs: 5000 } },
  ];
  for (const { name, retry } of rows)
    it(`is executed once when it is a POST, under a policy ${name}`, async () => {
      assert.deepEqual(await executions('POST', retry), once);
    });

  it('is sent to another one when it is a GET', async () => {
    assert.ok((await executions('GET', {})).some((times) => times === 2));
  });
});

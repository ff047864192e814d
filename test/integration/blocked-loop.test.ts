/** This process stands still, its endpoints (in processes of their own) do not: nothing of that is counted against them. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { request } from 'undici';
import type { Mesh } from 'meshfetch';
import { startBackend } from '../support/backend.ts';
import { eventually, ordersAt, type ServiceInput } from '../support/mesh-of.ts';
import { steadyLoad } from '../support/steady-load.ts';

const ask = async (mesh: Mesh): Promise<number> => {
  const response = await request('http://orders/', { dispatcher: mesh.dispatcher });
  await response.body.dump();
  return response.statusCode;
};

/** Does nothing else for so long. */
function block(ms: number): void {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
}

const endpointsOf = (mesh: Mesh) => mesh.status().clusters[0]!.endpoints;

/** Enough answers to know how long they take. */
async function warm(mesh: Mesh): Promise<void> {
  for (let round = 0; round < 20; round++)
    assert.ok((await Promise.all(Array.from({ length: 15 }, () => ask(mesh)))).every((status) => status === 200));
}

/** Of an endpoint: so long that its answer does not come in the turn in which the request leaves. */
const delayMs = 40;
const backends = await Promise.all([startBackend(0, delayMs), startBackend(0, delayMs), startBackend(0, delayMs)]);
const addresses = backends.map(({ address }) => address);

describe('a process that stands still', () => {
  const open: Mesh[] = [];
  after(() => Promise.all(open.map((mesh) => mesh.close())));

  const meshWith = async (more: ServiceInput = {}): Promise<Mesh> => {
    const mesh = await ordersAt(addresses, { loadBalancing: { policy: 'round-robin' }, ...more });
    open.push(mesh);
    await warm(mesh);
    return mesh;
  };

  it('for 300 ms under load measures the same latencies as before', async () => {
    const mesh = await meshWith();
    const load = steadyLoad(100, () => ask(mesh));
    await eventually('a load', () => load.sent() >= 50);
    const latencies = (): number[] => endpointsOf(mesh).map(({ latencyMs }) => latencyMs!);
    const usual = Math.max(...latencies());
    for (let time = 0; time < 3; time++) {
      const sent = load.sent();
      // Written before it stands still, answered meanwhile.
      const waiting = Array.from({ length: 15 }, () => ask(mesh));
      await new Promise((resolve) => setImmediate(resolve));
      block(300);
      assert.ok((await Promise.all(waiting)).every((status) => status === 200));
      await eventually('it goes on', () => load.sent() >= sent + 10);
    }
    assert.deepEqual((await load.stop()).failures, []);
    // What was caught up at once may have taken a little longer; with the 300 ms counted it would be 110 to 150.
    const worst = Math.max(...latencies());
    assert.ok(worst < usual + 45, `${usual} ms before, ${worst} ms after`);
    assert.deepEqual(
      endpointsOf(mesh).map(({ state }) => state),
      ['healthy', 'healthy', 'healthy'],
    );
  });

  const policies: readonly { readonly name: string; readonly service: ServiceInput }[] = [
    { name: 'with-defaults', service: {} },
    { name: 'with-per-try-timeouts', service: { retry: { maxAttempts: 1, perTryTimeoutMs: 250 } } },
    { name: 'with-a-timeout', service: { timeoutMs: 500, retry: { maxAttempts: 1 } } },
    { name: 'with-hedges', service: { hedge: { delayMs: 100 } } },
  ];
  for (const { name, service } of policies)
    it(`for 2 s under load ejects nobody: ${name}`, async () => {
      const mesh = await meshWith(service);
      const load = steadyLoad(100, () => ask(mesh));
      await eventually('a load', () => load.sent() >= 30);
      const sent = load.sent();
      // More than there are connections for: some are written at once, others have to wait for theirs until it goes on.
      const waiting = Array.from({ length: 60 }, () => ask(mesh));
      block(2000);
      const results = await Promise.allSettled(waiting);
      await eventually('it goes on', () => load.sent() >= sent + 20);
      const { failures } = await load.stop();
      assert.deepEqual(
        endpointsOf(mesh).map(({ state }) => state),
        ['healthy', 'healthy', 'healthy'],
      );
      // The time of the whole call is the caller's.
      if (service.timeoutMs === undefined) {
        assert.deepEqual(failures, []);
        assert.ok(results.every(({ status }) => status === 'fulfilled'));
      }
    });
});

describe('a process that is busy for 60 ms in each turn of its event loop', () => {
  const policies: readonly { readonly name: string; readonly service: ServiceInput }[] = [
    { name: 'with-defaults', service: {} },
    {
      name: 'with-per-try-timeouts',
      service: {
        retry: { maxAttempts: 2, on: ['connect-failure', 'reset'], perTryTimeoutMs: 250 },
        outlierDetection: { cusum: { silence: false } },
      },
    },
  ];
  for (const { name, service } of policies)
    it(`finds a host that answers nothing within two seconds, and blames no other: ${name}`, async () => {
      const hosts = await Promise.all(Array.from({ length: 4 }, () => startBackend(0, 5)));
      await using mesh = await ordersAt(
        hosts.map(({ address }) => address),
        service,
      );
      await warm(mesh);
      const stateOf = (address: string) => endpointsOf(mesh).find((endpoint) => endpoint.address === address)!.state;
      const results: Promise<number>[] = [];
      // Each turn sends a few requests and then computes.
      const busy = setInterval(() => {
        for (let request = 0; request < 4; request++) results.push(ask(mesh));
        block(60);
      }, 40);
      try {
        await eventually('a busy load', () => results.length >= 60);
        hosts[1]!.freeze();
        const startMs = performance.now();
        await eventually('it is out', () => stateOf(hosts[1]!.address) === 'outlier', 10_000);
        const outMs = performance.now() - startMs;
        assert.ok(outMs < 2000, `out after ${outMs} ms`);
        assert.deepEqual(
          hosts.map(({ address }) => stateOf(address)),
          ['healthy', 'outlier', 'healthy', 'healthy'],
        );
      } finally {
        clearInterval(busy);
        hosts[1]!.thaw();
      }
      assert.ok((await Promise.all(results)).every((status) => status === 200));
    });
});

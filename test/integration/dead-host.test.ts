/** One instance of a service dies, in a process of its own, under the safe defaults and little traffic: it is out within a second. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { request } from 'undici';
import { isMeshError, type Mesh } from 'meshfetch';
import { startBackend, type Backend } from '../support/backend.ts';
import { eventually, ordersAt } from '../support/mesh-of.ts';
import { startServer } from '../support/servers.ts';
import { steadyLoad } from '../support/steady-load.ts';

/** Of each caller. */
const perSecond = 60;

const ask = async (mesh: Mesh): Promise<void> => {
  const response = await request('http://orders/', { dispatcher: mesh.dispatcher });
  await response.body.dump();
  if (response.statusCode !== 200) throw new Error(String(response.statusCode));
};

const statesOf = (mesh: Mesh): readonly string[] => mesh.status().clusters[0]!.endpoints.map(({ state }) => state);

interface Fate {
  /** Milliseconds until the caller had it out. */
  readonly outMs: number;
  /** Requests that the caller lost. */
  readonly failures: readonly unknown[];
  readonly states: readonly string[];
}

/** Callers that know nothing of each other send their loads; after two seconds one instance fails. What each of them made of it. */
async function callersOf(
  addresses: readonly string[],
  victim: number,
  count: number,
  doFail: () => void,
): Promise<readonly Fate[]> {
  const meshes = await Promise.all(Array.from({ length: count }, () => ordersAt(addresses)));
  const loads = meshes.map((mesh) => steadyLoad(perSecond, () => ask(mesh)));
  await eventually('each has asked for two seconds', () => loads.every((load) => load.sent() >= 2 * perSecond));
  const startMs = performance.now();
  doFail();
  const outMs = await Promise.all(
    meshes.map(async (mesh) => {
      await eventually('it is out', () => statesOf(mesh)[victim] === 'outlier');
      return performance.now() - startMs;
    }),
  );
  const fates = await Promise.all(
    loads.map(async (load, index) => ({
      outMs: outMs[index]!,
      failures: (await load.stop()).failures,
      states: statesOf(meshes[index]!),
    })),
  );
  for (const mesh of meshes) await mesh.close();
  return fates;
}

/** Chance decides who is asked when, so that one caller in a hundred takes longer: most within the second, all within two. */
function assertInTime(fates: readonly Fate[]): void {
  const times = fates.map(({ outMs }) => outMs).toSorted((a, b) => a - b);
  const said = times.map((ms) => Math.round(ms)).join(', ');
  assert.ok(times[Math.floor(times.length / 2)]! <= 1000, `out after ${said} ms`);
  assert.ok(times.at(-1)! <= 2000, `out after ${said} ms`);
}

async function backends(count: number): Promise<readonly Backend[]> {
  return Promise.all(Array.from({ length: count }, () => startBackend()));
}

describe('one instance of five that fails, for callers with 60 requests a second', () => {
  it('is out within a second when it is killed, and no request that may be repeated is lost', async () => {
    const instances = await backends(5);
    const fates = await callersOf(
      instances.map(({ address }) => address),
      1,
      5,
      () => void instances[1]!.kill(),
    );
    assertInTime(fates);
    for (const { failures, states } of fates) {
      assert.deepEqual(failures, []);
      assert.deepEqual(states, ['healthy', 'outlier', 'healthy', 'healthy', 'healthy']);
    }
  });

  it('is out within a second when it freezes with its connections open, although no timeout is configured', async () => {
    const instances = await backends(5);
    try {
      const fates = await callersOf(
        instances.map(({ address }) => address),
        2,
        5,
        () => instances[2]!.freeze(),
      );
      assertInTime(fates);
      for (const { states } of fates) assert.deepEqual(states, ['healthy', 'healthy', 'outlier', 'healthy', 'healthy']);
    } finally {
      instances[2]!.thaw();
    }
  });

  it('is out within a second when it answers 503 to all, after a handful of requests', async () => {
    let isWell = true;
    const instances = await backends(4);
    const bad = await startServer((_request, response) => response.writeHead(isWell ? 200 : 503).end());
    const fates = await callersOf([bad.address, ...instances.map(({ address }) => address)], 0, 5, () => {
      isWell = false;
    });
    assertInTime(fates);
    for (const { failures } of fates) assert.ok(failures.length <= 8, `${failures.length} requests failed`);
  });
});

describe('one instance of two that fails', () => {
  it('is out within a second when it is killed', async () => {
    const instances = await backends(2);
    const fates = await callersOf(
      instances.map(({ address }) => address),
      0,
      3,
      () => void instances[0]!.kill(),
    );
    assertInTime(fates);
    for (const { states } of fates) assert.deepEqual(states, ['outlier', 'healthy']);
  });

  it('stays, with the other one, when both fail', async () => {
    const instances = await backends(2);
    await using mesh = await ordersAt(instances.map(({ address }) => address));
    const load = steadyLoad(perSecond, () => ask(mesh));
    await eventually('it has asked for a second', () => load.sent() >= perSecond);
    await Promise.all(instances.map((instance) => instance.kill()));
    const sent = load.sent();
    await eventually('it has asked for two more', () => load.sent() >= sent + 2 * perSecond);
    const { failures } = await load.stop();
    assert.ok(failures.length > perSecond && failures.every(isMeshError), `${failures.length} requests failed`);
    assert.ok(statesOf(mesh).filter((state) => state === 'outlier').length <= 1, statesOf(mesh).join(', '));
  });
});

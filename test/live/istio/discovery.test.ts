import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Mesh } from '../../../src/index.ts';
import { destination, hostOf, policyOf, routesOf, serviceOf } from './documents.ts';
import { startEcho, tally, type Echo } from './instances.ts';
import { startIstiod, type Istiod } from './istiod.ts';
import { isTold, meshIn, troubleOf, until, web } from './mesh-in-pod.ts';

describe('services of a real istiod', { timeout: 120_000 }, () => {
  let istiod: Istiod;
  let mesh: Mesh;
  let a: Echo;
  let b: Echo;
  let c: Echo;
  before(async () => {
    istiod = await startIstiod();
    [a, b, c] = [await startEcho('a'), await startEcho('b'), await startEcho('c')];
    await istiod.configure('services', [
      ...Array.from({ length: 100 }, (_, number) => serviceOf(`uncalled-${number}`, [{ port: a.port }])),
      serviceOf('balanced', [{ port: a.port }, { port: b.port }, { port: c.port }]),
      serviceOf('weighted', [
        { port: a.port, weight: 1 },
        { port: b.port, weight: 3 },
      ]),
      policyOf('weighted', { trafficPolicy: { loadBalancer: { simple: 'ROUND_ROBIN' } } }),
      serviceOf('hashed', [{ port: a.port }, { port: b.port }, { port: c.port }]),
      policyOf('hashed', { trafficPolicy: { loadBalancer: { consistentHash: { httpHeaderName: 'x-user' } } } }),
      serviceOf('versions', [
        { port: a.port, version: 'v1' },
        { port: b.port, version: 'v2' },
        { port: c.port, version: 'v2' },
      ]),
      policyOf('versions', {
        subsets: [
          { name: 'v1', labels: { version: 'v1' } },
          { name: 'v2', labels: { version: 'v2' } },
        ],
      }),
      routesOf('versions', [
        { match: [{ headers: { 'x-version': { exact: 'v2' } } }], route: [destination('versions', 'v2')] },
        { route: [destination('versions', 'v1')] },
      ]),
    ]);
    await isTold(istiod, 'balanced');
    ({ mesh } = await meshIn(istiod));
  });
  after(async () => {
    await mesh?.close();
    await istiod[Symbol.asyncDispose]();
    for (const instance of [a, b, c]) await instance?.stop();
  });
  const urlOf = (service: string): string => `http://${hostOf(service)}/`;

  it('balances over all endpoints of a service', async () => {
    const counts = await tally(mesh.fetch, urlOf('balanced'), 300);
    assert.deepEqual(Object.keys(counts).sort(), ['a', 'b', 'c']);
    for (const [name, count] of Object.entries(counts)) assert.ok(count > 60, `${name}: ${count} of 300`);
    assert.equal(troubleOf(mesh), undefined);
  });

  it('gives endpoints their weights', async () => {
    assert.deepEqual(await tally(mesh.fetch, urlOf('weighted'), 400, 1), { a: 100, b: 300 });
  });

  it('keeps the requests of a user at one endpoint where the policy hashes a header', async () => {
    const seen = new Set<string>();
    for (let user = 0; user < 20; user++) {
      const withUser = (url: Parameters<typeof fetch>[0]): Promise<Response> =>
        mesh.fetch(url, { headers: { 'x-user': `user-${user}` } });
      const names = Object.keys(await tally(withUser, urlOf('hashed'), 5, 1));
      assert.equal(names.length, 1, `user-${user}: ${names.join(', ')}`);
      seen.add(names[0]!);
    }
    assert.ok(seen.size > 1, 'every user at one endpoint');
  });

  it('chooses a subset by a header, and keeps to its endpoints', async () => {
    assert.deepEqual(await tally(mesh.fetch, urlOf('versions'), 30), { a: 30 });
    const second = (url: Parameters<typeof fetch>[0]): Promise<Response> => mesh.fetch(url, { headers: { 'x-version': 'v2' } });
    assert.deepEqual(Object.keys(await tally(second, urlOf('versions'), 60)).sort(), ['b', 'c']);
  });

  it('knows nothing of a host that istiod does not know', async () => {
    await assert.rejects(mesh.fetch('http://nobody.shop.svc.cluster.local/'), (error: Error) => {
      assert.equal((error.cause as { code: string }).code, 'MESH_UNKNOWN_HOST');
      return true;
    });
  });

  it('follows an edit of the configuration within a second', async () => {
    const write = (instance: Echo): Promise<void> => istiod.configure('edited', [serviceOf('edited', [{ port: instance.port }])]);
    const ask = async (): Promise<string | undefined> => {
      const response = await mesh.fetch(urlOf('edited')).catch(() => undefined);
      return response?.ok === true ? ((await response.json()) as { name: string }).name : undefined;
    };
    await write(a);
    await until(async () => ((await ask()) === 'a' ? true : undefined));
    const times: number[] = [];
    for (const instance of [b, a, c, a, b]) {
      const startedMs = performance.now();
      await write(instance);
      await until(async () => ((await ask()) === instance.name ? true : undefined));
      times.push(performance.now() - startedMs);
    }
    assert.ok(Math.max(...times) < 1000, `${times.map((ms) => Math.round(ms)).join(', ')} ms`);
  });

  it('brings the same by whole states of the world', async () => {
    const { mesh: other } = await meshIn(istiod, web, { variant: 'state-of-the-world' });
    await using _ = other;
    const counts = await tally(other.fetch, urlOf('balanced'), 60);
    assert.deepEqual(Object.keys(counts).sort(), ['a', 'b', 'c']);
    await istiod.configure('whole', [serviceOf('whole', [{ port: b.port }])]);
    const ask = async (): Promise<string | undefined> => {
      const response = await other.fetch(urlOf('whole')).catch(() => undefined);
      return response?.ok === true ? ((await response.json()) as { name: string }).name : undefined;
    };
    assert.equal(await until(ask), 'b');
    await istiod.configure('whole', [serviceOf('whole', [{ port: c.port }])]);
    await until(async () => ((await ask()) === 'c' ? true : undefined), 1000);
  });

  it('makes nothing of the services that are not called', () => {
    const names = mesh.status().clusters.map(({ name }) => name);
    assert.equal(
      names.some((name) => name.includes('balanced')),
      true,
    );
    assert.deepEqual(
      names.filter((name) => name.includes('uncalled')),
      [],
    );
  });
});

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Mesh } from '../../../src/index.ts';
import { destination, hostOf, routesOf, serviceOf } from './documents.ts';
import { startEcho, type Echo } from './instances.ts';
import { startIstiod, type IstioDocument, type Istiod } from './istiod.ts';
import { isTold, meshIn, until } from './mesh-in-pod.ts';

/** What an administrator patches into the configuration of sidecars; istiod does not look at it. */
function patch(name: string, applyTo: string, match: object, operation: string, value: object): IstioDocument {
  return {
    apiVersion: 'networking.istio.io/v1alpha3',
    kind: 'EnvoyFilter',
    metadata: { name, namespace: 'shop' },
    spec: { configPatches: [{ applyTo, match: { context: 'SIDECAR_OUTBOUND', ...match }, patch: { operation, value } }] },
  };
}
const routeOf = (service: string): object => ({
  routeConfiguration: { vhost: { name: `${hostOf(service)}:80`, route: { action: 'ANY' } } },
});
const connectionManager = {
  listener: { filterChain: { filter: { name: 'envoy.filters.network.http_connection_manager' } } },
};

describe('odd configuration of a real istiod', { timeout: 120_000 }, () => {
  let istiod: Istiod;
  let mesh: Mesh;
  let a: Echo;
  const services = ['good', 'odd'];
  before(async () => {
    istiod = await startIstiod();
    a = await startEcho('a');
    await istiod.configure('services', [
      ...services.map((service) => serviceOf(service, [{ port: a.port }])),
      routesOf('odd', [{ match: [{ uri: { prefix: '/odd' } }], route: [destination('odd')] }, { route: [destination('odd')] }]),
    ]);
    await isTold(istiod, 'good');
    ({ mesh } = await meshIn(istiod));
    assert.equal(await ask('good'), 200);
    assert.equal(await ask('odd'), 200);
  });
  after(async () => {
    await mesh?.close();
    await istiod[Symbol.asyncDispose]();
    await a?.stop();
  });
  const ask = async (service: string): Promise<number> => {
    const response = await mesh.fetch(`http://${hostOf(service)}/`).catch(() => undefined);
    await response?.arrayBuffer();
    return response?.status ?? 0;
  };
  const status = (): ReturnType<Mesh['status']>['controlPlanes'][number] =>
    mesh.status().controlPlanes.find(({ source }) => source === 'istio')!;

  const refused: readonly { name: string; patch: IstioDocument; word: RegExp }[] = [
    {
      name: 'negative-time',
      patch: patch('odd', 'CLUSTER', { cluster: { service: hostOf('odd') } }, 'MERGE', { connect_timeout: '-5s' }),
      word: /connect_timeout/,
    },
    {
      name: 'broken-regex',
      patch: patch('odd', 'HTTP_ROUTE', routeOf('odd'), 'MERGE', { match: { safe_regex: { regex: '((((' } } }),
      word: /regex/,
    },
    {
      name: 'huge-regex',
      patch: patch('odd', 'HTTP_ROUTE', routeOf('odd'), 'MERGE', {
        match: { safe_regex: { regex: '(a{500}){500}'.repeat(50) } },
      }),
      word: /regex/,
    },
  ];
  for (const row of refused) {
    it(`is refused with the reason, and what was good stays in force (${row.name})`, async () => {
      await istiod.configure('patch', [row.patch]);
      const rejected = await until(() => status().rejected.find((one) => row.word.test(JSON.stringify(one))));
      assert.match(JSON.stringify(rejected), row.word);
      assert.equal(await ask('odd'), 200);
      assert.equal(await ask('good'), 200);
      // istiod hears why, and says so in its log.
      await until(() => (istiod.log.some((line) => /ACK ERROR/.test(line) && row.word.test(line)) ? true : undefined));
      await istiod.configure('patch', []);
      await until(() => (status().rejected.length === 0 ? true : undefined));
      assert.equal(await ask('odd'), 200);
      assert.equal(status().state, 'connected');
    });
  }

  it('follows other changes while something of it is refused', async () => {
    await istiod.configure('patch', [refused[0]!.patch]);
    await until(() => status().rejected[0]);
    await istiod.configure('more', [serviceOf('added-meanwhile', [{ port: a.port }])]);
    await until(async () => ((await ask('added-meanwhile')) === 200 ? true : undefined));
    await istiod.configure('patch', []);
    await until(() => (status().rejected.length === 0 ? true : undefined));
  });

  it('skips what a filter that is not known does, where it may be left out, and says so', async () => {
    const value = {
      name: 'shop.filters.coffee',
      typed_config: {
        '@type': 'type.googleapis.com/udpa.type.v1.TypedStruct',
        type_url: 'type.googleapis.com/shop.filters.Coffee',
        value: { strength: 7 },
      },
      is_optional: true,
    };
    await istiod.configure('patch', [patch('odd', 'HTTP_FILTER', connectionManager, 'INSERT_BEFORE', value)]);
    await until(() => (/shop\.filters\.(?:coffee|Coffee)/.test(JSON.stringify(status().unhonoured)) ? true : undefined));
    assert.equal(await ask('good'), 200);
    await istiod.configure('patch', []);
    await until(() => (/coffee/i.test(JSON.stringify(status().unhonoured)) ? undefined : true));
    assert.equal(await ask('good'), 200);
  });

  it('refuses requests that a filter which is not known might have refused', async () => {
    const value = {
      name: 'shop.filters.guard',
      typed_config: {
        '@type': 'type.googleapis.com/udpa.type.v1.TypedStruct',
        type_url: 'type.googleapis.com/shop.filters.Guard',
        value: {},
      },
    };
    await istiod.configure('patch', [patch('odd', 'HTTP_FILTER', connectionManager, 'INSERT_BEFORE', value)]);
    await until(async () => ((await ask('good')) === 200 ? undefined : true));
    assert.match(JSON.stringify([status().unhonoured, status().rejected]), /shop\.filters\.[gG]uard/);
    await istiod.configure('patch', []);
    await until(async () => ((await ask('good')) === 200 ? true : undefined));
  });

  it('resumes within two seconds when istiod is back at its address', async () => {
    await istiod.stop();
    await until(() => (status().state === 'connected' ? undefined : true));
    assert.equal(await ask('good'), 200);
    await istiod.configure('after', [serviceOf('after-restart', [{ port: a.port }])]);
    await istiod.restart();
    const readyMs = performance.now();
    await until(async () => ((await ask('after-restart')) === 200 ? true : undefined));
    const tookMs = performance.now() - readyMs;
    assert.ok(tookMs < 2000, `${Math.round(tookMs)} ms`);
    assert.equal(status().state, 'connected');
  });
});

import assert from 'node:assert/strict';
import { setTimeout as elapsed } from 'node:timers/promises';
import { after, before, describe, it } from 'node:test';
import type { Mesh } from '../../../src/index.ts';
import { hostOf, policyOf, serviceOf, type Instance } from './documents.ts';
import { startEcho, tally, type Echo } from './instances.ts';
import { startIstiod, type IstioDocument, type Istiod } from './istiod.ts';
import { isTold, meshIn, troubleOf, until, web } from './mesh-in-pod.ts';

describe('traffic policies of a real istiod', { timeout: 120_000 }, () => {
  let istiod: Istiod;
  let mesh: Mesh;
  let a: Echo;
  let b: Echo;
  let c: Echo;
  const withPolicy = (service: string, instances: readonly Instance[], trafficPolicy: object): readonly IstioDocument[] => [
    serviceOf(service, instances),
    policyOf(service, { trafficPolicy }),
  ];
  /** The third instance came later: with a policy that warms up. */
  const warming = (isGrown: boolean): readonly IstioDocument[] =>
    withPolicy('warming', [{ port: a.port }, { port: b.port }, ...(isGrown ? [{ port: c.port }] : [])], {
      loadBalancer: { simple: 'ROUND_ROBIN', warmup: { duration: '60s', minimumPercent: 10 } },
    });
  before(async () => {
    istiod = await startIstiod();
    [a, b, c] = [await startEcho('a'), await startEcho('b'), await startEcho('c')];
    const all = [{ port: a.port }, { port: b.port }, { port: c.port }];
    const placed = [
      { port: a.port, locality: 'eu/eu-1', version: 'v9' },
      { port: b.port, locality: 'us/us-1', version: 'v1' },
      { port: c.port, locality: 'asia/asia-1', version: 'v9' },
    ];
    const hashing = (consistentHash: object): object => ({ loadBalancer: { consistentHash } });
    const outlierDetection = { consecutive5xxErrors: 2, interval: '1s', baseEjectionTime: '60s', maxEjectionPercent: 100 };
    await istiod.configure('warming', warming(false));
    await istiod.configure('services', [
      ...withPolicy('least', all, { loadBalancer: { simple: 'LEAST_REQUEST' } }),
      ...withPolicy('cookie', all, hashing({ httpCookie: { name: 'session', path: '/', ttl: '60s' } })),
      ...withPolicy('query', all, hashing({ httpQueryParameterName: 'user' })),
      ...withPolicy('ring', all, hashing({ httpHeaderName: 'x-user', ringHash: { minimumRingSize: 2048 } })),
      ...withPolicy('maglev', all, hashing({ httpHeaderName: 'x-user', maglev: { tableSize: 1009 } })),
      ...withPolicy('source', all, hashing({ useSourceIp: true })),
      ...withPolicy('one-request', [{ port: a.port }], { connectionPool: { http: { http2MaxRequests: 1 } } }),
      ...withPolicy('one-connection', [{ port: a.port }], {
        connectionPool: { tcp: { maxConnections: 1 }, http: { http1MaxPendingRequests: 1 } },
      }),
      ...withPolicy('two-each', [{ port: a.port }], { connectionPool: { http: { maxRequestsPerConnection: 2 } } }),
      ...withPolicy('distributed', placed, {
        loadBalancer: {
          localityLbSetting: { enabled: true, distribute: [{ from: 'eu/*', to: { 'eu/*': 80, 'us/*': 20 } }] },
        },
        outlierDetection,
      }),
      ...withPolicy('by-region', placed, {
        loadBalancer: { localityLbSetting: { enabled: true, failover: [{ from: 'eu', to: 'asia' }] } },
        outlierDetection,
      }),
      ...withPolicy('by-label', placed, {
        loadBalancer: { localityLbSetting: { enabled: true, failoverPriority: ['version'] } },
        outlierDetection,
      }),
      ...withPolicy('gateway-errors', all, {
        outlierDetection: {
          consecutive5xxErrors: 0,
          consecutiveGatewayErrors: 3,
          interval: '60s',
          baseEjectionTime: '60s',
          maxEjectionPercent: 50,
        },
      }),
      ...withPolicy('local-errors', [{ port: a.port }, { port: b.port }, { port: 1 }], {
        outlierDetection: {
          splitExternalLocalOriginErrors: true,
          consecutiveLocalOriginFailures: 2,
          interval: '60s',
          baseEjectionTime: '60s',
          maxEjectionPercent: 50,
        },
      }),
      ...withPolicy('half-out', all, {
        outlierDetection: { consecutive5xxErrors: 1, interval: '60s', baseEjectionTime: '60s', maxEjectionPercent: 34 },
      }),
    ]);
    await isTold(istiod, 'least');
    await isTold(istiod, 'warming');
    ({ mesh } = await meshIn(istiod, { ...web, labels: { ...web.labels, 'topology.istio.io/locality': 'eu.eu-1' } }));
  });
  after(async () => {
    await mesh?.close();
    await istiod[Symbol.asyncDispose]();
    for (const instance of [a, b, c]) await instance?.stop();
  });
  const urlOf = (service: string, rest = ''): string => `http://${hostOf(service)}/${rest}`;
  const status =
    (code: number): NonNullable<Echo['answer']> =>
    (_request, response) => {
      response.statusCode = code;
      response.end();
    };
  const withHeaders =
    (headers: Record<string, string>): typeof fetch =>
    (url) =>
      mesh.fetch(url, { headers });

  it('sends less to an instance that is slow (LEAST_REQUEST)', async () => {
    c.answer = (_request, response) => void elapsed(50).then(() => response.end(JSON.stringify({ name: 'c' })));
    const counts = await tally(mesh.fetch, urlOf('least'), 300);
    c.answer = undefined;
    assert.ok((counts['c'] ?? 0) < 75, JSON.stringify(counts));
  });

  it('sets a cookie for who has none, and keeps who has it at one instance', async () => {
    const users = new Set<string>();
    for (let user = 0; user < 12; user++) {
      const first = await mesh.fetch(urlOf('cookie'));
      const { name } = (await first.json()) as { name: string };
      const [cookie] = first.headers.getSetCookie();
      assert.match(cookie ?? '', /^session="[0-9a-f]+"; Max-Age=60; Path=\/; HttpOnly$/);
      const again = await tally(withHeaders({ cookie: cookie!.split(';')[0]! }), urlOf('cookie'), 5, 1);
      assert.deepEqual(again, { [name]: 5 });
      users.add(name);
    }
    assert.ok(users.size > 1, 'every user at one instance');
  });

  const hashed: readonly { name: string; service: string; url?: (user: number) => string }[] = [
    { name: 'query-parameter', service: 'query', url: (user) => `?user=${user}` },
    { name: 'ring', service: 'ring' },
    { name: 'maglev', service: 'maglev' },
  ];
  for (const { name, service, url } of hashed) {
    it(`keeps a user at one instance (${name})`, async () => {
      const users = new Set<string>();
      for (let user = 0; user < 20; user++) {
        const names = Object.keys(await tally(withHeaders({ 'x-user': `user-${user}` }), urlOf(service, url?.(user)), 4, 1));
        assert.equal(names.length, 1, names.join());
        users.add(names[0]!);
      }
      assert.ok(users.size > 1, 'every user at one instance');
    });
  }

  it('keeps all requests of this process at one instance where the address of the caller is hashed', async () => {
    assert.equal(Object.keys(await tally(mesh.fetch, urlOf('source'), 60)).length, 1);
  });

  for (const [service, reason] of [
    ['one-request', /the limit is 1/],
    ['one-connection', /1 connections busy/],
  ] as const) {
    it(`turns away what is beyond a limit of the connection pool (${service})`, async () => {
      const { promise: held, resolve: release } = Promise.withResolvers<void>();
      a.answer = (_request, response) => void held.then(() => response.end());
      const asked = Array.from({ length: 3 }, () => mesh.fetch(urlOf(service)).catch((error: Error) => error));
      const first = await Promise.race(asked);
      assert.ok(first instanceof Error);
      const { code, message, flags } = first.cause as { code: string; message: string; flags?: string };
      assert.equal(code, 'MESH_OVERFLOW');
      assert.match(message, reason);
      assert.equal(flags ?? 'UO', 'UO');
      release();
      const all = await Promise.all(asked);
      assert.equal(all.filter((one) => one instanceof Response).length, service === 'one-request' ? 1 : 2);
      a.answer = undefined;
    });
  }

  it('ends a connection after as many requests as the policy says', async () => {
    const ports: (number | undefined)[] = [];
    a.answer = (request, response) => {
      ports.push(request.socket.remotePort);
      response.end(JSON.stringify({ name: 'a' }));
    };
    await tally(mesh.fetch, urlOf('two-each'), 10, 1);
    a.answer = undefined;
    assert.deepEqual(
      [...Map.groupBy(ports, (port) => port).values()].map(({ length }) => length),
      [2, 2, 2, 2, 2],
    );
  });

  it('distributes over localities', async () => {
    const counts = await tally(mesh.fetch, urlOf('distributed'), 500);
    assert.equal(counts['c'], undefined);
    assert.ok(Math.abs((counts['b'] ?? 0) - 100) <= 40, JSON.stringify(counts));
  });

  it('fails over to the region that the policy names', async () => {
    assert.deepEqual(await tally(mesh.fetch, urlOf('by-region'), 20), { a: 20 });
    a.answer = status(500);
    await until(async () => ((await tally(mesh.fetch, urlOf('by-region'), 5, 1))['500'] === undefined ? true : undefined));
    assert.deepEqual(await tally(mesh.fetch, urlOf('by-region'), 20), { c: 20 });
    a.answer = undefined;
  });

  it('prefers the instances that have a label of this workload, and fails over to the others', async () => {
    assert.deepEqual(await tally(mesh.fetch, urlOf('by-label'), 20), { b: 20 });
    b.answer = status(500);
    await until(async () => ((await tally(mesh.fetch, urlOf('by-label'), 5, 1))['500'] === undefined ? true : undefined));
    assert.deepEqual(Object.keys(await tally(mesh.fetch, urlOf('by-label'), 40)).sort(), ['a', 'c']);
    b.answer = undefined;
  });

  it('ejects for errors of a gateway alone where the policy counts these', async () => {
    b.answer = status(500);
    assert.ok(((await tally(mesh.fetch, urlOf('gateway-errors'), 60, 1))['500'] ?? 0) > 10);
    b.answer = status(502);
    assert.equal((await tally(mesh.fetch, urlOf('gateway-errors'), 60, 1))['502'], 3);
    b.answer = undefined;
  });

  it('ejects an instance that takes no connection after as many failures as the policy says', async () => {
    const counts = await tally(mesh.fetch, urlOf('local-errors'), 60, 1);
    assert.equal((counts['a'] ?? 0) + (counts['b'] ?? 0), 60, JSON.stringify(counts));
    const cluster = mesh.status().clusters.find(({ name }) => name.includes('local-errors'));
    assert.equal(cluster?.priorities[0]?.healthy, 2);
  });

  it('ejects no more instances than the policy lets it', async () => {
    a.answer = b.answer = status(500);
    await tally(mesh.fetch, urlOf('half-out'), 60, 1);
    a.answer = b.answer = undefined;
    const cluster = mesh.status().clusters.find(({ name }) => name.includes('half-out'));
    assert.equal(cluster?.priorities[0]?.healthy, 2);
  });

  it('lets a new instance warm up', async () => {
    assert.deepEqual(await tally(mesh.fetch, urlOf('warming'), 20, 1), { a: 10, b: 10 });
    await istiod.configure('warming', warming(true));
    await until(() =>
      mesh.status().clusters.find(({ name }) => name.includes('warming'))?.priorities[0]?.hosts === 3 ? true : undefined,
    );
    const counts = await tally(mesh.fetch, urlOf('warming'), 200, 1);
    assert.ok((counts['c'] ?? 0) <= 30, JSON.stringify(counts));
    assert.ok((counts['c'] ?? 0) >= 2, JSON.stringify(counts));
  });

  it('takes everything that istiod sent', () => {
    assert.equal(troubleOf(mesh), undefined);
    assert.deepEqual(
      mesh.status().controlPlanes.flatMap(({ rejected }) => rejected),
      [],
    );
  });
});

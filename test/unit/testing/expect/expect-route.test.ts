import assert, { AssertionError } from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { createMesh, type Mesh, type Resource } from 'meshfetch';
import { expectRoute, fakeControlPlane, fakeUpstream, type FakeConfig, type RouteAssertions } from 'meshfetch/testing';

const config: FakeConfig = {
  services: {
    orders: {
      endpoints: [
        { address: '192.0.2.1:80', metadata: { version: 'v1' } },
        { address: '192.0.2.2:80', metadata: { version: 'v2' } },
      ],
      subsets: { v1: { version: 'v1' }, v2: { version: 'v2' } },
      timeoutMs: 3000,
      routes: [
        { name: 'beta', match: { headers: { 'x-beta': { exact: '1' } } }, to: [{ service: 'orders', subset: 'v2' }] },
        {
          name: 'split',
          match: { path: { prefix: '/split' } },
          to: [
            { service: 'orders', subset: 'v1', weight: 90 },
            { service: 'orders', subset: 'v2', weight: 10 },
          ],
        },
        {
          name: 'rewritten',
          match: { path: { prefix: '/old' } },
          rewrite: { path: { prefix: '/new' }, host: 'orders.internal' },
          requestHeaders: { set: { 'x-by': 'mesh' }, remove: ['x-secret'] },
          mirror: [{ service: 'shadow', percent: 50 }],
          timeoutMs: 1000,
        },
        { name: 'moved', match: { path: { prefix: '/shop' } }, redirect: { host: 'shop.example', status: 308 } },
        { name: 'closed', match: { path: { prefix: '/closed' } }, respond: { status: 403, body: 'no entry' } },
        { name: 'faulty', match: { path: { prefix: '/faulty' } }, fault: { abort: { status: 503, percent: 25 } } },
        { name: 'all', match: { path: { prefix: '/api' } } },
      ],
    },
    shadow: { endpoints: ['192.0.2.3:80'] },
  },
};

/** What no file can say: a cluster without endpoints, and a route to one that is not there. */
const holes: readonly Resource[] = [
  {
    kind: 'cluster',
    name: 'empty',
    value: {
      name: 'empty',
      discovery: { kind: 'static', localities: [{ locality: {}, priority: 0, endpoints: [] }] },
      loadBalancing: { policy: 'round-robin' },
    },
  },
  ...['empty', 'lost'].map((name): Resource => ({
    kind: 'listener',
    name,
    value: {
      direction: 'outbound',
      name,
      routes: {
        name,
        virtualHosts: [
          {
            name,
            domains: [name],
            routes: [{ name, match: {}, action: { kind: 'forward', to: [{ cluster: name, weight: 1 }] } }],
          },
        ],
      },
    },
  })),
];

async function meshOf(t: TestContext, plane = fakeControlPlane(config)): Promise<Mesh> {
  const mesh = await createMesh({ controlPlane: plane, unknownHosts: 'refuse', drainTimeoutMs: 0 });
  t.after(() => mesh.close());
  await plane.set(holes);
  return mesh;
}

interface Row {
  readonly name: string;
  readonly request: Parameters<typeof expectRoute>[1];
  readonly holds: (route: RouteAssertions<void>) => void;
}

const beta = { url: 'http://orders/api', headers: { 'x-beta': '1' } };
const old = { url: 'http://orders/old/1?a=b', headers: { 'x-secret': 's' } };
const holding: readonly Row[] = [
  { name: 'cluster', request: 'http://orders/api', holds: (r) => r.toReach('orders') },
  { name: 'url-object', request: new URL('http://orders/api'), holds: (r) => r.toReach('orders') },
  { name: 'no-subset', request: 'http://orders/api', holds: (r) => r.toReach('orders', { subset: null, route: 'all' }) },
  { name: 'subset-by-header', request: beta, holds: (r) => r.toReach('orders', { subset: 'v2', route: 'beta' }) },
  { name: 'share', request: 'http://orders/split', holds: (r) => r.toReach('orders', { subset: 'v2', percent: 10 }) },
  { name: 'shares-together', request: 'http://orders/split', holds: (r) => r.toReach('orders') },
  { name: 'endpoint', request: beta, holds: (r) => r.toReach('orders', { endpoint: '192.0.2.2:80' }) },
  {
    name: 'endpoints',
    request: 'http://orders/api',
    holds: (r) => r.toReach('orders', { endpoints: ['192.0.2.2:80', { address: '192.0.2.1:80' }] }),
  },
  {
    name: 'as-it-is-sent',
    request: old,
    holds: (r) =>
      r.toReach('orders', {
        path: '/new/1?a=b',
        host: 'orders.internal',
        headers: { 'X-By': 'mesh', 'x-secret': null },
        timeoutMs: 1000,
        mirrors: ['shadow'],
      }),
  },
  {
    name: 'as-it-came',
    request: beta,
    holds: (r) =>
      r.toReach('orders', { path: /^\/api$/, host: 'orders', headers: { 'x-beta': /1/ }, timeoutMs: 3000, mirrors: [] }),
  },
  { name: 'virtual-host', request: beta, holds: (r) => r.toReach('orders', { virtualHost: 'orders', source: 'fake' }) },
  { name: 'redirect', request: 'http://orders/shop', holds: (r) => r.toRedirect('http://shop.example/shop', { status: 308 }) },
  { name: 'redirect-pattern', request: 'http://orders/shop', holds: (r) => r.toRedirect(/shop\.example/) },
  { name: 'answer', request: 'http://orders/closed', holds: (r) => r.toAnswer(403, { body: 'no entry' }) },
  { name: 'fault', request: 'http://orders/faulty', holds: (r) => r.toAnswer(503, { percent: 25 }) },
  { name: 'beside-the-fault', request: 'http://orders/faulty', holds: (r) => r.toReach('orders', { percent: 75 }) },
  { name: 'no-route', request: 'http://orders/', holds: (r) => r.toFail('MESH_NO_ROUTE') },
  { name: 'no-cluster', request: 'http://lost/', holds: (r) => r.toFail('MESH_NO_CLUSTER') },
  { name: 'no-endpoint', request: 'http://empty/', holds: (r) => r.toFail('MESH_NO_HEALTHY_ENDPOINT') },
  { name: 'unknown-host', request: 'http://other/', holds: (r) => r.toFail('MESH_UNKNOWN_HOST') },
  { name: 'fails-in-any-way', request: 'http://other/', holds: (r) => r.toFail() },
];

const failing: readonly Row[] = [
  { name: 'other-cluster', request: 'http://orders/api', holds: (r) => r.toReach('shadow') },
  { name: 'other-subset', request: beta, holds: (r) => r.toReach('orders', { subset: 'v1' }) },
  { name: 'a-subset', request: beta, holds: (r) => r.toReach('orders', { subset: null }) },
  { name: 'only-a-share', request: 'http://orders/split', holds: (r) => r.toReach('orders', { subset: 'v1' }) },
  { name: 'other-share', request: 'http://orders/split', holds: (r) => r.toReach('orders', { subset: 'v1', percent: 10 }) },
  { name: 'one-of-two-endpoints', request: 'http://orders/api', holds: (r) => r.toReach('orders', { endpoint: '192.0.2.1:80' }) },
  { name: 'other-endpoints', request: 'http://orders/api', holds: (r) => r.toReach('orders', { endpoints: ['192.0.2.1:80'] }) },
  { name: 'other-path', request: old, holds: (r) => r.toReach('orders', { path: '/old/1' }) },
  { name: 'other-header', request: old, holds: (r) => r.toReach('orders', { headers: { 'x-secret': 's' } }) },
  { name: 'other-timeout', request: old, holds: (r) => r.toReach('orders', { timeoutMs: 3000 }) },
  { name: 'other-route', request: beta, holds: (r) => r.toReach('orders', { route: 'all' }) },
  { name: 'no-mirror', request: old, holds: (r) => r.toReach('orders', { mirrors: [] }) },
  { name: 'fault-takes-a-share', request: 'http://orders/faulty', holds: (r) => r.toReach('orders') },
  { name: 'without-endpoints', request: 'http://empty/', holds: (r) => r.toReach('empty') },
  { name: 'other-location', request: 'http://orders/shop', holds: (r) => r.toRedirect('http://shop.example/') },
  { name: 'other-redirect', request: 'http://orders/shop', holds: (r) => r.toRedirect(/shop/, { status: 301 }) },
  { name: 'no-redirect', request: 'http://orders/api', holds: (r) => r.toRedirect(/./) },
  { name: 'other-answer', request: 'http://orders/closed', holds: (r) => r.toAnswer(404) },
  { name: 'other-body', request: 'http://orders/closed', holds: (r) => r.toAnswer(403, { body: 'entry' }) },
  { name: 'other-code', request: 'http://orders/', holds: (r) => r.toFail('MESH_NO_CLUSTER') },
  { name: 'no-failure', request: 'http://orders/api', holds: (r) => r.toFail() },
];

describe('what is expected of a route', () => {
  for (const { name, request, holds } of holding) {
    it(`holds, and cannot be denied: ${name}`, async (t) => {
      const route = expectRoute(await meshOf(t), request);
      holds(route);
      assert.throws(() => holds(route.not), AssertionError);
    });
  }

  for (const { name, request, holds } of failing) {
    it(`does not hold: ${name}`, async (t) => {
      const route = expectRoute(await meshOf(t), request);
      assert.throws(() => holds(route), AssertionError);
    });
  }

  const denied: readonly Row[] = [
    { name: 'other-cluster', request: 'http://orders/api', holds: (r) => r.toReach('shadow') },
    { name: 'other-subset', request: beta, holds: (r) => r.toReach('orders', { subset: 'v1' }) },
    { name: 'other-share', request: 'http://orders/split', holds: (r) => r.toReach('orders', { subset: 'v1', percent: 10 }) },
    { name: 'other-path', request: old, holds: (r) => r.toReach('orders', { path: '/old/1' }) },
    { name: 'without-endpoints', request: 'http://empty/', holds: (r) => r.toReach('empty') },
    { name: 'no-failure', request: 'http://orders/api', holds: (r) => r.toFail() },
    { name: 'no-answer', request: 'http://orders/api', holds: (r) => r.toAnswer(503) },
  ];
  for (const { name, request, holds } of denied) {
    it(`can be denied: ${name}`, async (t) => holds(expectRoute(await meshOf(t), request).not));
  }

  it('is denied of every request: a share that goes there is too much', async (t) => {
    const mesh = await meshOf(t);
    assert.throws(() => expectRoute(mesh, 'http://orders/split').not.toReach('orders', { subset: 'v2' }), AssertionError);
    assert.throws(() => expectRoute(mesh, 'http://orders/faulty').not.toAnswer(503), AssertionError);
  });
});

describe('the error of an expectation', () => {
  const errorOf = (work: () => void): AssertionError => {
    try {
      work();
    } catch (error) {
      assert.ok(error instanceof AssertionError);
      return error;
    }
    return assert.fail('it should not hold');
  };

  it('reads as a diff, with what the mesh says and which routes were tried', async (t) => {
    const mesh = await meshOf(t);
    const { message } = errorOf(() => expectRoute(mesh, 'http://orders/old').toReach('orders', { subset: 'v2', path: '/old' }));
    assert.equal(
      message,
      [
        'GET http://orders/old should reach orders/v2',
        '  destination',
        '    - 100 % to orders/v2 (expected)',
        '    + 100 % to orders',
        '',
        'explain: 100 % to orders: 2 of 2 endpoints healthy',
        'virtual host: orders (of fake)',
        'route beta: does not match: header x-beta',
        'route split: does not match: path (prefix /split)',
        'route rewritten: matches',
      ].join('\n'),
    );
  });

  it('has the values for the diff of the test runner', async (t) => {
    const mesh = await meshOf(t);
    const { actual, expected } = errorOf(() =>
      expectRoute(mesh, old).toReach('orders', { path: '/old', headers: { 'x-by': null, 'x-secret': /./ } }),
    );
    assert.deepEqual(expected, { path: '/old', 'header x-by': null, 'header x-secret': /./ });
    assert.deepEqual(actual, { path: '/new/1?a=b', 'header x-by': 'mesh', 'header x-secret': null });
  });

  it('begins its stack at the test', async (t) => {
    const mesh = await meshOf(t);
    const { stack } = errorOf(() => expectRoute(mesh, 'http://orders/api').toReach('shadow'));
    const [first] = stack!.split('\n').filter((line) => /^\s+at /.test(line));
    assert.match(first!, /expect-route\.test\.ts/);
  });
});

describe('what is expected eventually', () => {
  it('waits for the control plane, which the plain form does not', async (t) => {
    const plane = fakeControlPlane(config, { answers: 'on-demand' });
    plane.hang();
    const mesh = await createMesh({ controlPlane: plane, unknownHosts: 'refuse', drainTimeoutMs: 0 });
    t.after(() => mesh.close());
    const route = expectRoute(mesh, 'http://orders/api');
    assert.throws(() => route.toReach('orders'), /it is not known yet: .*eventually/);
    assert.throws(() => route.not.toReach('shadow'), /it is not known yet/);
    const waiting = route.eventually.toReach('orders', { route: 'all' });
    await plane.back();
    await waiting;
  });

  it('waits for a change', async (t) => {
    const plane = fakeControlPlane(config);
    const mesh = await meshOf(t, plane);
    const waiting = expectRoute(mesh, 'http://shadow/').eventually.toReach('shadow', { endpoint: '192.0.2.9:80' });
    await plane.set({ services: { shadow: { endpoints: ['192.0.2.9:80'] } } });
    await waiting;
  });

  it('tells of an endpoint that was taken out', async (t) => {
    const [good, bad] = [await fakeUpstream({ name: 'good' }), await fakeUpstream({ reply: 503 })];
    t.after(() => Promise.all([good.stop(), bad.stop()]));
    const plane = fakeControlPlane({
      services: {
        stock: {
          endpoints: [good.address, bad.address],
          loadBalancing: { policy: 'round-robin' },
          outlierDetection: { consecutive5xx: 2 },
        },
      },
    });
    const mesh = await meshOf(t, plane);
    expectRoute(mesh, 'http://stock/').toReach('stock', { endpoints: [good, bad] });
    for (let request = 0; request < 6; request++) await (await mesh.fetch('http://stock/')).text();
    await expectRoute(mesh, 'http://stock/').eventually.toReach('stock', { endpoint: good });
  });

  it('gives up after five seconds, with the last error', async (t) => {
    const mesh = await meshOf(t);
    t.mock.timers.enable({ apis: ['setTimeout'] });
    let nowMs = 0;
    t.mock.method(performance, 'now', () => (nowMs += 1000));
    const waiting = assert.rejects(expectRoute(mesh, 'http://orders/api').eventually.toReach('shadow'), /should reach shadow/);
    for (let turn = 0; turn < 20; turn++) {
      t.mock.timers.tick(5);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await waiting;
  });
});

describe('an expectation that nobody could look at', () => {
  const rows: readonly { name: string; expect: (mesh: Mesh) => unknown; message: RegExp }[] = [
    {
      name: 'reach',
      expect: (mesh) => expectRoute(mesh, beta).toReach('orders', { subst: 'v2' } as never),
      message: /toReach\(\) expects has no "subst"; known are subset/,
    },
    {
      name: 'reach-denied',
      expect: (mesh) => expectRoute(mesh, beta).not.toReach('orders', { subst: 'v9' } as never),
      message: /has no "subst"/,
    },
    {
      name: 'answer',
      expect: (mesh) => expectRoute(mesh, old).toAnswer(200, { text: '' } as never),
      message: /toAnswer\(\) expects has no "text"/,
    },
    {
      name: 'redirect',
      expect: (mesh) => expectRoute(mesh, old).toRedirect('/', { code: 301 } as never),
      message: /toRedirect\(\) expects has no "code"/,
    },
    {
      name: 'request',
      expect: (mesh) => expectRoute(mesh, { url: 'http://orders/', header: {} } as never),
      message: /a request has no "header"/,
    },
  ];
  for (const { name, expect, message } of rows)
    it(`is a mistake of the test, and no test that passes: ${name}`, async (t) => {
      const mesh = await meshOf(t);
      assert.throws(() => expect(mesh), { name: 'TypeError', message });
    });
});

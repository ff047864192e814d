/** What a route says is done to real requests on real sockets: rewrites, header mutations, answers, draws, clusters by header. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { createMesh, isMeshError, type Mesh } from 'meshfetch';
import type { HeaderMutation } from '../../src/model/policy.ts';
import type { ForwardOptions, RequestPolicy, RouteAction, RouteTableConfig, VirtualHostConfig } from '../../src/model/route.ts';
import type { Resource } from '../../src/model/snapshot.ts';
import { endpointAt, staticCluster, TestControlPlane } from '../support/cluster-plane.ts';
import { closedPort, startServer, type TestServer } from '../support/servers.ts';

interface Setting {
  readonly action?: RouteAction;
  readonly match?: VirtualHostConfig['routes'][number]['match'];
  readonly policy?: RequestPolicy;
  readonly host?: Partial<VirtualHostConfig>;
  readonly table?: Partial<RouteTableConfig>;
  readonly clusters?: readonly Resource[];
}

interface Service {
  readonly mesh: Mesh;
  readonly server: TestServer;
  readonly plane: TestControlPlane;
}

/** `http://orders` with one route to one server, which answers with a header and a cookie. */
async function serviceOf(
  t: TestContext,
  { action = forward(), match = {}, policy = {}, host, table, clusters = [] }: Setting,
): Promise<Service> {
  const server = await startServer((_request, response) => {
    response.setHeader('x-up', 'up');
    response.setHeader('set-cookie', 'a=1');
    response.end('served');
  });
  const plane = new TestControlPlane();
  const mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 0 });
  t.after(() => mesh.close());
  const listener: Resource = {
    kind: 'listener',
    name: 'out',
    value: {
      direction: 'outbound',
      name: 'out',
      routes: {
        name: 'table',
        virtualHosts: [{ name: 'orders', domains: ['orders'], routes: [{ name: 'route', match, action, policy }], ...host }],
        ...table,
      },
    },
  };
  await plane.deliver([listener, staticCluster('orders', [endpointAt(server.address)]), ...clusters]);
  return { mesh, server, plane };
}

function forward(options: ForwardOptions = {}): RouteAction {
  return { kind: 'forward', to: [{ cluster: 'orders', weight: 1 }], ...options };
}

/** Sends a request without a body; redirects are not followed. */
async function ask({ mesh }: Service, path = '/a?q=1', init: RequestInit = {}) {
  const response = await mesh.fetch(`http://orders${path}`, { redirect: 'manual', ...init });
  return { status: response.status, headers: response.headers, body: await response.text() };
}

describe('a route', () => {
  const rewrites: readonly {
    readonly name: string;
    readonly match?: Setting['match'];
    readonly options: ForwardOptions;
    readonly path?: string;
    readonly url: string;
    readonly host: string;
    readonly originalPath?: string;
    readonly originalHost?: string;
  }[] = [
    {
      name: 'prefix',
      match: { path: { kind: 'prefix', value: '/a' } },
      options: { pathRewrite: { kind: 'prefix', prefix: '/b/c' } },
      url: '/b/c?q=1',
      host: 'orders',
      originalPath: '/a?q=1',
    },
    {
      name: 'full',
      options: { pathRewrite: { kind: 'full', path: '/all' } },
      url: '/all?q=1',
      host: 'orders',
      originalPath: '/a?q=1',
    },
    {
      name: 'regex',
      options: { pathRewrite: { kind: 'regex', regex: '^/(.)', substitution: '/v2/\\1\\1' } },
      url: '/v2/aa?q=1',
      host: 'orders',
      originalPath: '/a?q=1',
    },
    {
      name: 'template',
      match: { path: { kind: 'template', value: '/orders/{id}' } },
      options: { pathRewrite: { kind: 'template', template: '/v2/{id}/order' } },
      path: '/orders/7?q=1',
      url: '/v2/7/order?q=1',
      host: 'orders',
      originalPath: '/orders/7?q=1',
    },
    {
      name: 'host',
      options: { hostRewrite: { kind: 'literal', host: 'inner' } },
      url: '/a?q=1',
      host: 'inner',
      originalHost: 'orders',
    },
    {
      name: 'host-by-header',
      options: { hostRewrite: { kind: 'header', name: 'x-tenant' } },
      url: '/a?q=1',
      host: 'blue',
      originalHost: 'orders',
    },
    {
      name: 'host-by-path',
      options: { hostRewrite: { kind: 'path-regex', regex: '^/(.*)$', substitution: '\\1.inner' } },
      url: '/a?q=1',
      host: 'a.inner',
      originalHost: 'orders',
    },
  ];
  for (const { name, match = {}, options, path, url, host, originalPath, originalHost } of rewrites) {
    it(`sends what was rewritten: ${name}`, async (t) => {
      const service = await serviceOf(t, { match, action: forward(options) });
      const { status } = await ask(service, path, { headers: { 'x-tenant': 'blue' } });
      assert.equal(status, 200);
      const [got] = service.server.requests;
      assert.deepEqual([got!.url, got!.headers.host], [url, host]);
      assert.equal(got!.headers['x-envoy-original-path'], originalPath);
      assert.equal(got!.headers['x-envoy-original-host'], originalHost);
    });
  }

  it('sees and rewrites the query option of undici', async (t) => {
    const service = await serviceOf(t, {
      match: { query: [{ name: 'version', match: { kind: 'exact', value: '2' } }], path: { kind: 'prefix', value: '/a' } },
      action: forward({ pathRewrite: { kind: 'prefix', prefix: '/b' } }),
    });
    const options = { origin: 'http://orders', path: '/a', method: 'GET', query: { version: '2', name: 'x y' } } as const;
    const { statusCode, body } = await service.mesh.dispatcher.request(options);
    await body.text();
    assert.equal(statusCode, 200);
    assert.equal(service.server.requests[0]!.url, '/b?version=2&name=x%20y');
  });

  it('changes the headers of requests and responses, at every place', async (t) => {
    const by = (place: string): HeaderMutation => ({ add: [['x-add', place]], set: [['x-set', place]] });
    const both = (place: string) => ({ requestHeaders: by(place), responseHeaders: by(place) });
    for (const mostSpecificHeadersWin of [false, true]) {
      const service = await serviceOf(t, {
        action: { kind: 'forward', to: [{ cluster: 'orders', weight: 1, ...both('own') }] },
        policy: both('route'),
        host: { policy: both('host') },
        table: { policy: { ...both('table'), responseHeaders: { ...by('table'), remove: ['x-up'] } }, mostSpecificHeadersWin },
      });
      const { headers } = await ask(service, '/', { headers: { 'x-set': 'caller' } });
      const order = mostSpecificHeadersWin ? 'own, table, host, route' : 'own, route, host, table';
      const last = mostSpecificHeadersWin ? 'route' : 'table';
      const sent = service.server.requests[0]!.headers;
      assert.deepEqual([sent['x-add'], sent['x-set']], [order, last]);
      assert.deepEqual([headers.get('x-add'), headers.get('x-set'), headers.get('x-up')], [order, last, null]);
      assert.deepEqual(headers.getSetCookie(), ['a=1']);
    }
  });

  it('redirects, and asks nobody', async (t) => {
    const action: RouteAction = { kind: 'redirect', status: 308, scheme: 'https', host: 'shop', prefix: '/b' };
    const service = await serviceOf(t, { action, match: { path: { kind: 'prefix', value: '/a' } } });
    const { status, headers } = await ask(service, '/a/c?q=1');
    assert.deepEqual([status, headers.get('location')], [308, 'https://shop/b/c?q=1']);
    assert.equal(service.server.requests.length, 0);
  });

  it('answers, and asks nobody', async (t) => {
    const policy = { responseHeaders: { set: [['x-by', 'route']] } } as const;
    const service = await serviceOf(t, { action: { kind: 'respond', status: 503, body: 'closed' }, policy });
    const { status, headers, body } = await ask(service);
    assert.deepEqual([status, headers.get('x-by'), body], [503, 'route', 'closed']);
    const head = await ask(service, '/', { method: 'HEAD' });
    assert.deepEqual([head.status, head.headers.get('content-length'), head.body], [503, '6', '']);
    assert.equal(service.server.requests.length, 0);
  });

  it('sends to the cluster that a header names', async (t) => {
    const action: RouteAction = {
      kind: 'forward-by-header',
      header: 'x-cluster',
      hostRewrite: { kind: 'literal', host: 'inner' },
    };
    const service = await serviceOf(t, { action });
    const { body } = await ask(service, '/', { headers: { 'x-cluster': 'orders' } });
    assert.equal(body, 'served');
    assert.equal(service.server.requests[0]!.headers.host, 'inner');
    for (const headers of [{}, { 'x-cluster': 'nobody' }]) {
      await assert.rejects(ask(service, '/', { headers }), (error: Error) => {
        assert.equal(isMeshError(error.cause) && error.cause.code, 'MESH_NO_CLUSTER');
        return true;
      });
    }
  });

  it('never matches on metadata, which no request of this process has', async (t) => {
    const metadata = [{ namespace: 'jwt', path: ['sub'], match: { kind: 'present' } }] as const;
    const service = await serviceOf(t, { match: { metadata } });
    await assert.rejects(ask(service), (error: Error) => isMeshError(error.cause) && error.cause.code === 'MESH_NO_ROUTE');
  });
});

describe('a destination', () => {
  it('has rewrites and an answer of its own', async (t) => {
    const of = (more: object): RouteAction => ({
      kind: 'forward',
      to: [{ cluster: 'orders', weight: 1, ...more }],
      pathRewrite: { kind: 'full', path: '/route' },
      hostRewrite: { kind: 'literal', host: 'route' },
    });
    const own = { pathRewrite: { kind: 'full', path: '/own' }, hostRewrite: { kind: 'literal', host: 'own' } };
    const rewriting = await serviceOf(t, { action: of(own) });
    await ask(rewriting);
    const [got] = rewriting.server.requests;
    assert.deepEqual([got!.url, got!.headers.host], ['/own?q=1', 'own']);
    const answering = await serviceOf(t, { action: of({ answer: { kind: 'respond', status: 500 } }) });
    assert.equal((await ask(answering)).status, 500);
    assert.equal(answering.server.requests.length, 0);
  });

  for (const draw of ['first-available', 'weighted-available'] as const) {
    it(`is one with usable endpoints: ${draw}`, async (t) => {
      const empty = staticCluster('empty', []);
      const to = [
        { cluster: 'empty', weight: 1_000_000 },
        { cluster: 'orders', weight: 1 },
        { cluster: 'orders', weight: 1, requestHeaders: { set: [['x-second', '1']] } },
      ] as const;
      const service = await serviceOf(t, { action: { kind: 'forward', to, draw }, clusters: [empty] });
      for (let turn = 0; turn < 20; turn++) assert.equal((await ask(service)).body, 'served');
      const second = service.server.requests.filter(({ headers }) => headers['x-second'] !== undefined).length;
      // 20 draws of two alike all come out the same once in half a million runs.
      if (draw === 'first-available') assert.equal(second, 0);
      else assert.ok(second > 0 && second < 20, `${second}`);
    });
  }

  it('is drawn anew for each attempt where availability is asked for', async (t) => {
    const dead = staticCluster('dead', [endpointAt(`127.0.0.1:${await closedPort()}`)], {
      circuitBreaker: { errorThresholdPercent: 1, minimumRequests: 1, openMs: 60_000, windowMs: 60_000 },
    });
    const to = [
      { cluster: 'dead', weight: 1 },
      { cluster: 'orders', weight: 1 },
    ];
    const policy: RequestPolicy = { retry: { maxAttempts: 3, on: ['connect-failure'], backoff: { baseMs: 1, maxMs: 1 } } };
    const service = await serviceOf(t, { action: { kind: 'forward', to, draw: 'first-available' }, policy, clusters: [dead] });
    assert.equal((await ask(service)).body, 'served');
  });
});

describe('a virtual host that wants TLS', () => {
  it('redirects to it before any route is asked', async (t) => {
    const service = await serviceOf(t, { action: { kind: 'respond', status: 500 }, host: { requireTls: 'all' } });
    const { status, headers } = await ask(service);
    assert.deepEqual([status, headers.get('location')], [301, 'https://orders/a?q=1']);
  });
});

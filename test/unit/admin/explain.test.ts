/** What `explain` says is what happens: each request is explained, then sent, and the server tells what it got. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMesh, type Mesh } from 'meshfetch';
import type { MeshFileInput } from '../../../src/control-plane/file/schema.ts';
import { eventually, meshOf } from '../../support/mesh-of.ts';
import { startServer } from '../../support/servers.ts';

type Services = NonNullable<MeshFileInput['services']>;

const orders = await startServer((_request, response) => response.end('orders'));
const shadow = await startServer((_request, response) => response.end('shadow'));
const services: Services = {
  orders: {
    endpoints: [{ address: orders.address, metadata: { v: 1 } }],
    subsets: { v1: { v: 1 } },
    requestHeaders: { set: { 'x-mesh': 'yes' } },
    overrideHeaders: 'envoy',
    timeoutMs: 5000,
    routes: [
      { match: { path: { exact: '/ping' } }, respond: { status: 202, body: 'pong' } },
      { match: { path: { segmentPrefix: '/old' } }, redirect: { path: { prefix: '/new' }, status: 308 } },
      {
        name: 'api',
        match: { path: { segmentPrefix: '/api' } },
        rewrite: { path: { prefix: '/' }, host: 'orders.internal' },
        mirror: [{ service: 'shadow', hostSuffix: '-shadow' }],
        to: [{ subset: 'v1', requestHeaders: { add: { 'x-subset': 'v1' } } }],
      },
      { match: { path: { template: '/v1/{id}' } }, rewrite: { path: { template: '/v2/{id}/order' } } },
      { match: { path: { prefix: '/by-header' } }, serviceHeader: 'x-target' },
      { name: 'rest', fault: { abort: { status: 503, percent: 0 } }, rateLimit: { requests: 1000 }, priority: 'high' },
    ],
  },
  shadow: { endpoints: [shadow.address] },
};

interface Row {
  readonly name: string;
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly route: string;
}

const forwarded: readonly Row[] = [
  { name: 'new-prefix-and-host', path: '/api/orders/1?x=1', route: 'api' },
  { name: 'template', path: '/v1/42?y=2', route: 'orders.routes[3]' },
  { name: 'headers-alone', path: '/anything', headers: { 'x-mesh': 'mine', 'x-envoy-max-retries': '3' }, route: 'rest' },
];

describe('explain says what happens', () => {
  for (const { name, path, headers = {}, route } of forwarded) {
    it(`to the path, host and headers of a request: ${name}`, async () => {
      await using mesh = await meshOf(services);
      const explanation = mesh.explain(`http://orders${path}`, { headers });
      assert.equal(explanation.route, route);
      await (await mesh.fetch(`http://orders${path}`, { headers })).text();
      const received = orders.requests.at(-1)!;
      const { sent } = explanation.destinations[0]!;
      assert.equal(sent!.path, received.url);
      assert.equal(sent!.host, received.headers.host);
      for (const [header, value] of sent!.headers) assert.equal(received.headers[header], value, header);
      for (const header of Object.keys(headers))
        assert.equal(
          Object.hasOwn(received.headers, header),
          sent!.headers.some(([other]) => other === header),
          header,
        );
    });
  }

  for (const path of ['/ping', '/old/a?b=c']) {
    it(`to a request that is answered without an endpoint: ${path}`, async () => {
      await using mesh = await meshOf(services);
      const { answer, destinations, verdict } = mesh.explain(`http://orders${path}`);
      const response = await mesh.fetch(`http://orders${path}`, { redirect: 'manual' });
      assert.equal(answer!.status, response.status);
      assert.equal(answer!.headers['location'] ?? null, response.headers.get('location'));
      assert.equal(answer!.body, await response.text());
      assert.deepEqual(destinations, []);
      assert.match(verdict, new RegExp(`^answered with ${response.status}.*, without asking an endpoint$`));
    });
  }

  it('to the service that a header names', async () => {
    await using mesh = await meshOf(services);
    const headers = { 'x-target': 'shadow' };
    assert.equal(mesh.explain('http://orders/by-header', { headers }).destinations[0]!.cluster, 'shadow');
    assert.equal(await (await mesh.fetch('http://orders/by-header', { headers })).text(), 'shadow');
    assert.match(mesh.explain('http://orders/by-header').verdict, /does not have the header that names its service/);
  });

  it('to its copies', async () => {
    await using mesh = await meshOf(services);
    const { mirrors } = mesh.explain('http://orders/api').destinations[0]!;
    assert.deepEqual(mirrors, [{ cluster: 'shadow', percent: 100, hostSuffix: '-shadow' }]);
    await (await mesh.fetch('http://orders/api')).text();
    await eventually('the copy came', () => shadow.requests.some(({ headers }) => headers.host === 'orders.internal-shadow'));
  });
});

const explained = async (service: Services[string], headers: Record<string, string> = {}) => {
  await using mesh: Mesh = await meshOf({ orders: { endpoints: ['192.0.2.1:80'], ...service } });
  return mesh.explain('http://orders/', { headers });
};

describe('explain shows', () => {
  it('what the headers of a request make of its times and retries', async () => {
    const service: Services[string] = { overrideHeaders: 'envoy', timeoutMs: 5000, retry: { maxAttempts: 2 } };
    const headers = { 'x-envoy-upstream-rq-timeout-ms': '700', 'X-Envoy-Max-Retries': '4', 'x-other': '1' };
    const { timeoutMs, retry, overrides } = await explained(service, headers);
    assert.equal(timeoutMs, 700);
    assert.equal(retry?.maxAttempts, 5);
    assert.deepEqual(overrides, ['x-envoy-upstream-rq-timeout-ms', 'x-envoy-max-retries']);
    assert.equal((await explained({ timeoutMs: 5000 }, headers)).timeoutMs, 5000);
  });

  it('hedges, faults, rates and priority', async () => {
    const { hedge, fault, rateLimit, priority } = await explained({
      hedge: { delayMs: 50 },
      fault: { delay: { fixedMs: 5, percent: 10 } },
      rateLimit: { requests: 5 },
      priority: 'high',
    });
    assert.equal(hedge?.delayMs, 50);
    assert.deepEqual(fault?.delay, { fraction: { numerator: 10, denominator: 100 }, fixedMs: 5 });
    assert.equal(rateLimit?.left, 5);
    assert.equal(priority, 'high');
  });

  it('the endpoint that the hash of a request leads to, whenever it is asked', async () => {
    await using mesh = await meshOf({
      orders: {
        endpoints: ['192.0.2.1:80', '192.0.2.2:80', '192.0.2.3:80'],
        loadBalancing: { policy: 'ring-hash' },
        hash: [{ header: 'x-user' }],
      },
    });
    const endpointOf = (user: string) =>
      mesh.explain('http://orders/', { headers: { 'x-user': user } }).destinations[0]!.endpoint;
    assert.equal(endpointOf('ann')?.by, 'hash');
    assert.deepEqual(endpointOf('ann'), endpointOf('ann'));
    const users = Array.from({ length: 50 }, (_, index) => endpointOf(`user ${index}`)!.address);
    assert.equal(new Set(users).size, 3);
    assert.equal(mesh.explain('http://orders/').destinations[0]!.endpoint, undefined);
  });

  it('that a rate has nothing left', async () => {
    await using mesh = await meshOf({ orders: { endpoints: [orders.address], rateLimit: { requests: 1, perMs: 60_000 } } });
    assert.match(mesh.explain('http://orders/').verdict, /^100 % to orders: 1 of 1 endpoints healthy$/);
    await (await mesh.fetch('http://orders/')).text();
    const { refusal, verdict } = mesh.explain('http://orders/');
    assert.equal((await mesh.fetch('http://orders/')).status, 429);
    assert.match(verdict, /^100 % to orders: answered with 429, since rateLimit has none left now$/);
    assert.match(refusal ?? '', /^answered with 429/);
  });

  it('that a limit of the service is reached', async () => {
    const slow = await startServer((_request, response) => void response.write('a'));
    await using mesh = await meshOf({ orders: { endpoints: [slow.address], limits: { maxRequests: 1 } } });
    const response = await mesh.fetch('http://orders/');
    const { fails } = mesh.explain('http://orders/').destinations[0]!;
    assert.match(fails ?? '', /limit of requests in flight .*MESH_OVERFLOW/);
    await response.body?.cancel();
  });

  it('what a mesh without repeated POSTs makes of a policy that repeats them', async () => {
    const service: Services[string] = { retry: { on: ['5xx'], nonIdempotent: 'as-configured' } };
    const config = { services: { orders: { endpoints: ['192.0.2.1:80'], ...service } } };
    for (const nonIdempotentRetries of ['as-configured', 'never'] as const) {
      await using mesh = await createMesh({ controlPlane: config, nonIdempotentRetries });
      await mesh.ready();
      const { notRetried = [] } = mesh.explain('http://orders/', { method: 'POST' });
      assert.deepEqual(
        notRetried.map(({ on }) => on),
        nonIdempotentRetries === 'never' ? ['5xx'] : [],
      );
    }
  });

  it('what such a mesh makes of hedges that a gRPC policy asks for', async () => {
    const hedge = { delayMs: 50, nonFatalStatuses: ['unavailable'] };
    const config = { services: { orders: { endpoints: ['192.0.2.1:80'], hedge, retry: { maxAttempts: 1 } } } } as never;
    const headers = { 'content-type': 'application/grpc' };
    for (const nonIdempotentRetries of ['as-configured', 'never'] as const) {
      await using mesh = await createMesh({ controlPlane: config, nonIdempotentRetries });
      await mesh.ready();
      const { notHedged } = mesh.explain('http://orders/', { method: 'POST', headers });
      assert.equal(notHedged !== undefined, nonIdempotentRetries === 'never');
    }
  });

  it('the endpoint of a session', async () => {
    await using mesh = await meshOf({
      orders: { endpoints: ['192.0.2.1:80', '192.0.2.2:80'], sessionAffinity: { header: 'x-session' } },
    });
    const session = Buffer.from('192.0.2.2:80').toString('base64');
    const [destination] = mesh.explain('http://orders/', { headers: { 'x-session': session } }).destinations;
    assert.deepEqual(destination!.endpoint, { address: '192.0.2.2:80', by: 'session' });
  });
});

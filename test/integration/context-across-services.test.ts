/**
 * What a request brings along reaches the third service with no code in the two between: shop → orders → stock, each a mesh with a port
 * of its own and a certificate, over real sockets and mutual TLS.
 */
import assert from 'node:assert/strict';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { createMesh, withoutRequestContext, withRequestContext, type Mesh } from 'meshfetch';
import type { MeshFileInput } from '../../src/control-plane/file/schema.ts';
import type { InboundServer, RequestListener } from '../../src/data-plane/listen/listen-options.ts';
import type { MeshRequest } from '../../src/model/inbound.ts';
import { testAuthority, workloadCertificate, writeIdentityFiles } from '../support/certificates.ts';
import { send } from '../support/inbound.ts';
import { temporaryFolder } from '../support/secured.ts';
import { startServer } from '../support/servers.ts';

/** What a service was told. */
interface Told {
  readonly service: string;
  readonly headers: IncomingHttpHeaders;
  readonly mesh: MeshRequest;
  readonly remainingMs: number | undefined;
}

const authority = await testAuthority();
const folder = await temporaryFolder();
const stranger = await startServer((_request, response) => void response.end('stranger'));
const told: Told[] = [];
const running: { readonly mesh: Mesh; readonly server: InboundServer }[] = [];

async function start(name: string, config: MeshFileInput, handler: (mesh: Mesh) => RequestListener): Promise<number> {
  const identity = await writeIdentityFiles(folder, name, await workloadCertificate(authority, name), authority);
  const mesh = await createMesh({ name, controlPlane: { identity, ...config }, drainTimeoutMs: 200 });
  const handle = handler(mesh);
  const server = await mesh.listen(
    (request, response) => {
      const { mesh: seen } = request as IncomingMessage & { readonly mesh: MeshRequest };
      told.push({ service: name, headers: request.headers, mesh: seen, remainingMs: seen.remainingMs() });
      handle(request, response);
    },
    { port: 0, host: '127.0.0.1' },
  );
  running.push({ mesh, server });
  return server.port;
}

/** Asks one URL and answers with what came, as a program does that knows nothing of contexts. */
const passTo =
  (url: string) =>
  (mesh: Mesh): RequestListener =>
  (request, response) => {
    void (async () => {
      if (request.url === '/late') await new Promise((resolve) => request.resume().on('end', resolve));
      if (request.url === '/work') await new Promise((resolve) => setTimeout(resolve, 10));
      const ask = (): Promise<Response> => mesh.fetch(url);
      const answer = await (request.url === '/alone'
        ? withoutRequestContext(ask)
        : request.url === '/batch'
          ? withRequestContext({ isTrusted: true, criticality: 'sheddable' }, ask)
          : ask());
      response.end(await answer.text());
    })().catch((error: unknown) => response.writeHead(500).end(String((error as Error).cause ?? error)));
  };

const answer = (text: string) => (): RequestListener => (_request, response) => void response.end(text);
const tls = (peer: string) => ({ mode: 'mutual' as const, peers: [`spiffe://example.org/${peer}`] });
const strict = { mode: 'strict' as const, forwardHeaders: ['x-canary'] };

describe('a request over three services', () => {
  let port = 0;

  before(async () => {
    const stable = await start(
      'stock',
      { inbound: { ...strict, trustedPeers: ['spiffe://example.org/orders'] } },
      answer('stable'),
    );
    const canary = await start('stock-canary', { inbound: strict }, answer('canary'));
    const stock = {
      endpoints: [`127.0.0.1:${stable}`],
      tls: tls('stock'),
      routes: [{ match: { headers: { 'x-canary': 'true' } }, to: [{ service: 'stock-canary' }] }, { to: [{ service: 'stock' }] }],
    };
    const services = { stock, 'stock-canary': { endpoints: [`127.0.0.1:${canary}`], tls: tls('stock-canary') } };
    const orders = await start(
      'orders',
      { services, inbound: { ...strict, trustedPeers: ['spiffe://example.org/shop'] } },
      passTo('http://stock/'),
    );
    port = await start(
      'shop',
      {
        services: { orders: { endpoints: [`127.0.0.1:${orders}`], tls: tls('orders') } },
        inbound: { mode: 'permissive', forwardHeaders: ['x-canary'] },
      },
      (mesh) => (request, response) => {
        if (request.url !== '/stranger') passTo('http://orders/')(mesh)(request, response);
        else passTo(`http://${stranger.address}/`)(mesh)(request, response);
      },
    );
  });
  after(async () => {
    for (const { mesh } of running) await mesh.close();
  });

  async function ask(
    path: string,
    headers: Record<string, string>,
  ): Promise<{ readonly body: string; readonly told: readonly Told[] }> {
    told.length = 0;
    const { status, body } = await send(port, path, { headers });
    assert.equal(status, 200, body);
    return { body, told: [...told] };
  }

  it('is routed by its canary header at the third, which the two before never look at', async () => {
    assert.equal((await ask('/', {})).body, 'stable');
    const { body, told: seen } = await ask('/', { 'X-Canary': 'true', 'x-request-id': 'r-7', 'x-other': 'stays' });
    assert.equal(body, 'canary');
    assert.deepEqual(
      seen.map(({ service, headers }) => [service, headers['x-canary'], headers['x-request-id'], headers['x-other']]),
      [
        ['shop', 'true', 'r-7', 'stays'],
        ['orders', 'true', 'r-7', undefined],
        ['stock-canary', 'true', 'r-7', undefined],
      ],
    );
  });

  it('keeps its trace, which no tracer reads, and loses the baggage of a stranger', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const { told: seen } = await ask('/', { traceparent, tracestate: 'a=b', baggage: 'user=admin' });
    for (const { service, headers } of seen)
      assert.deepEqual(
        [headers['traceparent'], headers['tracestate'], headers['baggage']],
        [traceparent, 'a=b', undefined],
        service,
      );
  });

  it('has less time left where a service before took some', async () => {
    const { told: seen } = await ask('/work', { 'x-envoy-expected-rq-timeout-ms': '30000' });
    const left = seen.map(({ remainingMs }) => Math.round(remainingMs ?? Number.NaN));
    assert.equal(left.length, 3);
    assert.ok(left[0]! <= 30_000 && left[1]! < left[0]! && left[2]! <= left[1]! && left[2]! > 20_000, String(left));
  });

  it('matters as much as a trusted peer says, and no less for what a stranger says', async () => {
    const bold = await ask('/', {
      'x-request-criticality': 'sheddable',
      'x-forwarded-client-cert': 'URI=spiffe://example.org/admin',
    });
    for (const { service, mesh, headers } of bold.told) {
      assert.equal(mesh.criticality, 'critical', service);
      assert.equal(headers['x-request-criticality'], undefined, service);
      assert.equal(headers['x-forwarded-client-cert'], undefined, service);
    }
    const { told: seen } = await ask('/batch', {});
    assert.deepEqual(
      seen.map(({ service, mesh }) => [service, mesh.criticality]),
      [
        ['shop', 'critical'],
        ['orders', 'sheddable'],
        ['stock', 'sheddable'],
      ],
    );
  });

  it('hands on what it brought from its events, too', async () => {
    assert.equal((await ask('/late', { 'x-canary': 'true' })).body, 'canary');
  });

  it('brings nothing along to a call that opts out', async () => {
    const { body, told: seen } = await ask('/alone', { 'x-canary': 'true', 'x-request-id': 'r-7', 'grpc-timeout': '20S' });
    assert.equal(body, 'stable');
    assert.deepEqual(
      [seen[1]?.headers['x-canary'], seen[1]?.headers['x-request-id'], seen[1]?.remainingMs],
      [undefined, undefined, undefined],
    );
  });

  it('brings nothing along to a host that only DNS knows', async () => {
    const { body } = await ask('/stranger', {
      'x-canary': 'true',
      'x-request-id': 'r-7',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    });
    assert.equal(body, 'stranger');
    const [request] = stranger.requests;
    for (const name of ['x-canary', 'x-request-id', 'traceparent', 'x-envoy-expected-rq-timeout-ms'])
      assert.equal(request?.headers[name], undefined, name);
  });

  it('shows each service its caller', async () => {
    const { told: seen } = await ask('/', {});
    assert.deepEqual(
      seen.map(({ service, mesh }) => [service, mesh.peer.spiffeId]),
      [
        ['shop', undefined],
        ['orders', 'spiffe://example.org/shop'],
        ['stock', 'spiffe://example.org/orders'],
      ],
    );
  });
});

/** The three kinds of probe against real servers: what each answer is taken for, and what goes over the wire. */
import assert from 'node:assert/strict';
import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { after, describe, it, type TestContext } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { systemClock } from '../../../../src/base/runtime.ts';
import { checkTargetOf } from '../../../../src/data-plane/health-checks/check-target.ts';
import { createGrpcProbe } from '../../../../src/data-plane/health-checks/grpc-probe.ts';
import { createHttpProbe } from '../../../../src/data-plane/health-checks/http-probe.ts';
import type { CheckVerdict, HealthProbe } from '../../../../src/data-plane/health-checks/health-probe.ts';
import { createTcpProbe } from '../../../../src/data-plane/health-checks/tcp-probe.ts';
import { Host } from '../../../../src/data-plane/cluster/host.ts';
import type { ClusterConfig } from '../../../../src/model/cluster.ts';
import type { HealthCheckConfig } from '../../../../src/model/health.ts';
import type { UpstreamTls } from '../../../../src/model/tls.ts';
import { createIdentityStore, type IdentityStore } from '../../../../src/security/identity-store.ts';
import { identityStoreWith, testAuthority, workloadCertificate } from '../../../support/certificates.ts';
import { endpointAt } from '../../../support/cluster-plane.ts';
import { eventually } from '../../../support/mesh-of.ts';
import { startHttp2, startHttps, temporaryFolder } from '../../../support/secured.ts';
import { answer, closedPort, startServer, startTcpServer } from '../../../support/servers.ts';

const noIdentities = createIdentityStore({ clock: systemClock });

interface Asked {
  readonly check?: Partial<HealthCheckConfig>;
  readonly cluster?: Partial<ClusterConfig>;
  readonly tls?: UpstreamTls;
  readonly identities?: IdentityStore;
}

function probeOf(t: TestContext, address: string, { check, cluster, tls, identities = noIdentities }: Asked = {}): HealthProbe {
  const whole: HealthCheckConfig = {
    kind: 'http',
    timeoutMs: 2000,
    intervalMs: 1000,
    healthyThreshold: 1,
    unhealthyThreshold: 1,
    ...check,
  };
  const host = new Host('key', endpointAt(address), tls, {});
  const config: ClusterConfig = {
    name: 'orders',
    discovery: { kind: 'static', localities: [] },
    loadBalancing: { policy: 'random' },
    ...(tls && { tls }),
    ...cluster,
  };
  const create = { http: createHttpProbe, tcp: createTcpProbe, grpc: createGrpcProbe }[whole.kind];
  const probe = create(checkTargetOf(whole, host, config)!, { clock: systemClock, identities });
  t.after(() => probe.close());
  return probe;
}

const ask = (probe: HealthProbe): Promise<CheckVerdict> => new Promise((resolve) => probe.begin(resolve));

/** `passed`, `degraded`, or the kind and the reason. */
const wordsOf = (verdict: CheckVerdict): string =>
  verdict.kind === 'passed' ? (verdict.isDegraded ? 'degraded' : 'passed') : `${verdict.kind}: ${verdict.reason}`;

describe('an HTTP check', () => {
  for (const { name, status = 200, headers = {}, body = '', check, verdict } of [
    { name: '200-passes', verdict: 'passed' },
    { name: '204-does-not-by-itself', status: 204, verdict: 'answer: answered 204' },
    { name: '503-does-not', status: 503, verdict: 'answer: answered 503' },
    { name: 'redirect-does-not', status: 302, headers: { location: '/' }, verdict: 'answer: answered 302' },
    { name: 'expected-status', status: 204, check: { expectedStatuses: [{ start: 200, end: 205 }] }, verdict: 'passed' },
    {
      name: 'end-is-excluded',
      status: 205,
      check: { expectedStatuses: [{ start: 200, end: 205 }] },
      verdict: 'answer: answered 205',
    },
    { name: 'other-than-200-only', check: { expectedStatuses: [{ start: 204, end: 205 }] }, verdict: 'answer: answered 200' },
    { name: 'degraded', headers: { 'x-envoy-degraded': '' }, verdict: 'degraded' },
    { name: 'degraded-and-failing', status: 500, headers: { 'x-envoy-degraded': 'true' }, verdict: 'answer: answered 500' },
    { name: 'bytes-in-order', body: 'up: db, up: cache', check: { expectHex: ['6462', '6361'] }, verdict: 'passed' },
    {
      name: 'bytes-out-of-order',
      body: 'up: cache, up: db',
      check: { expectHex: ['6462', '6361'] },
      verdict: 'answer: answered 200 without the expected bytes',
    },
    { name: 'body-of-a-megabyte', body: 'x'.repeat(1_000_000), verdict: 'passed' },
    {
      name: 'service-name',
      headers: { 'x-envoy-upstream-healthchecked-cluster': 'orders-1' },
      check: { serviceName: { kind: 'prefix', value: 'orders' } },
      verdict: 'passed',
    },
    {
      name: 'other-service-name',
      headers: { 'x-envoy-upstream-healthchecked-cluster': 'billing' },
      check: { serviceName: { kind: 'prefix', value: 'orders' } },
      verdict: 'answer: answered as the service "billing", which is not the expected one',
    },
    {
      name: 'no-service-name',
      check: { serviceName: { kind: 'prefix', value: 'orders' } },
      verdict: 'answer: answered as the service "", which is not the expected one',
    },
  ] as const satisfies readonly (Asked & { name: string; status?: number; headers?: object; body?: string; verdict: string })[]) {
    it(name, async (t) => {
      const server = await startServer((_request, response) => response.writeHead(status, headers).end(body));
      assert.equal(wordsOf(await ask(probeOf(t, server.address, { ...(check && { check }) }))), verdict);
    });
  }

  it('only counts a retriable status', async (t) => {
    const server = await startServer((_request, response) => response.writeHead(429).end());
    const probe = probeOf(t, server.address, { check: { retriableStatuses: [{ start: 429, end: 430 }] } });
    assert.deepEqual(await ask(probe), { kind: 'answer', reason: 'answered 429', onlyCounts: true });
  });

  it('waits for the answer behind an informational one', async (t) => {
    const server = await startServer((_request, response) => {
      response.writeEarlyHints({ link: '</a>; rel=preload' });
      response.end();
    });
    assert.equal(wordsOf(await ask(probeOf(t, server.address))), 'passed');
  });

  it('names the cluster as its host, and says who asks', async (t) => {
    const server = await startServer(answer('ok'));
    await ask(probeOf(t, server.address));
    const { method, url, headers } = server.requests[0]!;
    assert.deepEqual([method, url, headers.host, headers['user-agent']], ['GET', '/', 'orders', 'meshfetch-health-check']);
  });

  it('writes a name of a cluster that no URL can have', async (t) => {
    const server = await startServer(answer('ok'));
    assert.equal(wordsOf(await ask(probeOf(t, server.address, { cluster: { name: 'outbound|80|v1|orders.shop' } }))), 'passed');
    assert.equal(server.requests[0]!.headers.host, 'outbound|80|v1|orders.shop');
  });

  it('asks as it is told to', async (t) => {
    let body = '';
    const server = await startServer((request, response) => {
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => response.end());
    });
    const check = {
      method: 'POST',
      path: '/healthz?deep=1',
      host: 'health.internal:8080',
      headers: { 'X-Check': 'a', 'User-Agent': 'other' },
      sendHex: '70696e67',
    };
    assert.equal(wordsOf(await ask(probeOf(t, server.address, { check }))), 'passed');
    const { method, url, headers } = server.requests[0]!;
    assert.deepEqual([method, url, headers.host, body], ['POST', '/healthz?deep=1', 'health.internal:8080', 'ping']);
    assert.deepEqual([headers['x-check'], headers['user-agent']], ['a', 'other']);
  });

  it('asks another port where the check names one', async (t) => {
    const [requests, health] = [await startServer(answer('no')), await startServer(answer('yes'))];
    assert.equal(wordsOf(await ask(probeOf(t, requests.address, { check: { port: health.port } }))), 'passed');
    assert.deepEqual([requests.requests.length, health.requests.length], [0, 1]);
  });

  it('reaches a unix socket', async (t) => {
    const server = await startServer(answer('ok'));
    const path = `${await temporaryFolder()}/s`;
    await new Promise<void>((resolve) => {
      server.server.close(() => server.server.listen(path, resolve));
      server.server.closeAllConnections();
    });
    assert.equal(wordsOf(await ask(probeOf(t, path))), 'passed');
  });

  it('uses one connection for many checks, and a new one when that was closed meanwhile', async (t) => {
    const server = await startServer(answer('ok'));
    const sockets: Socket[] = [];
    server.server.on('connection', (socket) => sockets.push(socket));
    const probe = probeOf(t, server.address);
    for (let time = 0; time < 3; time++) assert.equal(wordsOf(await ask(probe)), 'passed');
    assert.equal(sockets.length, 1);
    sockets[0]!.destroy();
    assert.equal(wordsOf(await ask(probe)), 'passed');
    assert.equal(sockets.length, 2);
  });

  it('does not take it for a failure that a kept connection breaks as it is used again', async (t) => {
    let isFirst = true;
    const server = await startServer((request, response) => {
      if (isFirst) response.end();
      else if (server.requests.length === 2) request.socket.resetAndDestroy();
      else response.end();
      isFirst = false;
    });
    const probe = probeOf(t, server.address);
    assert.equal(wordsOf(await ask(probe)), 'passed');
    assert.equal(wordsOf(await ask(probe)), 'passed');
    assert.equal(server.requests.length, 3);
  });

  it('fails when a new connection breaks', async (t) => {
    const server = await startServer((request) => request.socket.resetAndDestroy());
    assert.match(wordsOf(await ask(probeOf(t, server.address))), /^network: /);
    assert.equal(server.requests.length, 1);
  });

  it('fails at a closed port, and says so', async (t) => {
    const port = await closedPort();
    const words = wordsOf(await ask(probeOf(t, `127.0.0.1:${port}`)));
    assert.equal(words, `network: 127.0.0.1:${port} refused the connection (ECONNREFUSED)`);
  });

  it('says what is wrong with a header that cannot be sent', async (t) => {
    const server = await startServer(answer('ok'));
    assert.match(
      wordsOf(await ask(probeOf(t, server.address, { check: { headers: { 'x-a': 'a\nb' } } }))),
      /^network: .*header/i,
    );
  });

  it('hears no more of a check that was broken off', async (t) => {
    const held = Promise.withResolvers<void>();
    const server = await startServer((_request, response) => void held.promise.then(() => response.end()));
    const probe = probeOf(t, server.address);
    let verdicts = 0;
    probe.begin(() => verdicts++);
    await eventually('it is asked', () => server.requests.length === 1);
    probe.close();
    held.resolve();
    await eventually('its connection is closed', () => !probe.isConnected);
    await new Promise(setImmediate);
    assert.equal(verdicts, 0);
    assert.equal(wordsOf(await ask(probe)), 'passed');
  });
});

describe('an HTTP check over TLS', async () => {
  const authority = await testAuthority();
  const orders = await workloadCertificate(authority, 'orders');
  const identities = identityStoreWith(authority, await workloadCertificate(authority, 'web'));
  const mutual: UpstreamTls = {
    mode: 'mutual',
    identity: 'default',
    trust: 'default',
    peers: [{ kind: 'uri', match: 'exact', value: 'spiffe://example.org/orders' }],
  };

  it('shows our certificate and checks the name of the peer, as requests do', async (t) => {
    const server = await startHttps(orders, answer('ok'), authority);
    assert.equal(wordsOf(await ask(probeOf(t, server.address, { tls: mutual, identities }))), 'passed');
    assert.match(server.sockets[0]!.getPeerX509Certificate()!.subjectAltName!, /spiffe:\/\/example\.org\/web/);
  });

  it('fails when somebody else answers', async (t) => {
    const server = await startHttps(await workloadCertificate(authority, 'billing'), answer('ok'), authority);
    assert.match(wordsOf(await ask(probeOf(t, server.address, { tls: mutual, identities }))), /^network: .*spiffe/);
    assert.equal(server.requests(), 0);
  });

  it('verifies the host of the check where the peers are not named', async (t) => {
    const server = await startHttps(orders, answer('ok'));
    const tls: UpstreamTls = { mode: 'simple', trust: 'default', peers: [] };
    assert.equal(wordsOf(await ask(probeOf(t, server.address, { tls, identities }))), 'passed');
    const named = probeOf(t, server.address, { tls, identities, check: { host: 'billing:8080' } });
    assert.match(wordsOf(await ask(named)), /^network: .*billing/);
  });

  it('is not begun without our certificate, which says nothing about the endpoint', async (t) => {
    const server = await startHttps(orders, answer('ok'), authority);
    assert.match(wordsOf(await ask(probeOf(t, server.address, { tls: mutual }))), /^unasked: /);
  });

  it('speaks HTTP/2 where the endpoint takes it, HTTP/1.1 where the check says so', async (t) => {
    const versions: string[] = [];
    const server = await startHttp2(
      orders,
      (request, response) => {
        versions.push(request.httpVersion);
        response.end();
      },
      { allowHTTP1: true, clients: authority },
    );
    assert.equal(wordsOf(await ask(probeOf(t, server.address, { tls: mutual, identities }))), 'passed');
    const old = probeOf(t, server.address, { tls: mutual, identities, check: { protocol: 'http1' } });
    assert.equal(wordsOf(await ask(old)), 'passed');
    assert.deepEqual(versions, ['2.0', '1.1']);
  });

  it('offers the protocols that the check names', async (t) => {
    const offered: (string | false | null)[] = [];
    const server = await startHttps(orders, answer('ok'), authority);
    server.server.on('secureConnection', (socket: TLSSocket) => offered.push(socket.alpnProtocol));
    const probe = probeOf(t, server.address, { tls: mutual, identities, check: { alpn: ['http/1.1'] } });
    assert.equal(wordsOf(await ask(probe)), 'passed');
    assert.deepEqual(offered, ['http/1.1']);
  });

  it('takes the TLS that its criteria pick, else that of the cluster', async (t) => {
    const server = await startHttps(orders, answer('ok'), authority);
    const plain = await startServer(answer('ok'));
    const cluster: Partial<ClusterConfig> = {
      tls: mutual,
      tlsMatches: [{ name: 'plain', metadata: { tls: 'off' }, tls: { mode: 'disabled' } }],
    };
    for (const [address, tlsMatch] of [
      [plain.address, { tls: 'off' }],
      [server.address, { tls: 'other' }],
    ] as const)
      assert.equal(wordsOf(await ask(probeOf(t, address, { identities, cluster, check: { tlsMatch } }))), 'passed', address);
  });
});

type Reply = (stream: ServerHttp2Stream) => void;
const framed = (hex: string): Buffer => Buffer.from(`00${(hex.length / 2).toString(16).padStart(8, '0')}${hex}`, 'hex');

/** Answers with one message and a status in the trailers. */
const grpc =
  (hex: string, status = '0'): Reply =>
  (stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status }));
    stream.end(framed(hex));
  };

/** A server of HTTP/2 without TLS. */
async function startGrpc(reply: Reply) {
  const seen: { headers: Record<string, unknown>; body: string }[] = [];
  let sessions = 0;
  const server = createHttp2Server();
  server.on('session', (session) => {
    sessions++;
    after(() => session.destroy());
  });
  server.on('stream', (stream, headers) => {
    const chunks: Buffer[] = [];
    stream.on('error', () => {});
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      seen.push({ headers, body: Buffer.concat(chunks).toString('hex') });
      reply(stream);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  after(() => server.close());
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, seen, sessions: () => sessions };
}

describe('a gRPC check', () => {
  for (const { name, reply, verdict } of [
    { name: 'serving-passes', reply: grpc('0801'), verdict: 'passed' },
    { name: 'not-serving', reply: grpc('0802'), verdict: 'answer: says it is NOT_SERVING' },
    { name: 'unknown', reply: grpc(''), verdict: 'answer: says it is UNKNOWN' },
    { name: 'error-behind-the-message', reply: grpc('0801', '13'), verdict: 'answer: answered grpc-status 13' },
    { name: 'no-message', reply: grpc('ff'), verdict: 'answer: answered something other than a HealthCheckResponse' },
    {
      name: 'no-such-service',
      reply: (stream: ServerHttp2Stream) =>
        stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '5' }, { endStream: true }),
      verdict: 'answer: answered grpc-status 5 (the server has no service "shop.Orders")',
    },
    {
      name: 'no-health-service',
      reply: (stream: ServerHttp2Stream) =>
        stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '12' }, { endStream: true }),
      verdict: 'answer: answered grpc-status 12 (no health service)',
    },
    {
      name: 'not-grpc',
      reply: (stream: ServerHttp2Stream) => {
        stream.respond({ ':status': 200, 'content-type': 'text/html' });
        stream.end('<p>');
      },
      verdict: 'answer: answered text/html, not gRPC',
    },
    {
      name: 'http-status',
      reply: (stream: ServerHttp2Stream) => stream.respond({ ':status': 503 }, { endStream: true }),
      verdict: 'answer: answered HTTP 503, not gRPC',
    },
    { name: 'stream-reset', reply: (stream: ServerHttp2Stream) => stream.close(8), verdict: /^network: / },
  ] as const) {
    it(name, async (t) => {
      const server = await startGrpc(reply);
      const words = wordsOf(await ask(probeOf(t, server.address, { check: { kind: 'grpc', service: 'shop.Orders' } })));
      if (typeof verdict === 'string') assert.equal(words, verdict);
      else assert.match(words, verdict);
    });
  }

  it('asks for the service by name, over one connection', async (t) => {
    const server = await startGrpc(grpc('0801'));
    const probe = probeOf(t, server.address, { check: { kind: 'grpc', service: 'abc', headers: { 'x-check': '1' } } });
    assert.equal(wordsOf(await ask(probe)), 'passed');
    assert.equal(wordsOf(await ask(probe)), 'passed');
    assert.equal(server.sessions(), 1);
    const { headers, body } = server.seen[1]!;
    assert.equal(body, '00000000050a03616263');
    assert.deepEqual(
      [':method', ':path', ':authority', ':scheme', 'content-type', 'te', 'grpc-timeout', 'x-check'].map((key) => headers[key]),
      ['POST', '/grpc.health.v1.Health/Check', 'orders', 'http', 'application/grpc', 'trailers', '2000m', '1'],
    );
  });

  it('fails at a server of HTTP/1.1', async (t) => {
    const server = await startServer(answer('ok'));
    assert.match(wordsOf(await ask(probeOf(t, server.address, { check: { kind: 'grpc' } }))), /^(network|answer): /);
  });
});

describe('a TCP check', () => {
  const tcp = (more: Partial<HealthCheckConfig> = {}): Asked => ({ check: { kind: 'tcp', ...more } });

  it('passes when it connects, and leaves the connection', async (t) => {
    let closed = 0;
    const server = await startTcpServer((socket) => socket.resume().on('close', () => closed++));
    const probe = probeOf(t, server.address, tcp());
    assert.equal(wordsOf(await ask(probe)), 'passed');
    assert.equal(wordsOf(await ask(probe)), 'passed');
    await eventually('both are closed', () => closed === 2);
  });

  it('fails at a closed port', async (t) => {
    assert.match(wordsOf(await ask(probeOf(t, `127.0.0.1:${await closedPort()}`, tcp()))), /^network: .*ECONNREFUSED/);
  });

  it('sends, and passes once everything expected has come, in pieces and in order', async (t) => {
    const server = await startTcpServer((socket) => {
      socket.on('data', (data) => {
        if (data.toString() !== 'PING') return;
        socket.write('..PO');
        setImmediate(() => socket.write('NG..EN'));
        setImmediate(() => setImmediate(() => socket.write('D')));
      });
    });
    const probe = probeOf(t, server.address, tcp({ sendHex: '50494e47', expectHex: ['504f4e47', '454e44'] }));
    assert.equal(wordsOf(await ask(probe)), 'passed');
    assert.equal(wordsOf(await ask(probe)), 'passed');
    assert.equal(server.connections(), 1);
  });

  it('does not count bytes of an earlier check', async (t) => {
    let times = 0;
    const server = await startTcpServer((socket) => socket.on('data', () => ++times === 1 && socket.write('PONG')));
    const probe = probeOf(t, server.address, tcp({ sendHex: '50', expectHex: ['504f4e47'] }));
    assert.equal(wordsOf(await ask(probe)), 'passed');
    const verdict = ask(probe);
    await eventually('it is asked again', () => times === 2);
    const first = await Promise.race([verdict, new Promise<undefined>((resolve) => setImmediate(() => resolve(undefined)))]);
    assert.equal(first, undefined);
  });

  it('fails when the endpoint closes before', async (t) => {
    const server = await startTcpServer((socket) => socket.end('PO'));
    const probe = probeOf(t, server.address, tcp({ expectHex: ['504f4e47'] }));
    assert.equal(wordsOf(await ask(probe)), 'network: closed the connection before it sent the expected bytes');
  });

  it('fails when it talks and never says it', async (t) => {
    const server = await startTcpServer((socket) => void socket.write('x'.repeat(70_000)));
    const words = wordsOf(await ask(probeOf(t, server.address, tcp({ expectHex: ['504f4e47'] }))));
    assert.match(words, /^network: sent \d+ bytes without the expected ones$/);
  });

  it('makes a new connection when a kept one was closed', async (t) => {
    const server = await startTcpServer((socket) => {
      socket.on('data', () => socket.end('PONG'));
    });
    const probe = probeOf(t, server.address, tcp({ sendHex: '50', expectHex: ['504f4e47'] }));
    for (let time = 0; time < 3; time++) assert.equal(wordsOf(await ask(probe)), 'passed');
  });

  it('makes the handshake of TLS, with our certificate', async (t) => {
    const authority = await testAuthority();
    const server = await startHttps(await workloadCertificate(authority, 'orders'), answer('ok'), authority);
    const identities = identityStoreWith(authority, await workloadCertificate(authority, 'web'));
    const tls: UpstreamTls = { mode: 'mutual', identity: 'default', trust: 'default', peers: [] };
    assert.equal(wordsOf(await ask(probeOf(t, server.address, { ...tcp(), tls, identities }))), 'passed');
    const plain = await startTcpServer((socket) => socket.end('hello'));
    assert.match(wordsOf(await ask(probeOf(t, plain.address, { ...tcp(), tls, identities }))), /^network: TLS with/);
  });
});

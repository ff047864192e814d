import assert from 'node:assert/strict';
import { constants } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer as createHttp2Server } from 'node:http2';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';

import { Client } from 'undici';

import { systemClock, type Clock } from '../../../../src/base/runtime.ts';
import {
  ConnectError,
  connectErrorOf,
  isTlsAlert,
  RefusedAfterHandshakeError,
} from '../../../../src/data-plane/transport/connect-error.ts';
import { createConnector, peerOf, type ConnectTarget } from '../../../../src/data-plane/transport/connect.ts';
import type { UpstreamTls } from '../../../../src/model/tls.ts';
import type { CertificateAuthority } from '../../../../src/security/certificate-authority.ts';
import { createIdentityStore, type IdentityStore } from '../../../../src/security/identity-store.ts';
import {
  hourMs,
  identityStoreWith,
  serverKeyPair,
  svidOf,
  testAuthority,
  validity,
  workloadCertificate,
} from '../../../support/certificates.ts';
import { connectOnce } from '../../../support/connect-once.ts';
import { startTlsServer } from '../../../support/tls-server.ts';

const mutual: UpstreamTls = {
  mode: 'mutual',
  identity: 'default',
  trust: 'default',
  sni: 'orders',
  peers: [{ kind: 'uri', match: 'exact', value: 'spiffe://example.org/orders' }],
};

const noTicket = constants.SSL_OP_NO_TICKET;
const noIdentities = createIdentityStore({ clock: systemClock });

function target(port: number, more: Partial<ConnectTarget> = {}): ConnectTarget {
  return { host: '127.0.0.1', port, identities: noIdentities, connectTimeoutMs: 5000, clock: systemClock, ...more };
}

async function listen(server: Server, where: number | string = 0): Promise<number> {
  if (typeof where === 'number') server.listen(where, '127.0.0.1');
  else server.listen(where);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

describe('a plaintext connector', () => {
  it('dials the endpoint, not the host of the URL', async () => {
    const server = createServer((socket) => socket.end());
    const port = await listen(server);
    const { kind, socket } = await connectOnce(createConnector(target(port)), { host: 'no-such-host.invalid' });
    server.close();
    assert.equal(kind, 'connected');
    assert.equal(peerOf(socket!), undefined);
  });

  it('dials a Unix domain socket', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'meshfetch-'));
    const socketPath = join(directory, 'orders.sock');
    const server = createServer((socket) => socket.end('HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n'));
    await listen(server, socketPath);
    const client = new Client('http://orders', { connect: createConnector(target(0, { socketPath })) });
    assert.equal((await client.request({ path: '/', method: 'GET' })).statusCode, 204);
    await client.destroy();
    server.close();
    await rm(directory, { recursive: true });
    const gone = await connectOnce(createConnector(target(0, { socketPath })));
    assert.equal(gone.kind, 'refused');
  });

  it('says that nobody listens', async () => {
    const server = createServer();
    const port = await listen(server);
    server.close();
    await once(server, 'close');
    const { kind, error } = await connectOnce(createConnector(target(port)));
    assert.equal(kind, 'refused');
    assert.equal(error!.code, 'ECONNREFUSED');
    assert.match(error!.message, new RegExp(`127\\.0\\.0\\.1:${port} refused the connection`));
  });

  it('says that a name cannot be resolved', async () => {
    const { kind } = await connectOnce(createConnector(target(80, { host: 'x'.repeat(300) })));
    assert.equal(kind, 'network');
  });

  it('speaks HTTP/2 by prior knowledge', async () => {
    const server = createHttp2Server((request, response) => response.end(`HTTP/${request.httpVersion}`));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const client = new Client('http://orders', {
      connect: createConnector(target(port, { h2: 'prior-knowledge' })),
      allowH2: true,
    });
    const { body } = await client.request({ path: '/', method: 'GET' });
    assert.equal(await body.text(), 'HTTP/2.0');
    await client.destroy();
    server.close();
  });

  for (const port of [0, -1, 65_536, 1.5]) {
    it(`is not made for port ${port}`, () => {
      assert.throws(() => createConnector(target(port)), { name: 'RangeError', message: `port must be 1…65535, not ${port}` });
    });
  }
});

describe('the connect timeout', () => {
  /** Timers that the test fires by hand, all of them being due. */
  function manualClock(): Clock & { fire(): void; readonly delays: number[] } {
    let timers: (() => void)[] = [];
    const delays: number[] = [];
    return {
      now: () => 0,
      wallNow: () => systemClock.wallNow(),
      setTimer(callback, delayMs) {
        timers.push(callback);
        delays.push(delayMs);
        return { cancel: () => void (timers = timers.filter((timer) => timer !== callback)) };
      },
      fire() {
        const due = timers;
        timers = [];
        for (const timer of due) timer();
      },
      delays,
    };
  }

  it('covers TCP: nothing has been accepted', async () => {
    const server = createServer();
    const port = await listen(server);
    const clock = manualClock();
    const outcome = connectOnce(createConnector(target(port, { clock, connectTimeoutMs: 1000 })));
    for (let slice = 0; slice < 4; slice += 1) clock.fire();
    const { kind, error } = await outcome;
    server.close();
    assert.equal(kind, 'timeout');
    assert.match(error!.message, /did not accept the connection within 1000 ms/);
    assert.deepEqual(clock.delays, [250, 250, 250, 250]); // 1000 ms / 4 slices
  });

  it('covers TLS: the connection is accepted and the endpoint says nothing', async () => {
    const ca = await testAuthority();
    const accepted = Promise.withResolvers<Socket>();
    const server = createServer((socket) => accepted.resolve(socket.on('error', () => undefined)));
    const port = await listen(server);
    const clock = manualClock();
    const identities = identityStoreWith(ca, await workloadCertificate(ca, 'web'));
    const outcome = connectOnce(createConnector(target(port, { clock, identities, tls: mutual, connectTimeoutMs: 1000 })));
    const socket = await accepted.promise;
    await once(socket, 'data');
    for (let slice = 0; slice < 4; slice += 1) clock.fire();
    const { kind, error } = await outcome;
    socket.destroy();
    server.close();
    assert.equal(kind, 'timeout');
    assert.match(error!.message, /did not finish the TLS handshake within 1000 ms/);
  });

  it('does not count time in which this process looked away', async () => {
    const server = createServer((socket) => socket.end());
    const port = await listen(server);
    const clock = manualClock();
    const outcome = connectOnce(createConnector(target(port, { clock, connectTimeoutMs: 1000 })));
    // The event loop was blocked for long: one timer fires, and only then is the socket looked at.
    clock.fire();
    const { kind } = await outcome;
    server.close();
    assert.equal(kind, 'connected');
  });

  it('leaves no timer behind', async () => {
    const server = createServer((socket) => socket.end());
    const port = await listen(server);
    let running = 0;
    const clock: Clock = {
      ...systemClock,
      setTimer(callback, delayMs) {
        running += 1;
        const timer = systemClock.setTimer(callback, delayMs);
        return {
          cancel() {
            running -= 1;
            timer.cancel();
          },
        };
      },
    };
    await connectOnce(createConnector(target(port, { clock })));
    server.close();
    await once(server, 'close');
    assert.equal(running, 0);
    await connectOnce(createConnector(target(port, { clock })));
    assert.equal(running, 0);
  });
});

describe('a TLS connector', () => {
  let ca: CertificateAuthority;
  let identities: IdentityStore;
  before(async () => {
    ca = await testAuthority();
    identities = identityStoreWith(ca, await workloadCertificate(ca, 'web'));
  });

  it('asks nobody while the identity is missing, and says so', async () => {
    const connections: Socket[] = [];
    const server = createServer((socket) => connections.push(socket));
    const port = await listen(server);
    for (const [missing, store] of [
      ['certificate', identityStoreWith(ca)],
      ['trust bundle', bundleless(await workloadCertificate(ca, 'web'))],
    ] as const) {
      const connector = createConnector(target(port, { identities: store, tls: mutual }));
      const { kind, error } = await connectOnce(connector);
      assert.equal(kind, 'no-identity');
      assert.match(error!.message, new RegExp(`no ${missing} "default" is in force`));
    }
    server.close();
    assert.equal(connections.length, 0);
  });

  function bundleless(issued: Awaited<ReturnType<typeof workloadCertificate>>): IdentityStore {
    const store = createIdentityStore({ clock: systemClock });
    store.setSvid(svidOf(issued));
    return store;
  }

  const protocols = [
    {
      name: 'http1-by-default',
      h2: undefined,
      alpn: undefined,
      server: ['h2', 'http/1.1'],
      chosen: 'http/1.1',
      spoken: 'http/1.1',
    },
    { name: 'h2-offered-and-taken', h2: 'offer', alpn: undefined, server: ['h2', 'http/1.1'], chosen: 'h2', spoken: 'h2' },
    {
      name: 'h2-offered-and-not-taken',
      h2: 'offer',
      alpn: undefined,
      server: ['http/1.1'],
      chosen: 'http/1.1',
      spoken: 'http/1.1',
    },
    { name: 'h2-by-prior-knowledge', h2: 'prior-knowledge', alpn: undefined, server: ['h2'], chosen: 'h2', spoken: 'h2' },
    {
      name: 'h2-by-prior-knowledge-without-alpn',
      h2: 'prior-knowledge',
      alpn: undefined,
      server: undefined,
      chosen: false,
      spoken: 'h2',
    },
    {
      name: 'istio',
      h2: 'never',
      alpn: ['istio-http/1.1', 'istio'],
      server: ['istio-http/1.1'],
      chosen: 'istio-http/1.1',
      spoken: 'istio-http/1.1',
    },
    {
      name: 'h2-named-and-not-wanted',
      h2: 'never',
      alpn: ['h2', 'http/1.1'],
      server: ['h2', 'http/1.1'],
      chosen: 'http/1.1',
      spoken: 'http/1.1',
    },
    {
      name: 'only-h2-named-and-not-wanted',
      h2: 'never',
      alpn: ['h2'],
      server: ['h2', 'http/1.1'],
      chosen: 'http/1.1',
      spoken: 'http/1.1',
    },
  ] as const;

  for (const row of protocols) {
    it(`negotiates the protocol: ${row.name}`, async () => {
      await using server = await startTlsServer({
        ...serverKeyPair(await workloadCertificate(ca, 'orders')),
        ...(row.server && { ALPNProtocols: [...row.server] }),
      });
      const tls: UpstreamTls = { ...mutual, ...(row.alpn && { alpn: row.alpn }) };
      const connector = createConnector(target(server.port, { identities, tls, ...(row.h2 && { h2: row.h2 }) }));
      const { socket } = await connectOnce(connector, { keep: true });
      if (server.seen.length === 0) await once(server.server, 'secureConnection');
      assert.equal(server.seen[0]!.protocol, row.chosen);
      assert.equal((socket as { alpnProtocol?: unknown }).alpnProtocol, row.spoken);
      socket!.destroy();
    });
  }

  for (const row of [
    {
      name: 'sni-of-the-cluster',
      sni: 'outbound_.80_._.orders.shop.svc.cluster.local',
      host: 'orders',
      seen: 'outbound_.80_._.orders.shop.svc.cluster.local',
    },
    { name: 'host-of-the-url', sni: undefined, host: 'orders', seen: 'orders' },
    { name: 'none-for-an-ip-address', sni: undefined, host: '127.0.0.1', seen: false },
  ]) {
    it(`sends a server name: ${row.name}`, async () => {
      await using server = await startTlsServer(serverKeyPair(await workloadCertificate(ca, 'orders')));
      const { sni: _, ...rest } = mutual;
      const tls: UpstreamTls = { ...rest, ...(row.sni !== undefined && { sni: row.sni }) };
      const { socket } = await connectOnce(createConnector(target(server.port, { identities, tls })), {
        host: row.host,
        keep: true,
      });
      if (server.seen.length === 0) await once(server.server, 'secureConnection');
      assert.equal(server.seen[0]!.serverName, row.seen);
      socket!.destroy();
    });
  }

  it('shows no certificate of ours in mode simple', async () => {
    await using server = await startTlsServer({
      ...serverKeyPair(await workloadCertificate(ca, 'orders')),
      ca: ca.certificate,
      requestCert: true,
      rejectUnauthorized: false,
    });
    const { socket } = await connectOnce(
      createConnector(target(server.port, { identities, tls: { ...mutual, mode: 'simple' } })),
      { keep: true },
    );
    if (server.seen.length === 0) await once(server.server, 'secureConnection');
    assert.equal(server.seen[0]!.client, undefined);
    socket!.destroy();
  });

  it('refuses to renegotiate', async () => {
    const server = createTlsServer(
      { ...serverKeyPair(await workloadCertificate(ca, 'orders')), maxVersion: 'TLSv1.2' },
      (socket) => {
        socket.on('error', () => undefined);
        socket.renegotiate({}, () => undefined);
      },
    );
    const port = await listen(server);
    const { socket } = await connectOnce(createConnector(target(port, { identities, tls: mutual })), { keep: true });
    const [error] = (await once(socket!, 'error')) as [Error];
    socket!.destroy();
    server.close();
    assert.match(error.message, /alert handshake failure/); // the server's answer to our refusal
  });
});

describe('an endpoint that refuses our certificate', () => {
  let ca: CertificateAuthority;
  before(async () => {
    ca = await testAuthority();
  });

  async function askWith(store: IdentityStore, tls: UpstreamTls, maxVersion: 'TLSv1.2' | 'TLSv1.3'): Promise<unknown> {
    await using server = await startTlsServer({
      ...serverKeyPair(await workloadCertificate(ca, 'orders')),
      ca: ca.certificate,
      requestCert: true,
      rejectUnauthorized: true,
      maxVersion,
    });
    const client = new Client('http://orders', { connect: createConnector(target(server.port, { identities: store, tls })) });
    const error: unknown = await client.request({ path: '/', method: 'GET' }).catch((reason: unknown) => reason);
    await client.destroy();
    return error;
  }

  it('says so by an alert after the handshake when there is none (TLS 1.3)', async () => {
    const error = await askWith(identityStoreWith(ca), { ...mutual, mode: 'simple' }, 'TLSv1.3');
    assert.ok(error instanceof RefusedAfterHandshakeError, String(error));
    assert.equal(error.code, 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED');
    assert.ok(isTlsAlert(error));
  });

  it('closes without a word when there is none (TLS 1.3)', async () => {
    const server = createTlsServer(
      { ...serverKeyPair(await workloadCertificate(ca, 'orders')), secureOptions: noTicket },
      (socket) => {
        socket.on('error', () => undefined).destroy();
      },
    );
    const port = await listen(server);
    const tls: UpstreamTls = { ...mutual, mode: 'simple' };
    const client = new Client('http://orders', {
      connect: createConnector(target(port, { identities: identityStoreWith(ca), tls })),
    });
    const error: unknown = await client.request({ path: '/', method: 'GET' }).catch((reason: unknown) => reason);
    await client.destroy();
    server.close();
    assert.match(String(error), /right after the TLS handshake; it may want a certificate of ours \(`tls\.mode: mutual`\)/);
  });

  it('says so in the handshake when there is none (TLS 1.2)', async () => {
    const error = await askWith(identityStoreWith(ca), { ...mutual, mode: 'simple' }, 'TLSv1.2');
    assert.ok(error instanceof ConnectError);
    assert.equal(error.kind, 'tls');
    assert.ok(isTlsAlert(error), String(error));
  });

  it('closes without a word when it was issued by an unknown CA (Node, TLS 1.3)', async () => {
    const stranger = await workloadCertificate(await testAuthority('another CA'), 'web');
    const error = await askWith(identityStoreWith(ca, stranger), mutual, 'TLSv1.3');
    assert.ok(error instanceof RefusedAfterHandshakeError, String(error));
    assert.equal(error.code, 'ERR_TLS_CLOSED_AFTER_HANDSHAKE');
    assert.equal(isTlsAlert(error), false);
    assert.match(
      error.message,
      /closed the connection right after the TLS handshake; it may have refused the certificate of spiffe:\/\/example\.org\/web/,
    );
  });

  it('closes in the handshake when it was issued by an unknown CA (Node, TLS 1.2)', async () => {
    const stranger = await workloadCertificate(await testAuthority('another CA'), 'web');
    const error = await askWith(identityStoreWith(ca, stranger), mutual, 'TLSv1.2');
    assert.ok(error instanceof ConnectError, String(error));
    assert.equal(error.kind, 'tls');
    assert.match(error.message, /may not speak TLS here, or refuse our certificate/);
  });

  it('is told apart from one that accepts it, takes the request and closes', async () => {
    const pair = serverKeyPair(await workloadCertificate(ca, 'orders'));
    const server = createTlsServer({ ...pair, ca: ca.certificate, requestCert: true }, (socket) => {
      socket.on('error', () => undefined).on('data', () => socket.end());
    });
    const port = await listen(server);
    const store = identityStoreWith(ca, await workloadCertificate(ca, 'web'));
    const client = new Client('http://orders', { connect: createConnector(target(port, { identities: store, tls: mutual })) });
    const error: unknown = await client.request({ path: '/', method: 'GET' }).catch((reason: unknown) => reason);
    await client.destroy();
    server.close();
    assert.equal((error as { code?: string }).code, 'UND_ERR_SOCKET');
    assert.ok(!(error instanceof RefusedAfterHandshakeError));
  });

  it('is told apart from one that has answered and closes later', async () => {
    const server = createTlsServer(
      {
        ...serverKeyPair(await workloadCertificate(ca, 'orders')),
        ca: ca.certificate,
        requestCert: true,
        secureOptions: noTicket,
      },
      (socket) => {
        socket.on('error', () => undefined);
        socket.once('data', () =>
          socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n', () => socket.once('data', () => socket.end())),
        );
      },
    );
    const port = await listen(server);
    const client = new Client('http://orders', {
      connect: createConnector(
        target(port, { identities: identityStoreWith(ca, await workloadCertificate(ca, 'web')), tls: mutual }),
      ),
    });
    const { body } = await client.request({ path: '/', method: 'GET' });
    await body.text();
    const error: unknown = await client.request({ path: '/', method: 'GET' }).catch((reason: unknown) => reason);
    await client.destroy();
    server.close();
    assert.ok(error instanceof Error && !(error instanceof RefusedAfterHandshakeError), String(error));
  });

  it('is told that ours has expired, where that is so', async () => {
    const issued = await workloadCertificate(ca, 'web', validity(-2 * hourMs, -hourMs));
    const store = createIdentityStore({ clock: { ...systemClock, wallNow: () => systemClock.wallNow() - 1.5 * hourMs } });
    assert.ok(store.setTrustBundle({ name: 'default', certificates: ca.certificate }).ok);
    assert.ok(store.setSvid(svidOf(issued)).ok);
    const error = await askWith(store, mutual, 'TLSv1.3');
    assert.match(String(error), /\(it has expired\)/);
  });
});

describe('the classes of connect errors', () => {
  const system = (code: string): Error => Object.assign(new Error(code), { code });
  for (const row of [
    { name: 'refused', error: system('ECONNREFUSED'), inTls: false, kind: 'refused' },
    { name: 'unreachable', error: system('EHOSTUNREACH'), inTls: false, kind: 'network' },
    { name: 'reset-before-tls', error: system('ECONNRESET'), inTls: false, kind: 'network' },
    { name: 'reset-in-tls', error: system('ECONNRESET'), inTls: true, kind: 'tls' },
    { name: 'kernel-timeout', error: system('ETIMEDOUT'), inTls: false, kind: 'timeout' },
    { name: 'no-file-descriptors', error: system('EMFILE'), inTls: false, kind: 'local-resource' },
    { name: 'no-file-descriptors-in-the-system', error: system('ENFILE'), inTls: false, kind: 'local-resource' },
    { name: 'no-buffers', error: system('ENOBUFS'), inTls: true, kind: 'local-resource' },
    { name: 'no-local-ports', error: system('EADDRNOTAVAIL'), inTls: false, kind: 'local-resource' },
    {
      name: 'all-addresses-refused',
      error: new AggregateError([system('ECONNREFUSED'), system('ECONNREFUSED')]),
      inTls: false,
      kind: 'refused',
    },
  ]) {
    it(row.name, () => {
      const error = connectErrorOf(row.error, '192.0.2.1:80', row.inTls);
      assert.equal(error.kind, row.kind);
      assert.equal(error.cause, row.error);
      assert.match(error.message, /192\.0\.2\.1:80/);
    });
  }

  for (const [code, isAlert] of [
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', true],
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', true],
    ['ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE', true],
    ['ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_EXPIRED', true],
    ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN', true],
    ['ERR_SSL_TLSV1_ALERT_ACCESS_DENIED', true],
    ['ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE', true],
    ['ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR', false],
    ['ERR_SSL_SSL/TLS_ALERT_BAD_RECORD_MAC', false],
    ['ECONNRESET', false],
    ['UND_ERR_SOCKET', false],
  ] as const) {
    it(`${code} is ${isAlert ? 'a' : 'no'} refusal by the peer, also as a cause`, () => {
      assert.equal(isTlsAlert(system(code)), isAlert);
      assert.equal(isTlsAlert(new Error('outer', { cause: system(code) })), isAlert);
    });
  }
});

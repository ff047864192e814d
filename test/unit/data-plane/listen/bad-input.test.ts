/** What a port gets that it should not: each connection ends with a clear close or status and one event, and the port goes on. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { before, describe, it, type TestContext } from 'node:test';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { systemClock } from '../../../../src/base/runtime.ts';
import type { CertificateAuthority, IssuedCertificate } from '../../../../src/security/certificate-authority.ts';
import type { ConnectionRefusalReason } from '../../../../src/telemetry/inbound-events.ts';
import { createVirtualClock } from '../../../../src/testing/virtual-clock.ts';
import { hourMs, testAuthority, validity, workloadCertificate, workloadNames } from '../../../support/certificates.ts';
import {
  askHttp1,
  askHttp2,
  clientOptions,
  dial,
  http2Session,
  listening,
  meshListener,
  mutualChain,
  plaintextChain,
  readToEnd,
  type Listening,
} from '../../../support/listening.ts';
import { eventually } from '../../../support/mesh-of.ts';

let authority: CertificateAuthority;
let other: CertificateAuthority;
let ours: IssuedCertificate;
let theirs: IssuedCertificate;
before(async () => {
  authority = await testAuthority();
  other = await testAuthority('another CA');
  ours = await workloadCertificate(authority, 'server');
  theirs = await workloadCertificate(authority, 'client');
});

const secured = (t: TestContext, more: Partial<Parameters<typeof listening>[1]> = {}): Promise<Listening> =>
  listening(t, { authority, issued: ours, ...more });

/** The code of the error, or `closed`, when the other end refuses a connection during or right after the handshake. */
async function refusedTls(port: number, options: ConnectionOptions): Promise<string> {
  const socket = connectTls({ ALPNProtocols: ['http/1.1'], ...options, host: '127.0.0.1', port });
  return new Promise((resolve, reject) => {
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.on('close', () => resolve('closed'));
    socket.on('secureConnect', () => socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n'));
    socket.on('data', (chunk: Buffer) => reject(new Error(`it answered: ${chunk.toString()}`)));
  });
}

/** Nothing of a connection is left in this process, on neither side. */
async function leavesNothing(): Promise<void> {
  await eventually(
    'all sockets are closed',
    () => !process.getActiveResourcesInfo().some((name) => /^(TCPSocketWrap|TLSWrap)$/.test(name)),
  );
}

/** The port goes on: it serves everybody else as before. */
async function goesOn({ port }: Listening, tls: ConnectionOptions = clientOptions(authority, theirs)): Promise<void> {
  assert.equal((await askHttp1(port, { tls })).status, 200);
  await leavesNothing();
}

describe('a port', () => {
  it('closes TLS where it is not spoken, and goes on with plaintext', async (t) => {
    const port = await secured(t, { options: { mode: 'disabled' } });
    await refusedTls(port.port, clientOptions(authority, theirs));
    assert.equal((await port.refusal()).reason, 'tls_not_taken');
    assert.equal((await askHttp1(port.port)).status, 200);
    await leavesNothing();
  });

  it('closes TLS where a source has no chain for it', async (t) => {
    const port = await secured(t, { listeners: [meshListener({ mode: 'disabled', filterChains: [plaintextChain()] })] });
    await refusedTls(port.port, clientOptions(authority, theirs));
    assert.equal((await port.refusal()).reason, 'tls_not_taken');
    assert.equal((await askHttp1(port.port)).status, 200);
  });

  it('closes TLS that a chain hands on unread', async (t) => {
    const chain = { name: 'through', match: { transport: 'tls' }, protocol: 'tls', authorization: [] } as const;
    const port = await secured(t, { listeners: [meshListener({ filterChains: [chain, plaintextChain()] })] });
    await refusedTls(port.port, clientOptions(authority, theirs));
    const { reason, detail } = await port.refusal();
    assert.deepEqual([reason, detail], ['tls_not_taken', 'the filter chain "through" does not end TLS']);
  });

  it('answers plaintext with 403 and closes under strict, over HTTP/1.1 and HTTP/2', async (t) => {
    const port = await secured(t, { options: { mode: 'strict' } });
    const { status, headers, body } = await askHttp1(port.port);
    assert.deepEqual([status, headers.connection, body], [403, 'close', 'this port takes mutual TLS only']);
    const session = await http2Session(port.port);
    assert.equal((await askHttp2(session)).status, 403);
    session.destroy();
    await goesOn(port);
  });

  it('closes plaintext that no chain takes', async (t) => {
    const port = await secured(t, { listeners: [meshListener({ filterChains: [mutualChain()] })] });
    const socket = await dial(port.port);
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    assert.equal(await readToEnd(socket), '');
    assert.equal((await port.refusal()).reason, 'no_filter_chain');
    await goesOn(port);
  });

  it('has no certificate to show before one has come', async (t) => {
    const port = await listening(t, { authority });
    await refusedTls(port.port, clientOptions(authority, theirs));
    const { reason, detail } = await port.refusal();
    assert.equal(reason, 'identity_missing');
    assert.match(detail!, /no certificate "default" is in force/);
    assert.equal((await askHttp1(port.port)).status, 200);
    port.identities.setSvid({ name: 'default', ...ours });
    await goesOn(port);
  });

  const alpn = [
    { name: 'a protocol that nobody knows', offered: ['smtp'] },
    { name: 'nothing but the protocol with a preface of its own', offered: ['istio-peer-exchange'] },
  ];
  for (const { name, offered } of alpn) {
    it(`refuses a client that offers ${name}, by an alert`, async (t) => {
      const port = await secured(t);
      const code = await refusedTls(port.port, { ...clientOptions(authority, theirs), ALPNProtocols: offered });
      assert.match(code, /NO_APPLICATION_PROTOCOL/);
      assert.equal((await port.refusal()).reason, 'no_application_protocol');
      await goesOn(port);
    });
  }

  const protocols = [
    { offered: ['h2', 'http/1.1'], chosen: 'h2' },
    { offered: ['http/1.1', 'h2'], chosen: 'h2' },
    { offered: ['istio-http/1.1', 'istio', 'http/1.1'], chosen: 'http/1.1' },
    { offered: ['istio-h2', 'istio', 'h2'], chosen: 'h2' },
    { offered: ['istio-peer-exchange', 'istio'], chosen: 'istio' },
    { offered: ['istio-http/1.0'], chosen: 'istio-http/1.0' },
    { offered: ['istio-h2', 'istio'], chosen: 'istio-h2' },
  ];
  for (const { offered, chosen } of protocols) {
    it(`chooses ${chosen} of ${offered.join(', ')}`, async (t) => {
      const { port } = await secured(t);
      const socket = connectTls({ ...clientOptions(authority, theirs), port, ALPNProtocols: offered });
      await once(socket, 'secureConnect');
      assert.equal(socket.alpnProtocol, chosen);
      socket.destroy();
    });
  }

  for (const offered of [['istio'], undefined]) {
    it(`finds HTTP/1.1 and HTTP/2 by their first bytes when the client offers ${offered?.join() ?? 'nothing'}`, async (t) => {
      const { port } = await secured(t);
      const tls = { ...clientOptions(authority, theirs), ALPNProtocols: offered };
      assert.equal((await askHttp1(port, { tls })).status, 200);
      const session = await http2Session(port, tls).catch((error: Error) => error);
      if (session instanceof Error) throw session;
      assert.equal((await askHttp2(session)).status, 200);
      session.destroy();
    });
  }

  interface BadClient {
    readonly name: string;
    readonly reason: ConnectionRefusalReason;
    /** What the client shows. */
    readonly shows: () => Promise<IssuedCertificate | undefined>;
  }
  const bad: readonly BadClient[] = [
    {
      name: 'a certificate that has expired',
      reason: 'certificate_expired',
      shows: () => workloadCertificate(authority, 'late', validity(-2 * hourMs, -hourMs)),
    },
    {
      name: 'a certificate that is not valid yet',
      reason: 'certificate_expired',
      shows: () => workloadCertificate(authority, 'early', validity(hourMs, 2 * hourMs)),
    },
    {
      name: 'a certificate of another CA',
      reason: 'certificate_untrusted',
      shows: () => workloadCertificate(other, 'client'),
    },
    {
      name: 'a certificate with two URI names',
      reason: 'certificate_invalid',
      shows: () => authority.issue({ uris: ['spiffe://example.org/a', 'spiffe://example.org/b'] }, validity()),
    },
    {
      name: 'a certificate of a CA',
      reason: 'certificate_invalid',
      shows: () =>
        authority.issue(workloadNames('ca'), validity(), { isAuthority: true, keyUsages: ['digitalSignature', 'keyCertSign'] }),
    },
    { name: 'no certificate', reason: 'certificate_missing', shows: () => Promise.resolve(undefined) },
  ];
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    for (const { name, reason, shows } of bad) {
      it(`refuses a client with ${name} over ${version}, and goes on`, async (t) => {
        const port = await secured(t, { options: { mode: 'strict' } });
        const issued = await shows();
        await refusedTls(port.port, { ...clientOptions(authority, issued), minVersion: version, maxVersion: version });
        const refusal = await port.refusal();
        assert.equal(refusal.reason, reason, refusal.detail);
        assert.equal(refusal.peerAddress, '127.0.0.1');
        await goesOn(port);
        assert.equal(port.refusals.length, 1);
      });
    }
  }

  it('refuses a bad certificate under permissive too, where none at all is taken', async (t) => {
    const port = await secured(t);
    assert.equal((await askHttp1(port.port, { tls: clientOptions(authority) })).status, 200);
    await refusedTls(port.port, clientOptions(authority, await workloadCertificate(other, 'client')));
    const { reason, peer } = await port.refusal();
    assert.deepEqual([reason, peer], ['certificate_untrusted', 'spiffe://example.org/client']);
    await goesOn(port);
  });

  it('refuses a client of another trust domain than that of the bundle', async (t) => {
    const port = await listening(t, { issued: ours, options: { mode: 'strict' } });
    port.identities.setTrustBundle({ name: 'default', certificates: authority.certificate, trustDomain: 'example.org' });
    const stranger = await authority.issue({ uris: ['spiffe://example.net/client'] }, validity());
    await refusedTls(port.port, clientOptions(authority, stranger));
    const { reason, detail, peer } = await port.refusal();
    assert.deepEqual([reason, peer], ['certificate_untrusted', 'spiffe://example.net/client']);
    assert.match(detail!, /outside the trust domain example\.org/);
    await goesOn(port);
  });

  it('refuses a client of a federated trust domain whose name another CA signed', async (t) => {
    const port = await listening(t, { issued: ours, options: { mode: 'strict' } });
    port.identities.setTrustBundle({
      name: 'default',
      certificates: authority.certificate,
      trustDomain: 'example.org',
      federated: [{ trustDomain: 'example.net', certificates: other.certificate }],
    });
    await refusedTls(port.port, clientOptions(authority, await workloadCertificate(other, 'client')));
    assert.equal((await port.refusal()).reason, 'certificate_untrusted');
    const friend = await other.issue({ uris: ['spiffe://example.net/client'] }, validity());
    await goesOn(port, clientOptions(authority, friend));
    await goesOn(port);
  });

  it('refuses a good certificate of somebody whom the chain does not take', async (t) => {
    const peers = [{ kind: 'uri', match: 'prefix', value: 'spiffe://example.org/ns/shop/' }] as const;
    const port = await secured(t, { listeners: [meshListener({ mode: 'strict', filterChains: [mutualChain({}, { peers })] })] });
    await refusedTls(port.port, clientOptions(authority, theirs));
    const { reason, peer, detail } = await port.refusal();
    assert.deepEqual([reason, peer], ['peer_not_accepted', 'spiffe://example.org/client']);
    assert.match(detail!, /expected prefix "spiffe:\/\/example\.org\/ns\/shop\/"/);
    await goesOn(port, clientOptions(authority, await workloadCertificate(authority, 'ns/shop/sa/cart')));
  });

  it('closes a connection that a policy of connections denies', async (t) => {
    const rule = { name: 'all', principals: [{ kind: 'any' }], permissions: [{ kind: 'any' }] } as const;
    const connectionAuthorization = [{ name: 'none', action: 'deny', rules: [rule] }] as const;
    const chains = [mutualChain(), plaintextChain({ connectionAuthorization })];
    const port = await secured(t, { listeners: [meshListener({ filterChains: chains })] });
    const socket = await dial(port.port);
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    assert.equal(await readToEnd(socket), '');
    const { reason, detail } = await port.refusal();
    assert.equal(reason, 'denied');
    assert.match(detail!, /all/);
    await goesOn(port);
  });

  const garbage = [
    { name: 'zero bytes', bytes: Buffer.alloc(100) },
    { name: 'the first bytes of SSLv2', bytes: Buffer.from([0x80, 0x2e, 1, 0, 2]) },
    { name: 'a record of TLS that is no handshake', bytes: Buffer.from([0x17, 3, 3, 0, 1, 0]) },
    { name: 'a PROXY header of version 2 whose signature is damaged', bytes: Buffer.from([0x00, 0x0d, 0x0a]) },
    { name: 'text in another script', bytes: Buffer.from('привет') },
  ];
  for (const { name, bytes } of garbage) {
    it(`answers ${name} with 400`, async (t) => {
      const port = await secured(t);
      const socket = await dial(port.port);
      socket.write(bytes);
      assert.match(await readToEnd(socket), /^HTTP\/1\.1 400 Bad Request\r\nconnection: close\r\n/);
      assert.equal((await port.refusal()).reason, 'unknown_protocol');
      await goesOn(port);
    });
  }

  const notHttp = [
    { name: 'a line that is no request', text: 'GARBAGE\r\n\r\n', status: 400, reason: 'bad_request' },
    { name: 'a preface of HTTP/2 that goes wrong', text: 'PRI * HTTP/2.0\r\n\r\nXX', status: 400, reason: 'bad_request' },
    { name: 'headers without end', text: `GET / HTTP/1.1\r\na: ${'x'.repeat(20_000)}`, status: 431, reason: 'headers_too_large' },
    {
      name: 'two lengths',
      text: 'GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n',
      status: 400,
      reason: 'bad_request',
    },
    {
      name: 'a length beside chunks',
      text: 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      status: 400,
      reason: 'bad_request',
    },
  ];
  for (const { name, text, status, reason } of notHttp) {
    it(`answers ${name} with ${status}`, async (t) => {
      const port = await secured(t);
      const socket = await dial(port.port);
      socket.write(text);
      assert.match(await readToEnd(socket), new RegExp(`^HTTP/1\\.1 ${status} `));
      assert.equal((await port.refusal()).reason, reason);
      await goesOn(port);
    });
  }

  it('closes a ClientHello that is none, or is too long', async (t) => {
    const port = await secured(t);
    for (const bytes of [Buffer.from([22, 9, 9]), Buffer.from([22, 3, 1, 0, 4, 1, 0xff, 0, 0])]) {
      const socket = await dial(port.port);
      socket.write(bytes);
      assert.equal(await readToEnd(socket), '');
      assert.equal((await port.refusal()).reason, 'bad_client_hello');
    }
    await goesOn(port);
  });

  it('closes a ClientHello that begins as one and is none to OpenSSL', async (t) => {
    const port = await secured(t);
    const hello = await helloOf(theirs);
    // No version that is spoken: those offered are made unknown ones.
    const changed = Buffer.from(
      hello.toString('latin1').replaceAll('\x03\x04', '\x7a\x7a').replaceAll('\x03\x03', '\x7a\x7a'),
      'latin1',
    );
    const socket = await dial(port.port);
    socket.write(changed);
    await readToEnd(socket);
    assert.match((await port.refusal()).reason, /^(handshake_failed|bad_client_hello)$/);
    await goesOn(port);
  });

  it('takes a ClientHello that comes byte by byte', async (t) => {
    const port = await secured(t);
    const { client, socket, relay } = await throughRelay(port.port, theirs);
    for (const byte of await relay.hello) {
      socket.write(Buffer.from([byte]));
      await new Promise(setImmediate);
    }
    relay.open();
    await once(client, 'secureConnect');
    client.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
    assert.match(await readToEnd(client), /^HTTP\/1\.1 200 OK/);
    relay.close();
    assert.equal(port.refusals.length, 0);
    await leavesNothing();
  });

  it('gives the first bytes, and then the handshake, a time that single bytes do not prolong', async (t) => {
    // The certificates are of today.
    const clock = { ...createVirtualClock(), wallNow: () => systemClock.wallNow() };
    const port = await secured(t, { clock, listeners: [meshListener({ detectTimeoutMs: 1000 })] });
    const hello = await helloOf(theirs);
    const silent = await dial(port.port);
    const slow = await dial(port.port);
    const stalled = await dial(port.port);
    stalled.write(hello);
    await once(stalled, 'data');
    for (const byte of hello.subarray(0, 9)) {
      slow.write(Buffer.from([byte]));
      await clock.advance(100);
    }
    assert.equal(port.refusals.length, 0);
    const ends = [silent, slow, stalled].map((socket) => readToEnd(socket));
    await clock.advance(200);
    const [toSilent, toSlow] = await Promise.all(ends);
    assert.match(toSilent!, /^HTTP\/1\.1 408 /);
    assert.match(toSlow!, /^HTTP\/1\.1 408 /);
    const reasons = port.refusals.map(({ reason }) => reason).toSorted();
    assert.deepEqual(reasons, ['first_bytes_timeout', 'first_bytes_timeout', 'handshake_timeout']);
  });

  it('says nothing of a client that leaves without a word, and closes its half of what is left open', async (t) => {
    const port = await secured(t);
    for (const text of ['', 'PRI * HT']) {
      const socket = await dial(port.port);
      socket.end(text);
      await readToEnd(socket);
    }
    assert.deepEqual(
      port.refusals.map(({ reason }) => reason),
      ['unknown_protocol'],
    );
    const hello = await helloOf(theirs);
    for (const bytes of [hello.subarray(0, 50), hello]) {
      const socket = await dial(port.port);
      socket.end(bytes);
      await readToEnd(socket);
    }
    await eventually('both are refused', () => port.refusals.length === 3);
    assert.deepEqual(
      port.refusals.slice(1).map(({ reason }) => reason),
      ['bad_client_hello', 'handshake_failed'],
    );
    await goesOn(port);
  });

  it('answers a client that has ended its half after the request', async (t) => {
    const port = await secured(t, { handler: (_request, response) => void setImmediate(() => response.end('late')) });
    const socket = await dial(port.port);
    socket.end('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    assert.match(await readToEnd(socket), /200 OK[^]*late$/);
    await leavesNothing();
  });

  it('survives clients that reset their connection at any point', async (t) => {
    const port = await secured(t, { handler: (_request, response) => void setImmediate(() => response.end('late')) });
    const hello = await helloOf(theirs);
    const pieces = [
      '',
      'G',
      'GET / HTTP/1.1\r\n',
      'GET / HTTP/1.1\r\nhost: a\r\n\r\n',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      hello.subarray(0, 9),
      hello,
    ];
    for (const bytes of pieces) {
      const socket = await dial(port.port);
      socket.write(bytes);
      await new Promise(setImmediate);
      socket.resetAndDestroy();
    }
    const below = await dial(port.port);
    const client = connectTls({ ...clientOptions(authority, theirs), socket: below });
    client.on('error', () => {});
    await once(client, 'secureConnect');
    below.resetAndDestroy();
    await goesOn(port);
  });

  it('closes connections beyond its limit at once, and takes others when some have left', async (t) => {
    const port = await secured(t, { options: { limits: { maxConnections: 2 } } });
    const open = [await dial(port.port), await dial(port.port)];
    for (const socket of open) {
      socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
      await once(socket, 'data');
    }
    const third = await dial(port.port);
    assert.equal(await readToEnd(third), '');
    const { reason, detail, peerAddress } = await port.refusal();
    assert.deepEqual([reason, peerAddress], ['too_many_connections', '127.0.0.1']);
    assert.match(detail!, /more than 2 connections/);
    for (const socket of open) socket.destroy();
    await leavesNothing();
    await goesOn(port);
  });
});

/** The first message of a client that shows this certificate. */
async function helloOf(issued: IssuedCertificate): Promise<Buffer> {
  const { relay, client, socket } = await throughRelay(undefined, issued);
  const hello = await relay.hello;
  client.destroy();
  socket.destroy();
  return hello;
}

interface Relayed {
  readonly client: TLSSocket;
  /** To the port. */
  readonly socket: Socket;
  readonly relay: { readonly hello: Promise<Buffer>; open(): void; close(): void };
}

/** A client of TLS whose first message is kept until it is sent on by hand; after `open` everything goes through. */
async function throughRelay(port: number | undefined, issued: IssuedCertificate): Promise<Relayed> {
  const { createServer } = await import('node:net');
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connectTls({
    ...clientOptions(authority, issued),
    port: (server.address() as { port: number }).port,
    ALPNProtocols: ['http/1.1'],
  });
  client.on('error', () => {});
  const [near] = (await once(server, 'connection')) as [Socket];
  near.on('error', () => {});
  server.close();
  const socket = port === undefined ? near : await dial(port);
  const hello = (once(near, 'data') as Promise<[Buffer]>).then(([bytes]) => {
    near.pause();
    return bytes;
  });
  return {
    client,
    socket,
    relay: {
      hello,
      open() {
        near.pipe(socket);
        socket.pipe(near);
      },
      close() {
        near.destroy();
        socket.destroy();
      },
    },
  };
}

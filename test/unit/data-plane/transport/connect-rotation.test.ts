import assert from 'node:assert/strict';
import { once } from 'node:events';
import { before, describe, it } from 'node:test';
import { connect, createSecureContext, type TLSSocket } from 'node:tls';

import { Client } from 'undici';

import { systemClock } from '../../../../src/base/runtime.ts';
import { createConnector, peerOf, type Connector } from '../../../../src/data-plane/transport/connect.ts';
import type { CertificateAuthority } from '../../../../src/security/certificate-authority.ts';
import type { IdentityStore } from '../../../../src/security/identity-store.ts';
import {
  hourMs,
  identityStoreWith,
  serverKeyPair,
  svidOf,
  testAuthority,
  workloadCertificate,
} from '../../../support/certificates.ts';
import { connectOnce } from '../../../support/connect-once.ts';
import { startTlsServer, type TlsTestServer } from '../../../support/tls-server.ts';

const web = 'spiffe://example.org/web';
const renamed = 'spiffe://example.org/web-2';

describe('the rotation of our identity', () => {
  let ca: CertificateAuthority;
  before(async () => {
    ca = await testAuthority();
  });

  async function setUp(
    maxVersion: 'TLSv1.2' | 'TLSv1.3',
  ): Promise<{ server: TlsTestServer; identities: IdentityStore; connector: Connector }> {
    const server = await startTlsServer({
      ...serverKeyPair(await workloadCertificate(ca, 'orders')),
      ca: ca.certificate,
      requestCert: true,
      rejectUnauthorized: true,
      maxVersion,
    });
    const identities = identityStoreWith(ca, await workloadCertificate(ca, 'web'));
    const connector = createConnector({
      host: '127.0.0.1',
      port: server.port,
      tls: {
        mode: 'mutual',
        identity: 'default',
        trust: 'default',
        sni: 'orders',
        peers: [{ kind: 'uri', match: 'exact', value: 'spiffe://example.org/orders' }],
      },
      identities,
      connectTimeoutMs: 5000,
      clock: systemClock,
    });
    return { server, identities, connector };
  }

  /** One request on a connection of its own; resolves when the server's answer was read. */
  async function ask(connector: Connector): Promise<void> {
    const client = new Client('http://orders', { connect: connector });
    const { body } = await client.request({ path: '/', method: 'GET' });
    await body.text();
    await client.close();
  }

  it('shows itself to Node’s own client as the old identity when a session is resumed (the trap)', async () => {
    const { server } = await setUp('TLSv1.3');
    await using _ = server;
    const handshake = async (name: string, session?: Buffer): Promise<Buffer> => {
      const issued = await workloadCertificate(ca, name);
      const socket: TLSSocket = connect({
        port: server.port,
        host: '127.0.0.1',
        servername: 'orders',
        secureContext: createSecureContext({ ...serverKeyPair(issued), ca: ca.certificate }),
        ...(session && { session }),
      });
      socket.on('error', () => undefined).on('data', () => undefined);
      // A server sends no new ticket to a client that resumes until it has something to say.
      const [ticket] = (await once(socket, session === undefined ? 'session' : 'secureConnect')) as [Buffer];
      if (session !== undefined) await once(server.server, 'secureConnection');
      socket.destroy();
      return ticket;
    };
    await handshake('web-2', await handshake('web'));
    assert.deepEqual(
      server.seen.map(({ client, isResumed }) => ({ client, isResumed })),
      [
        { client: web, isResumed: false },
        { client: web, isResumed: true },
      ],
    );
  });

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    it(`ends the resumption of sessions: every new connection shows the new certificate (${version})`, async () => {
      const { server, identities, connector } = await setUp(version);
      await using _ = server;
      await ask(connector);
      await ask(connector);
      assert.ok(identities.setSvid(svidOf(await workloadCertificate(ca, 'web-2'))).ok);
      await ask(connector);
      await ask(connector);
      assert.deepEqual(
        server.seen.map(({ client, isResumed }) => ({ client, isResumed })),
        [
          { client: web, isResumed: false },
          { client: web, isResumed: true },
          { client: renamed, isResumed: false },
          { client: renamed, isResumed: true },
        ],
      );
    });
  }

  it('changes the generation of new connections and not that of old ones', async () => {
    const { server, identities, connector } = await setUp('TLSv1.3');
    await using _ = server;
    const first = await connectOnce(connector, { keep: true });
    identities.setSvid(svidOf(await workloadCertificate(ca, 'web-2')));
    const second = await connectOnce(connector, { keep: true });
    assert.ok(peerOf(first.socket!)!.generation < peerOf(second.socket!)!.generation);
    assert.equal(peerOf(second.socket!)!.identity.spiffeId, 'spiffe://example.org/orders');
    first.socket!.destroy();
    second.socket!.destroy();
  });

  it('of the trust bundle makes the next connection refuse what the old roots signed', async () => {
    const { server, identities, connector } = await setUp('TLSv1.3');
    await using _ = server;
    await ask(connector);
    const next = await testAuthority('next CA');
    assert.ok(identities.setTrustBundle({ name: 'default', certificates: ca.certificate + next.certificate }).ok);
    await ask(connector);
    assert.ok(identities.setTrustBundle({ name: 'default', certificates: next.certificate }).ok);
    assert.equal((await connectOnce(connector)).kind, 'tls');
    assert.deepEqual(
      server.seen.map(({ isResumed }) => isResumed),
      [false, false],
    );
  });

  it('does not resume a session with a peer whose certificate has expired since', async () => {
    const { server, identities } = await setUp('TLSv1.3');
    await using _ = server;
    let wallMs = systemClock.wallNow();
    const connector = createConnector({
      host: '127.0.0.1',
      port: server.port,
      tls: { mode: 'mutual', identity: 'default', trust: 'default', sni: 'orders', peers: [] },
      identities,
      connectTimeoutMs: 5000,
      clock: { ...systemClock, wallNow: () => wallMs },
    });
    await ask(connector);
    wallMs += 48 * hourMs; // the certificate is good for 24 h
    // It may have a new one by now: a full handshake shows it.
    await ask(connector);
    assert.deepEqual(
      server.seen.map(({ isResumed }) => isResumed),
      [false, false],
    );
  });

  it('keeps who the peer is known on resumed connections', async () => {
    const { server, connector } = await setUp('TLSv1.3');
    await using _ = server;
    await ask(connector);
    const { socket } = await connectOnce(connector, { keep: true });
    assert.equal((socket as TLSSocket).isSessionReused(), true);
    assert.equal(peerOf(socket!)?.identity.spiffeId, 'spiffe://example.org/orders');
    socket!.destroy();
  });
});

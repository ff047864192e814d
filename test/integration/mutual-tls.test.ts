/** Mutual TLS from end to end: who is spoken to, who is not, and certificates that are replaced under load. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { describe, it } from 'node:test';
import { request } from 'undici';
import { createMesh, isMeshError, type Mesh } from 'meshfetch';
import { systemClock } from '../../src/base/runtime.ts';
import type { CertificateAuthority, IssuedCertificate } from '../../src/security/certificate-authority.ts';
import { allTo, endpointAt, staticCluster, TestControlPlane } from '../support/cluster-plane.ts';
import {
  hourMs,
  serverKeyPair,
  testAuthority,
  validity,
  workloadCertificate,
  writeIdentityFiles,
} from '../support/certificates.ts';
import { eventually, held } from '../support/mesh-of.ts';
import { startHttp2, startHttps, temporaryFolder, type SecuredServer } from '../support/secured.ts';
import { answer, startTcpServer } from '../support/servers.ts';
import { steadyLoad } from '../support/steady-load.ts';

const authority = await testAuthority();
const stranger = await testAuthority('another CA');
const ordersCertificate = await workloadCertificate(authority, 'orders');
const identity = await writeIdentityFiles(await temporaryFolder(), 'web', await workloadCertificate(authority, 'web'), authority);
const peers = ['spiffe://example.org/orders'];

function meshTo(addresses: readonly string[], tls: object = { mode: 'mutual', peers }, more: object = {}): Promise<Mesh> {
  return createMesh({
    controlPlane: { identity, services: { orders: { endpoints: addresses, tls, retry: { maxAttempts: 1 }, ...more } } } as never,
    drainTimeoutMs: 100,
  });
}

const get = async (mesh: Mesh): Promise<string> => (await request('http://orders/', { dispatcher: mesh.dispatcher })).body.text();

async function failureOf(mesh: Mesh): Promise<{ code: string; message: string; mayHaveBeenProcessed: boolean }> {
  const error = await get(mesh).then(
    () => assert.fail('it should fail'),
    (cause: unknown) => cause,
  );
  assert.ok(isMeshError(error), String(error));
  return error;
}

const clientOf = (socket: TLSSocket): string => socket.getPeerX509Certificate()!.subjectAltName!;

describe('mutual TLS', () => {
  it('shows our SPIFFE ID to an endpoint whose SPIFFE ID is one of the peers', async () => {
    const server = await startHttps(ordersCertificate, answer('ok'), authority);
    await using mesh = await meshTo([server.address]);
    assert.equal(await get(mesh), 'ok');
    assert.match(clientOf(server.sockets[0]!), /spiffe:\/\/example\.org\/web/);
    const https = await request('https://orders/', { dispatcher: mesh.dispatcher });
    assert.equal(await https.body.text(), 'ok');
    assert.equal(server.sockets.length, 1, 'the scheme of the URL makes no other connection');
  });

  const refused: readonly {
    readonly name: string;
    readonly issued: () => Promise<IssuedCertificate>;
    readonly code: string;
    readonly message: RegExp;
  }[] = [
    {
      name: 'another-spiffe-id',
      issued: () => workloadCertificate(authority, 'billing'),
      code: 'MESH_PEER_IDENTITY',
      message: /spiffe:\/\/example\.org\/billing/,
    },
    {
      name: 'another-ca',
      issued: () => workloadCertificate(stranger, 'orders'),
      code: 'MESH_TLS_FAILED',
      message: /CA that is not in the trust bundle|self-signed/,
    },
    {
      name: 'expired',
      issued: () => workloadCertificate(authority, 'orders', validity(-2 * hourMs, -hourMs)),
      code: 'MESH_TLS_FAILED',
      message: /expired/,
    },
    {
      name: 'not-valid-yet',
      issued: () => workloadCertificate(authority, 'orders', validity(hourMs, 2 * hourMs)),
      code: 'MESH_TLS_FAILED',
      message: /not valid yet/,
    },
  ];
  for (const { name, issued, code, message } of refused) {
    it(`is refused, and not a byte of the request is sent, to an endpoint with a certificate of ${name}`, async () => {
      const server = await startHttps(await issued(), answer('reached'), authority);
      const bytes: number[] = [];
      server.server.on('secureConnection', (socket: TLSSocket) => socket.on('data', (chunk: Buffer) => bytes.push(chunk.length)));
      await using mesh = await meshTo([server.address]);
      const error = await failureOf(mesh);
      assert.equal(error.code, code);
      assert.match(error.message, message);
      assert.equal(error.mayHaveBeenProcessed, false);
      assert.equal(server.requests(), 0);
      assert.deepEqual(bytes, []);
    });
  }

  it('is refused before anything is dialled while there is no identity', async () => {
    const peer = await startTcpServer(() => {});
    const plane = new TestControlPlane();
    await using mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 0 });
    await plane.deliver([
      allTo('orders', 'c'),
      staticCluster('c', [endpointAt(peer.address)], {
        tls: { mode: 'mutual', identity: 'ours', trust: 'ours', peers: [{ kind: 'uri', match: 'exact', value: peers[0]! }] },
      }),
    ]);
    const error = await failureOf(mesh);
    assert.equal(error.code, 'MESH_NO_IDENTITY');
    assert.match(error.message, /"ours"/);
    assert.equal(peer.connections(), 0);
    const [endpoint] = mesh.status().clusters.flatMap(({ endpoints }) => endpoints);
    assert.equal(endpoint!.failures, 0, 'the endpoint is not to blame');
  });

  it('is spoken to an endpoint that refuses us with the reason, and never falls back', async () => {
    const server = await startHttps(ordersCertificate, answer('reached'), stranger);
    await using mesh = await meshTo([server.address]);
    const error = await failureOf(mesh);
    assert.ok(['MESH_TLS_FAILED', 'MESH_RESET'].includes(error.code), error.code);
    assert.equal(server.requests(), 0);
  });

  it('does not use a connection that proved to be one host for another host of the URL', async () => {
    const issued = await authority.issue({ dnsNames: ['orders'] }, validity());
    const server = await startHttps(issued, answer('ok'));
    await using mesh = await meshTo([server.address], { mode: 'simple' }, { hosts: ['orders.example.org'] });
    assert.equal(await get(mesh), 'ok');
    await assert.rejects(request('http://orders.example.org/', { dispatcher: mesh.dispatcher }), { code: 'MESH_PEER_IDENTITY' });
    assert.equal(await get(mesh), 'ok');
    assert.equal(server.requests(), 2);
  });
});

/** Writes files of an identity as a rotation does: each is replaced by a rename. */
async function replaceIdentity(folder: string, issued: IssuedCertificate, roots: readonly CertificateAuthority[]): Promise<void> {
  const files: [string, string][] = [
    ['ca.pem', roots.map(({ certificate }) => certificate).join('\n')],
    ['web.key', issued.privateKey.reveal()],
    ['web.pem', issued.certificateChain],
  ];
  for (const [name, text] of files) {
    await writeFile(join(folder, `${name}.next`), text, { mode: 0o600 });
    await rename(join(folder, `${name}.next`), join(folder, name));
  }
}

describe('an identity that is replaced under load', () => {
  for (const protocol of ['http/1.1', 'h2'] as const) {
    it(`costs no request, is shown by new connections, and the old ones drain: certificate and CA over ${protocol}`, async (t) => {
      const nextAuthority = await testAuthority('next CA');
      const folder = await temporaryFolder();
      const files = await writeIdentityFiles(folder, 'web', await workloadCertificate(authority, 'web'), authority);
      const clients = { certificate: `${authority.certificate}\n${nextAuthority.certificate}` } as CertificateAuthority;
      const start = (): Promise<SecuredServer> =>
        protocol === 'h2'
          ? startHttp2(ordersCertificate, answer('ok'), { clients })
          : startHttps(ordersCertificate, answer('ok'), clients);
      const servers = [await start(), await start()];
      await using mesh = await createMesh({
        controlPlane: {
          identity: files,
          services: {
            orders: {
              endpoints: servers.map(({ address }) => address),
              tls: { mode: 'mutual', peers },
              retry: { maxAttempts: 1 },
              connectTimeoutMs: 10_000, // a handshake on a busy machine is no failure
            },
          },
        } as never,
        drainTimeoutMs: 100,
      });
      // Connections that are replaced at once make a handshake for each request, both ends of it here: what a starved machine still does.
      const perSecond = 100;
      const load = steadyLoad(perSecond, () => get(mesh));
      t.after(() => load.stop());
      const serialsOf = (): Set<string> =>
        new Set(
          servers.flatMap(({ sockets }) =>
            sockets.filter(({ destroyed }) => !destroyed).map((socket) => socket.getPeerX509Certificate()!.serialNumber),
          ),
        );
      await eventually('load has begun', () => load.sent() > 50);
      const steps: readonly [IssuedCertificate, readonly CertificateAuthority[]][] = [
        [await workloadCertificate(authority, 'web'), [authority]],
        [await workloadCertificate(authority, 'web'), [authority, nextAuthority]],
        [await workloadCertificate(nextAuthority, 'web'), [authority, nextAuthority]],
      ];
      for (const [issued, roots] of steps) {
        await replaceIdentity(folder, issued, roots);
        const serial = new X509Certificate(issued.certificateChain).serialNumber;
        await eventually(
          'only the new certificate is shown',
          () => {
            const serials = serialsOf();
            return serials.size === 1 && serials.has(serial);
          },
          10_000,
        );
        const sent = load.sent();
        await eventually('a while later', () => load.sent() > sent + 40);
      }
      // The endpoints move to the next CA while both are trusted.
      const moved = await workloadCertificate(nextAuthority, 'orders');
      for (const { server } of servers)
        (server as unknown as { setSecureContext(options: object): void }).setSecureContext({
          ...serverKeyPair(moved),
          ca: clients.certificate,
        });
      const sent = load.sent();
      await eventually('a while later', () => load.sent() > sent + 40);
      const result = await load.stop();
      assert.deepEqual(result.failures, []);
      assert.ok(result.perSecond > perSecond * 0.8, `${result.perSecond} requests a second`);
      assert.deepEqual(held(mesh), { requests: 0, inFlight: 0 });
    });
  }

  it('stays the old one when the new files do not fit together, and says so', async () => {
    const folder = await temporaryFolder();
    const files = await writeIdentityFiles(folder, 'web', await workloadCertificate(authority, 'web'), authority);
    const server = await startHttps(ordersCertificate, answer('ok'), authority);
    await using mesh = await createMesh({
      controlPlane: {
        identity: files,
        services: { orders: { endpoints: [server.address], tls: { mode: 'mutual', peers } } },
      } as never,
      drainTimeoutMs: 100,
    });
    assert.equal(await get(mesh), 'ok');
    const before = JSON.stringify(mesh.status().identities);
    await writeFile(files.privateKey, (await workloadCertificate(authority, 'web')).privateKey.reveal());
    await eventually('it is seen', () => JSON.stringify(mesh.status().identities) !== before);
    assert.match(JSON.stringify(mesh.status().identities), /key/);
    assert.equal(await get(mesh), 'ok');
    assert.equal(server.sockets.length, 1);
  });
});

describe('a connection whose certificate expires', () => {
  const rows: readonly { readonly name: string; readonly peerUntilMs: number; readonly ourUntilMs: number }[] = [
    { name: 'that-of-the-peer', peerUntilMs: 2 * hourMs, ourUntilMs: 24 * hourMs },
    { name: 'ours', peerUntilMs: 24 * hourMs, ourUntilMs: 2 * hourMs },
  ];
  for (const { name, peerUntilMs, ourUntilMs } of rows) {
    for (const protocol of ['http1', 'http2'] as const) {
      const setUp = async () => {
        let wallMs = systemClock.wallNow();
        const pending: ServerResponse[] = [];
        const handler = (incoming: IncomingMessage, response: ServerResponse): void => {
          if (incoming.url === '/slow') pending.push(response);
          else response.end('ok');
        };
        const certificate = await workloadCertificate(authority, 'orders', validity(-hourMs, peerUntilMs));
        const own = await workloadCertificate(authority, 'web', validity(-hourMs, ourUntilMs));
        const server = await (protocol === 'http2'
          ? startHttp2(certificate, handler, { clients: authority })
          : startHttps(certificate, handler, authority));
        const files = await writeIdentityFiles(await temporaryFolder(), 'web', own, authority);
        const tls = { mode: 'mutual' as const, peers };
        const mesh = await createMesh({
          controlPlane: {
            identity: files,
            services: { orders: { endpoints: [server.address], tls, idleTimeoutMs: 60_000, retry: { maxAttempts: 1 } } },
          },
          clock: { ...systemClock, wallNow: () => wallMs },
          drainTimeoutMs: 100,
        });
        return { mesh, server, pending, expire: () => (wallMs += 2 * hourMs + 1000) };
      };

      it(`finishes what it has and takes no other request: ${name}, ${protocol}`, async () => {
        const { mesh, server, pending, expire } = await setUp();
        await using _ = mesh;
        assert.equal(await get(mesh), 'ok');
        const slow = request('http://orders/slow', { dispatcher: mesh.dispatcher });
        await eventually('it arrived', () => pending.length === 1);
        assert.equal(server.sockets.length, 1);
        expire();
        pending[0]!.end('in time');
        assert.equal(await (await slow).body.text(), 'in time');
        // Sooner than the 5 s after which the server closes what is idle.
        await eventually('its connection is closed', () => server.sockets[0]!.destroyed, 3000);
      });

      it(`is not used again once it is idle: ${name}, ${protocol}`, async () => {
        const { mesh, server, expire } = await setUp();
        await using _ = mesh;
        for (let count = 0; count < 3; count++) assert.equal(await get(mesh), 'ok');
        assert.equal(server.sockets.length, 1);
        expire();
        assert.equal(await get(mesh), 'ok');
        assert.equal(server.sockets.length, 2);
        await eventually('the first is closed', () => server.sockets[0]!.destroyed);
      });
    }
  }
});

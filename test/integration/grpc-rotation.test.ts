/** An identity that is replaced while streams of gRPC are open. */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { rename, writeFile } from 'node:fs/promises';
import { createSecureServer, type ServerHttp2Stream } from 'node:http2';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { describe, it, type TestContext } from 'node:test';
import { createMesh, type Mesh } from 'meshfetch';
import type { IssuedCertificate } from '../../src/security/certificate-authority.ts';
import { serverKeyPair, testAuthority, workloadCertificate, writeIdentityFiles } from '../support/certificates.ts';
import { answerWith, beginAnswer, call, framed, messageStream } from '../support/grpc-exchange.ts';
import { listenHttp2 } from '../support/listen-http2.ts';
import { eventually, held } from '../support/mesh-of.ts';
import { temporaryFolder } from '../support/secured.ts';

const authority = await testAuthority();
const serverCertificate = await workloadCertificate(authority, 'orders');
const orcaPath = '/xds.service.orca.v3.OpenRcaService/StreamCoreMetrics';

/** What a call came with: the serial number of the client's certificate. */
interface Seen {
  readonly path: string;
  readonly serial: string;
  readonly stream: ServerHttp2Stream;
}

/** Echoes `/shop.Orders/Chat` message by message, keeps streams of reports open, and answers everything else. */
async function secureServer() {
  const seen: Seen[] = [];
  const server = createSecureServer({
    ...serverKeyPair(serverCertificate),
    ca: authority.certificate,
    requestCert: true,
    rejectUnauthorized: true,
  });
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    const path = headers[':path']!;
    const { serialNumber } = (stream.session!.socket as TLSSocket).getPeerX509Certificate()!;
    seen.push({ path, serial: serialNumber, stream });
    stream.on('error', () => {});
    if (path === '/shop.Orders/Chat') {
      beginAnswer(stream);
      stream.on('data', (chunk: Buffer) => stream.write(chunk));
      stream.on('end', () => stream.end());
    } else if (path === orcaPath) beginAnswer(stream);
    else answerWith(stream, ['ok']);
  });
  return { ...(await listenHttp2(server)), seen };
}

function meshTo(address: string, identity: object): Promise<Mesh> {
  return createMesh({
    controlPlane: {
      identity,
      services: {
        orders: {
          endpoints: [address],
          protocol: 'http2',
          tls: { mode: 'mutual', peers: ['spiffe://example.org/orders'] },
          connectTimeoutMs: 10_000,
          loadBalancing: { policy: 'client-side-weighted-round-robin', oobReportingMs: 10_000 },
        },
      },
    } as never,
    drainTimeoutMs: 100,
  });
}

/** A mesh that is `web`, and a stream of it under way. */
async function underWay(t: TestContext) {
  const server = await secureServer();
  const folder = await temporaryFolder();
  const identity = await writeIdentityFiles(folder, 'web', await workloadCertificate(authority, 'web'), authority);
  const mesh = await meshTo(server.address, identity);
  t.after(() => mesh.close());
  const body = messageStream();
  const chat = call(mesh, { path: '/shop.Orders/Chat', body });
  body.write(framed('one'));
  await chat.received(8);
  return { server, mesh, body, chat, rotate: async () => replaceIdentity(folder, await workloadCertificate(authority, 'web')) };
}

/** As a rotation does: each file is replaced by a rename, the key first. */
async function replaceIdentity(folder: string, issued: IssuedCertificate): Promise<void> {
  for (const [name, text] of [
    ['web.key', issued.privateKey.reveal()],
    ['web.pem', issued.certificateChain],
  ] as const) {
    await writeFile(join(folder, `${name}.next`), text, { mode: 0o600 });
    await rename(join(folder, `${name}.next`), join(folder, name));
  }
}

describe('an identity that is replaced while a stream is open', () => {
  it('is that of new calls and of the stream of load reports; the old stream goes on, and its connection closes after it', async (t) => {
    const { server, mesh, body, chat, rotate } = await underWay(t);
    const [first] = server.seen;
    await eventually('reports are asked for', () => server.seen.some(({ path }) => path === orcaPath));
    await rotate();

    const latest = (path: string): Seen => server.seen.findLast((each) => each.path === path)!;
    await eventually('new calls have the new certificate', () => {
      void call(mesh).end.promise;
      return latest('/shop.Orders/Get') !== undefined && latest('/shop.Orders/Get').serial !== first!.serial;
    });
    const { serial } = latest('/shop.Orders/Get');
    await eventually('reports are asked for with the new one', () => latest(orcaPath).serial === serial);
    const before = server.seen.find(({ path }) => path === orcaPath)!;
    await eventually('and with the old one no more', () => before.stream.destroyed);

    body.write(framed('two'));
    await chat.received(16);
    assert.equal(first!.stream.session!.destroyed, false);
    const { session } = first!.stream;
    assert.equal(await call(mesh).end.promise, '0');
    assert.equal(latest('/shop.Orders/Get').serial, serial, 'none of the new calls goes over the old connection');
    body.end();
    assert.equal(await chat.end.promise, '0');
    await eventually('the old connection is closed', () => session!.destroyed || session!.closed);
    assert.deepEqual(held(mesh), { requests: 0, inFlight: 0 });
  });

  it('is that of the very next call', async (t) => {
    const { server, mesh, body, chat, rotate } = await underWay(t);
    assert.equal(await call(mesh).end.promise, '0');
    const rotated = Promise.withResolvers<void>();
    const listen = (): void => rotated.resolve();
    subscribe('meshfetch:identity:rotated', listen);
    t.after(() => unsubscribe('meshfetch:identity:rotated', listen));
    await rotate();
    await rotated.promise;
    assert.equal(await call(mesh).end.promise, '0');
    const [chatting] = server.seen;
    const [before, after] = server.seen.filter(({ path }) => path === '/shop.Orders/Get');
    assert.equal(before!.serial, chatting!.serial, 'it shares the connection of the stream');
    assert.notEqual(after!.serial, chatting!.serial);
    body.end();
    assert.equal(await chat.end.promise, '0');
  });

  it('leaves the old stream until the mesh is closed, and no longer than its drain', async (t) => {
    const { server, mesh, chat, rotate } = await underWay(t);
    await rotate();
    await eventually('the new one is in force', () => {
      void call(mesh).end.promise.catch(() => {});
      return server.seen.some(({ serial }) => serial !== server.seen[0]!.serial);
    });
    const startMs = performance.now();
    await mesh.close();
    await assert.rejects(chat.end.promise, { code: 'MESH_CLOSED' });
    assert.ok(performance.now() - startMs < 5000, 'bounded by drainTimeoutMs (100)');
    await eventually('all connections are closed', () => server.sessions.every(({ destroyed, closed }) => destroyed || closed));
  });
});

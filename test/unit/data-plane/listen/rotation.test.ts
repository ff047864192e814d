/** Certificates, roots and policies that change while connections are open and requests are under way. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, request as httpsRequest } from 'node:https';
import { before, describe, it, type TestContext } from 'node:test';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { createMesh } from 'meshfetch';
import { systemClock } from '../../../../src/base/runtime.ts';
import type { CertificateAuthority, IssuedCertificate } from '../../../../src/security/certificate-authority.ts';
import { createVirtualClock } from '../../../../src/testing/virtual-clock.ts';
import { hourMs, testAuthority, validity, workloadCertificate } from '../../../support/certificates.ts';
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
  SecuredPlane,
  type Listening,
} from '../../../support/listening.ts';
import { allTo, endpointAt, staticCluster } from '../../../support/cluster-plane.ts';
import { eventually } from '../../../support/mesh-of.ts';

let authority: CertificateAuthority;
let ours: IssuedCertificate;
let theirs: IssuedCertificate;
before(async () => {
  authority = await testAuthority();
  ours = await workloadCertificate(authority, 'server');
  theirs = await workloadCertificate(authority, 'client');
});

const secured = (t: TestContext, more: Partial<Parameters<typeof listening>[1]> = {}): Promise<Listening> =>
  listening(t, { authority, issued: ours, options: { mode: 'strict' }, ...more });

/** One request on a connection that is kept, and whether it was told to be the last. */
class KeptConnection {
  readonly agent: Agent;
  private readonly port: number;
  isClosed = false;
  connections = 0;

  constructor(port: number, tls: ConnectionOptions) {
    this.port = port;
    this.agent = new Agent({ keepAlive: true, maxSockets: 1, ...tls, ALPNProtocols: ['http/1.1'] });
    const create = this.agent.createConnection.bind(this.agent);
    this.agent.createConnection = (...args) => {
      this.connections += 1;
      const socket = create(...args);
      socket!.once('close', () => (this.isClosed = true));
      return socket;
    };
  }

  ask(path = '/'): Promise<{ readonly status: number; readonly connection: string | undefined }> {
    return new Promise((resolve, reject) => {
      const { agent, port } = this;
      httpsRequest({ host: '127.0.0.1', port, path, agent }, (response) => {
        response.resume();
        response.on('end', () => resolve({ status: response.statusCode!, connection: response.headers.connection }));
      })
        .on('error', reject)
        .end();
    });
  }
}

const serverName = [{ kind: 'uri', match: 'exact', value: 'spiffe://example.org/server' }] as const;

describe('a port whose certificates rotate', () => {
  it('shows the new certificate to who comes next, and keeps the connections that are open', async (t) => {
    const port = await secured(t);
    const serialOf = async (): Promise<string> => {
      const socket = connectTls({ ...clientOptions(authority, theirs), port: port.port });
      await once(socket, 'secureConnect');
      const { serialNumber } = socket.getPeerCertificate();
      socket.destroy();
      return serialNumber;
    };
    const kept = new KeptConnection(port.port, clientOptions(authority, theirs));
    assert.equal((await kept.ask()).status, 200);
    const first = await serialOf();
    port.identities.setSvid({ name: 'default', ...(await workloadCertificate(authority, 'server')) });
    assert.notEqual(await serialOf(), first);
    assert.deepEqual([(await kept.ask()).status, kept.connections], [200, 1]);
    kept.agent.destroy();
  });

  it('resumes no session, so that each connection shows who it is', async (t) => {
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const port = await secured(t);
      const tls = { ...clientOptions(authority, theirs), port: port.port, minVersion: version, maxVersion: version } as const;
      const first = connectTls({ ...tls, ALPNProtocols: ['http/1.1'] });
      const sessions: Buffer[] = [];
      first.on('session', (session) => sessions.push(session));
      await once(first, 'secureConnect');
      first.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
      await once(first, 'data');
      const session = sessions.at(-1) ?? first.getSession()!;
      first.destroy();
      const second = connectTls({ ...tls, session });
      await once(second, 'secureConnect');
      assert.equal(second.isSessionReused(), false, version);
      second.destroy();
    }
  });

  it('fails no request of meshes and of plain clients while certificates, and then roots, rotate under load', async (t) => {
    const port = await secured(t, { handler: (_request, response) => void setImmediate(() => response.end('ok')) });
    const plane = new SecuredPlane();
    const caller = await createMesh({ controlPlane: plane, drainTimeoutMs: 100 });
    t.after(() => caller.close());
    const theirSink = await plane.identities;
    theirSink.setTrustBundle({ name: 'default', certificates: authority.certificate });
    theirSink.setSvid({ name: 'default', ...theirs });
    const tls = { mode: 'mutual', identity: 'default', trust: 'default', peers: serverName } as const;
    const at = [endpointAt(`127.0.0.1:${port.port}`)];
    await plane.deliver([
      allTo('one', 'one'),
      staticCluster('one', at, { protocol: 'http1', tls }),
      allTo('two', 'two'),
      staticCluster('two', at, { protocol: 'http2', tls }),
    ]);
    const over = new AbortController();
    const statuses = new Map<number | string, number>();
    const count = (status: number | string): void => void statuses.set(status, (statuses.get(status) ?? 0) + 1);
    const loop = async (ask: () => Promise<number>): Promise<void> => {
      while (!over.signal.aborted && statuses.size < 2) count(await ask().catch((error: Error) => error.stack!));
    };
    t.after(() => over.abort());
    let shown = theirs;
    let roots = authority.certificate;
    const plain = (): Promise<number> =>
      askHttp1(port.port, { tls: { ...clientOptions(authority, shown), ca: roots } }).then(({ status }) => status);
    const through = (host: string) => (): Promise<number> =>
      caller.fetch(`http://${host}/`, { method: 'POST' }).then(async ({ status, body }) => {
        await body?.cancel();
        return status;
      });
    const loops = [plain, plain, through('one'), through('one'), through('two'), through('two')].map((ask) => loop(ask));

    // A client that never closes its connection by itself.
    const kept = new KeptConnection(port.port, clientOptions(authority, theirs));
    loops.push(loop(() => kept.ask().then(({ status }) => status)));

    for (let round = 0; round < 5; round++) {
      port.identities.setSvid({ name: 'default', ...(await workloadCertificate(authority, 'server')) });
      shown = await workloadCertificate(authority, 'client');
      theirSink.setSvid({ name: 'default', ...shown });
      await moreThan(25);
    }
    assert.equal(kept.connections, 1);

    // Another CA: trusted first, then used, and the old one is dropped when nobody shows it any more.
    const next = await testAuthority('next CA');
    const both = authority.certificate + next.certificate;
    port.identities.setTrustBundle({ name: 'default', certificates: both });
    theirSink.setTrustBundle({ name: 'default', certificates: both });
    roots = both;
    await moreThan(25);
    assert.equal(kept.connections, 1, 'roots that are added send nobody away');
    port.identities.setSvid({ name: 'default', ...(await workloadCertificate(next, 'server')) });
    shown = await workloadCertificate(next, 'client');
    theirSink.setSvid({ name: 'default', ...shown });
    kept.agent.options = { ...kept.agent.options, ...clientOptions(next, shown), ca: both };
    await moreThan(25);
    port.identities.setTrustBundle({ name: 'default', certificates: next.certificate });
    await moreThan(50);
    over.abort();
    await Promise.all(loops);
    kept.agent.destroy();
    assert.deepEqual([...statuses.keys()], [200]);
    assert.equal(kept.connections, 2, 'the connection of the old root has left');
    assert.equal(port.refusals.length, 0);

    async function moreThan(requests: number): Promise<void> {
      const before = statuses.get(200) ?? 0;
      await eventually('requests go on', () => (statuses.get(200) ?? 0) > before + requests || statuses.size > 1);
    }
  });
});

describe('a port whose policy changes', () => {
  it('asks those to leave whose root is not trusted any more, and nobody else', async (t) => {
    const next = await testAuthority('next CA');
    const port = await secured(t);
    port.identities.setTrustBundle({ name: 'default', certificates: authority.certificate + next.certificate });
    const stays = new KeptConnection(port.port, clientOptions(authority, await workloadCertificate(next, 'client')));
    const goes = new KeptConnection(port.port, clientOptions(authority, theirs));
    const session = await http2Session(port.port, clientOptions(authority, theirs));
    for (const one of [stays, goes]) assert.equal((await one.ask()).status, 200);
    assert.equal((await askHttp2(session)).status, 200);
    const goaway = once(session, 'goaway');
    port.identities.setTrustBundle({ name: 'default', certificates: next.certificate });
    await goaway;
    await eventually('the idle connection is closed', () => goes.isClosed);
    await eventually('the session is closed', () => session.destroyed);
    assert.equal((await stays.ask()).status, 200);
    assert.equal(stays.connections, 1);
    stays.agent.destroy();
  });

  it('lets a request end before its connection leaves', async (t) => {
    let answer: (() => void) | undefined;
    const port = await secured(t, { handler: (_request, response) => (answer = () => response.end('ok')) });
    const kept = new KeptConnection(port.port, clientOptions(authority, theirs));
    const reply = kept.ask();
    await eventually('the request is under way', () => answer !== undefined);
    const next = await testAuthority('next CA');
    port.identities.setTrustBundle({ name: 'default', certificates: next.certificate });
    answer!();
    assert.deepEqual(await reply, { status: 200, connection: 'close' });
    await eventually('the connection is closed', () => kept.isClosed);
  });

  it('asks those to leave whom the chain does not take any more', async (t) => {
    const peers = (path: string) => [{ kind: 'uri', match: 'exact', value: `spiffe://example.org/${path}` }] as const;
    const listener = (path: string) => meshListener({ mode: 'strict', filterChains: [mutualChain({}, { peers: peers(path) })] });
    const port = await secured(t, { listeners: [listener('client')] });
    const session = await http2Session(port.port, clientOptions(authority, theirs));
    assert.equal((await askHttp2(session)).status, 200);
    const goaway = once(session, 'goaway');
    await port.apply(listener('other'));
    await goaway;
    await eventually('the session is closed', () => session.destroyed);
    await assert.rejects(askHttp1(port.port, { tls: clientOptions(authority, theirs) }));
    assert.equal((await port.refusal()).reason, 'peer_not_accepted');
  });

  it('refuses plaintext on connections that are open when strict comes into force', async (t) => {
    const port = await secured(t, { options: {}, listeners: [meshListener()] });
    const session = await http2Session(port.port);
    assert.equal((await askHttp2(session)).status, 200);
    await port.apply(meshListener({ mode: 'strict', filterChains: [mutualChain()] }));
    assert.equal((await askHttp2(session)).status, 403);
    session.destroy();
  });

  it('asks a peer to leave whose certificate has expired meanwhile', async (t) => {
    let shiftMs = 0;
    const virtual = createVirtualClock();
    const clock = { ...virtual, wallNow: () => systemClock.wallNow() + shiftMs };
    const port = await secured(t, { clock });
    const brief = await workloadCertificate(authority, 'brief', validity(-hourMs, hourMs));
    const [goes, stays] = [brief, theirs].map((issued) => new KeptConnection(port.port, clientOptions(authority, issued)));
    for (const one of [goes!, stays!]) assert.equal((await one.ask()).status, 200);
    shiftMs = 2 * hourMs;
    await virtual.advance(5_000);
    await eventually('the connection is closed', () => goes!.isClosed);
    assert.equal((await stays!.ask()).status, 200);
    assert.equal(stays!.connections, 1);
    stays!.agent.destroy();
  });

  it('refuses the request whose beginning came before the certificate of its peer expired, and closes', async (t) => {
    let shiftMs = 0;
    const virtual = createVirtualClock();
    const clock = { ...virtual, wallNow: () => systemClock.wallNow() + shiftMs };
    const port = await secured(t, { clock });
    const brief = await workloadCertificate(authority, 'brief', validity(-hourMs, hourMs));
    const socket = connectTls({ ...clientOptions(authority, brief), port: port.port, ALPNProtocols: ['http/1.1'] });
    await once(socket, 'secureConnect');
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n');
    await once(socket, 'data');
    shiftMs = 2 * hourMs;
    socket.write('\r\n');
    assert.match(await readToEnd(socket), /^HTTP\/1\.1 403 /);
  });

  it('takes over limits and PROXY headers of a policy that comes later', async (t) => {
    const port = await secured(t, { options: {}, listeners: [meshListener()] });
    await port.apply(meshListener({ limits: { maxConnections: 1 }, filterChains: [mutualChain(), plaintextChain()] }));
    const first = await dial(port.port);
    const second = await dial(port.port);
    assert.equal(await readToEnd(second), '');
    assert.equal((await port.refusal()).reason, 'too_many_connections');
    first.destroy();
  });
});

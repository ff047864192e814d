/** Which source's policy holds for a port, and what holds while it is not known. */
import assert from 'node:assert/strict';
import { createServer, request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { createMesh, type Mesh } from 'meshfetch';
import type { MeshRequest } from '../../src/model/inbound.ts';
import type { CertificateAuthority, IssuedCertificate } from '../../src/security/certificate-authority.ts';
import { serverKeyPair, testAuthority, workloadCertificate } from '../support/certificates.ts';
import { allTo, endpointAt, staticCluster, TestControlPlane } from '../support/cluster-plane.ts';
import { guardedServer, policyOf, send, wayIn } from '../support/inbound.ts';

class Guard extends TestControlPlane {
  readonly guardsInbound = true;
}

const denyAll = policyOf('deny', [{ kind: 'any' }]);
const hello = (_request: unknown, response: { end(body: string): unknown }): void => void response.end('hello');

describe('the policy of a port', () => {
  it('is that of the first source that has one', async (t) => {
    const [first, second] = [new TestControlPlane('first'), new TestControlPlane('second')];
    const { port } = await guardedServer(t, hello, { plane: first, mesh: { controlPlane: [first, second] } });
    await second.deliver([wayIn({ authorization: [denyAll] })]);
    assert.equal((await send(port)).status, 403);
    await first.deliver([wayIn()]);
    assert.equal((await send(port)).status, 200);
  });

  it('is awaited while the first that guards ports has none, whatever others say', async (t) => {
    const [first, second] = [new Guard('first'), new TestControlPlane('second')];
    const { mesh, port } = await guardedServer(t, hello, { plane: first, mesh: { controlPlane: [first, second] } });
    await second.deliver([wayIn()]);
    assert.equal((await send(port)).status, 503);
    assert.equal(mesh.status().inbound[0]?.policy, 'awaited');
    await first.deliver([allTo('orders', 'orders'), staticCluster('orders', [endpointAt('127.0.0.1:1')])]);
    assert.equal((await send(port)).status, 503, 'a way out is no word on what may come in');
    await first.deliver([wayIn()]);
    assert.equal((await send(port)).status, 200);
    assert.equal(mesh.status().inbound[0]?.policy, 'in-force');
  });

  it('does not hold in the place of one that was refused', async (t) => {
    const plane = new Guard();
    const { port } = await guardedServer(t, hello, { plane });
    const broken = wayIn({ authorization: undefined as never }, { name: 'one', port });
    await assert.rejects(plane.deliver([wayIn({}, { name: 'all' }), broken]));
    assert.equal((await send(port)).status, 503, 'the listener of all ports may be more open');
    await plane.deliver([wayIn({ authorization: [denyAll] }, { name: 'one', port })]);
    assert.equal((await send(port)).status, 403);
  });

  it('stays in force when the next version of it is refused', async (t) => {
    const plane = new Guard();
    const { port } = await guardedServer(t, hello, { plane });
    await plane.deliver([wayIn({ authorization: [denyAll] })]);
    await assert.rejects(plane.deliver([wayIn({ authorization: undefined as never })]));
    assert.equal((await send(port)).status, 403);
  });

  it('is that of the port that a door names', async (t) => {
    const { plane, port } = await guardedServer(t, hello, { door: { port: 8080 } });
    await plane.deliver([
      wayIn({ authorization: [denyAll] }, { name: 'one', port: 8080 }),
      wayIn({}, { name: 'two', port: 8081 }),
    ]);
    assert.equal((await send(port)).status, 403);
  });

  it('names the port of the policy in its rules, whichever port was bound', async (t) => {
    const { plane, port } = await guardedServer(t, hello, { door: { port: 8080 } });
    const at = (start: number) => policyOf('deny', [{ kind: 'port', start, end: start }]);
    for (const [start, status] of [
      [8080, 403],
      [port, 200],
    ] as const)
      for (const rules of ['authorization', 'connectionAuthorization'] as const) {
        await plane.deliver([wayIn({ [rules]: [at(start)] }, { port: 8080 })]);
        assert.equal((await send(port)).status, status, `${rules} ${start}`);
      }
  });

  it('refuses a connection that no chain takes, or whose TLS would not be ended, or that may not come in', async (t) => {
    const { plane, port } = await guardedServer(t, hello);
    await plane.deliver([wayIn({ match: { transport: 'tls' } })]);
    assert.equal((await send(port)).status, 403);
    await plane.deliver([wayIn({ protocol: 'tls' })]);
    assert.equal((await send(port)).status, 403);
    await plane.deliver([wayIn({ protocol: 'opaque' })]);
    assert.equal((await send(port)).body, 'hello');
    await plane.deliver([wayIn({ protocol: 'opaque', connectionAuthorization: [denyAll] })]);
    assert.equal((await send(port)).status, 403);
    await plane.deliver([wayIn({ connectionAuthorization: [denyAll] })]);
    assert.equal((await send(port)).status, 403);
  });

  it('shows in the status, with the requests that are under way', async (t) => {
    const { mesh, plane, port } = await guardedServer(t, (_request, response) => {
      response.end(JSON.stringify(mesh.status().inbound));
    });
    await plane.deliver([wayIn({ authorization: [policyOf('allow', [{ kind: 'any' }])] }, { mode: 'permissive' })]);
    const [shown] = JSON.parse((await send(port)).body) as Mesh['status'] extends () => { inbound: infer I } ? I : never;
    assert.deepEqual(shown, {
      port,
      isReady: true,
      mode: 'permissive',
      policy: 'in-force',
      source: 'test',
      version: '1',
      listener: 'in',
      filterChains: [{ name: 'http', policies: ['allow allow-policy'] }],
      requestsInFlight: 1,
    });
  });

  it('says no to options that can never work', async () => {
    await using mesh = await createMesh({ drainTimeoutMs: 100 });
    assert.throws(() => mesh.inbound({ port: 0 }), /"port" must be a whole number/);
    assert.throws(() => mesh.inbound({ mode: 'srtict' as never }), /"mode" must be one of disabled, permissive, strict/);
    assert.throws(() => mesh.inbound({ policyMissing: 'no' as never }), /"policyMissing" must be/);
  });
});

describe('a server of TLS that somebody else owns', () => {
  async function tlsServer(t: TestContext, authority: CertificateAuthority, more: Parameters<typeof wayIn>) {
    const plane = new TestControlPlane();
    const mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 100 });
    const door = mesh.inbound();
    const seen: (MeshRequest | undefined)[] = [];
    const own = await workloadCertificate(authority, 'server');
    const server = createServer(
      { ...serverKeyPair(own), ca: authority.certificate, requestCert: true, rejectUnauthorized: false },
      (request, response) =>
        door.admit(request, response, (refusal) => {
          if (refusal !== undefined) return door.refuse(request, response, refusal);
          seen.push((request as typeof request & { mesh?: MeshRequest }).mesh);
          response.end('hello');
        }),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(async () => {
      server.closeAllConnections();
      server.close();
      await mesh.close();
    });
    await plane.deliver([wayIn(...more)]);
    const ask = (client?: IssuedCertificate): Promise<number> =>
      new Promise((resolve, reject) => {
        const { port } = server.address() as AddressInfo;
        const keys = client === undefined ? {} : serverKeyPair(client);
        httpsRequest(
          { host: '127.0.0.1', port, ca: authority.certificate, servername: 'server', agent: false, ...keys },
          (response) => {
            response.resume().on('end', () => resolve(response.statusCode!));
          },
        )
          .on('error', reject)
          .end();
      });
    return { ask, seen };
  }

  it('shows whose certificate it has verified', async (t) => {
    const [authority, stranger] = await Promise.all([testAuthority(), testAuthority('another CA')]);
    const { ask, seen } = await tlsServer(t, authority, [{}, { mode: 'strict' }]);
    assert.equal(await ask(await workloadCertificate(authority, 'web')), 200);
    assert.equal(seen[0]?.peer.spiffeId, 'spiffe://example.org/web');
    assert.equal(seen[0]?.peer.isAuthenticated, true);
    assert.equal(await ask(await workloadCertificate(stranger, 'web')), 403, 'signed by nobody that is trusted');
    assert.equal(await ask(), 403, 'no certificate');
  });

  it('is told of the peers that the policy takes', async (t) => {
    const authority = await testAuthority();
    const tls = {
      identity: 'default',
      requireClientCertificate: true,
      alpn: [],
      peers: [{ kind: 'uri', match: 'exact', value: 'spiffe://example.org/web' }],
    } as const;
    const { ask } = await tlsServer(t, authority, [{ tls }]);
    assert.equal(await ask(await workloadCertificate(authority, 'web')), 200);
    assert.equal(await ask(await workloadCertificate(authority, 'cart')), 403);
    assert.equal(await ask(), 403);
  });
});

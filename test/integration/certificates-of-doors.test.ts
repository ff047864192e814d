/** Certificates that cannot be read, or that expire, on a server of TLS that the program owns. */
import assert from 'node:assert/strict';
import { Agent, createServer, request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { before, describe, it, type TestContext } from 'node:test';
import { createMesh } from 'meshfetch';
import { systemClock } from '../../src/base/runtime.ts';
import type { CertificateAuthority, IssuedCertificate } from '../../src/security/certificate-authority.ts';
import { createVirtualClock } from '../../src/testing/virtual-clock.ts';
import { hourMs, serverKeyPair, testAuthority, validity, workloadCertificate } from '../support/certificates.ts';
import { TestControlPlane } from '../support/cluster-plane.ts';
import { policyOf, wayIn } from '../support/inbound.ts';

const everything = policyOf('allow', [{ kind: 'any' }]);
const denied = {
  ...policyOf('deny', []),
  rules: [
    {
      name: 'not-web',
      principals: [{ kind: 'identity', match: { kind: 'exact', value: 'spiffe://example.org/web' } }],
      permissions: [{ kind: 'any' }],
    },
  ],
} as const;

describe('a server of TLS that the program owns', () => {
  let authority: CertificateAuthority;
  before(async () => {
    authority = await testAuthority();
  });

  interface Served {
    readonly status: number;
    readonly connection: string | undefined;
  }

  async function served(t: TestContext, chain: Parameters<typeof wayIn>, client: IssuedCertificate) {
    const clock = createVirtualClock();
    const plane = new TestControlPlane();
    const mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 100, clock });
    const door = mesh.inbound();
    const server = createServer(
      { ...serverKeyPair(await workloadCertificate(authority, 'server')), ca: authority.certificate, requestCert: true },
      (request, response) =>
        door.admit(request, response, (refusal) => {
          if (refusal === undefined) response.end('hello');
          else door.refuse(request, response, refusal);
        }),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    t.after(async () => {
      agent.destroy();
      server.closeAllConnections();
      server.close();
      const closed = mesh.close();
      await clock.advance(1000);
      await closed;
    });
    await plane.deliver([wayIn(...chain)]);
    const { port } = server.address() as AddressInfo;
    const options = { host: '127.0.0.1', port, ca: authority.certificate, servername: 'server', agent, ...serverKeyPair(client) };
    const ask = (): Promise<Served> =>
      new Promise((resolve, reject) => {
        httpsRequest(options, (response) => {
          const { statusCode, headers } = response;
          response.resume().on('end', () => resolve({ status: statusCode!, connection: headers.connection }));
        })
          .on('error', reject)
          .end();
      });
    return { ask, clock };
  }

  it('let in whoever had a certificate that cannot be read past a DENY of identities', async (t) => {
    const names = { uris: ['spiffe://example.org/web'], dnsNames: ['web\u0007'] };
    const unreadable = await authority.issue(names, validity());
    const { ask } = await served(t, [{ authorization: [denied, everything] }, { mode: 'permissive' }], unreadable);
    assert.deepEqual(await ask(), { status: 403, connection: 'close' });
  });

  it('takes no more requests of a peer whose certificate has expired since', async (t) => {
    const clock = createVirtualClock();
    // The virtual clock begins where it does, and OpenSSL looks at the real one.
    const untilMs = Math.ceil(Math.max(clock.wallNow(), systemClock.wallNow()) / 1000) * 1000 + hourMs;
    const client = await authority.issue(
      { uris: ['spiffe://example.org/web'] },
      { fromMs: Math.min(clock.wallNow(), systemClock.wallNow()) - hourMs, untilMs },
    );
    const { ask, clock: now } = await served(t, [{}, { mode: 'strict' }], client);
    assert.deepEqual(await ask(), { status: 200, connection: 'keep-alive' });
    await now.advance(untilMs - now.wallNow());
    assert.deepEqual(await ask(), { status: 200, connection: 'keep-alive' }, 'to its last second');
    await now.advance(1000);
    assert.deepEqual(await ask(), { status: 403, connection: 'close' });
  });
});

import assert from 'node:assert/strict';
import type { ControlPlane, IdentitySink, Mesh } from 'meshfetch';
import type { CertificateAuthority } from '../../../../src/security/certificate-authority.ts';
import { svidOf, testAuthority, workloadCertificate } from '../../../support/certificates.ts';
import type { Subject } from '../behaviour.ts';
import { answered } from '../outcome.ts';
import { ordersAt, type Setting } from '../setting.ts';
import type { Upstream, UpstreamTls } from '../upstream.ts';
import { ownSocket } from './reasons.ts';

let authorities: Promise<{ readonly ours: CertificateAuthority; readonly theirs: CertificateAuthority }> | undefined;

/** Two CAs, made once. */
function testAuthorities(): NonNullable<typeof authorities> {
  return (authorities ??= Promise.all([testAuthority(), testAuthority('another CA')]).then(([ours, theirs]) => ({
    ours,
    theirs,
  })));
}

/** A server named so, which asks for certificates of our CA. */
async function serverNamed(name: string, by: 'ours' | 'theirs' = 'ours'): Promise<UpstreamTls> {
  const all = await testAuthorities();
  return { ...(await workloadCertificate(all[by], name)), clients: all.ours.certificate };
}

/** A mesh that is `web`, over mutual TLS to whoever is `peers`; gives the way to be somebody else. */
async function meshOfWeb(
  setting: Setting,
  upstreams: readonly Upstream[],
  peers: readonly string[] = ['spiffe://example.org/orders'],
): Promise<{ readonly mesh: Mesh; readonly become: (name: string) => Promise<void> }> {
  const { ours } = await testAuthorities();
  const { promise, resolve } = Promise.withResolvers<IdentitySink>();
  const certificates: ControlPlane = {
    name: 'certificates',
    run: async () => {},
    identity: { name: 'certificates', run: async (sink) => resolve(sink) },
  };
  const services = { orders: ordersAt(upstreams, { tls: { mode: 'mutual', identity: 'web', peers: [...peers] } }) };
  const mesh = await setting.meshOf([{ services }, certificates]);
  const sink = await promise;
  const become = async (name: string): Promise<void> => {
    const verdict = sink.setSvid(svidOf(await workloadCertificate(ours, name), 'web'));
    assert.deepEqual(verdict, { ok: true });
  };
  sink.setTrustBundle({ name: 'web', certificates: ours.certificate });
  await become('web');
  return { mesh, become };
}

/** Who speaks to whom. */
export const identity: Subject = {
  title: 'Identity',
  behaviours: [
    {
      name: 'mutual-tls',
      says: 'The endpoint sees our SPIFFE ID, and its own is checked; the URL may say http.',
      async check(setting) {
        const upstream = await setting.upstream('orders', {}, await serverNamed('orders'));
        await meshOfWeb(setting, [upstream]);
        answered(await setting.call());
        answered(await setting.call());
        assert.match(String(upstream.requests[0]!.peer), /spiffe:\/\/example\.org\/web/);
        assert.equal(upstream.requests.length, 2);
      },
    },
    {
      name: 'wrong-identity',
      says: 'An endpoint that is somebody else gets nothing of a request.',
      async check(setting) {
        const upstream = await setting.upstream('billing', {}, await serverNamed('billing'));
        await meshOfWeb(setting, [upstream]);
        const error = setting.failed(await setting.call({ headers: { 'x-secret': '1' } }), 'MESH_PEER_IDENTITY');
        if (error !== undefined) assert.equal(error.mayHaveBeenProcessed, false);
        assert.equal(upstream.requests.length, 0);
      },
    },
    {
      name: 'wrong-ca',
      says: 'An endpoint with the right name from the wrong CA gets nothing of a request.',
      async check(setting) {
        const upstream = await setting.upstream('orders', {}, await serverNamed('orders', 'theirs'));
        await meshOfWeb(setting, [upstream]);
        setting.failed(await setting.call(), 'MESH_TLS_FAILED');
        assert.equal(upstream.requests.length, 0);
      },
    },
    {
      name: 'plaintext-endpoint',
      says: 'Where TLS is asked for, nothing of a request goes out in plaintext.',
      async check(setting) {
        const upstream = await setting.upstream('orders');
        await meshOfWeb(setting, [upstream]);
        setting.failed(await setting.call(), 'MESH_TLS_FAILED');
        assert.equal(upstream.requests.length, 0);
      },
    },
    {
      name: 'rotation',
      says: 'After a rotation the next request shows the new certificate, and none fails.',
      async check(setting) {
        const upstream = await setting.upstream('orders', {}, await serverNamed('orders'));
        const { become } = await meshOfWeb(setting, [upstream]);
        answered(await setting.call());
        await become('web-next');
        for (const outcome of await setting.calls(3)) answered(outcome);
        const peers = upstream.requests.map(({ peer }) => /example\.org\/([\w-]+)/.exec(String(peer))?.[1]);
        assert.deepEqual(peers, ['web', 'web-next', 'web-next', 'web-next']);
      },
    },
    {
      name: 'rotation-within-a-response',
      says: 'A response that is under way when the certificate rotates comes to its end.',
      notFor: ownSocket,
      async check(setting) {
        const { promise, resolve } = Promise.withResolvers<void>();
        const parts = async function* (): AsyncGenerator<Buffer> {
          yield Buffer.from('before ');
          await promise;
          yield Buffer.from('after');
        };
        const upstream = await setting.upstream(
          'orders',
          ({ number }) => (number === 1 ? { messages: parts() } : {}),
          await serverNamed('orders'),
        );
        const { become } = await meshOfWeb(setting, [upstream]);
        const exchange = await setting.open();
        const messages = exchange.messages[Symbol.asyncIterator]();
        assert.equal((await messages.next()).value?.toString(), 'before ');
        await become('web-next');
        answered(await setting.call());
        resolve();
        assert.equal((await messages.next()).value?.toString(), 'after');
        assert.equal((await messages.next()).done, true);
        assert.match(String(upstream.requests[1]!.peer), /web-next/);
      },
    },
  ],
};

/** Clients of two trust domains, with the certificates of intermediate CAs in their chains. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, request } from 'node:https';
import { before, describe, it, type TestContext } from 'node:test';
import { connect, type ConnectionOptions } from 'node:tls';
import {
  createCertificateAuthority,
  type CertificateAuthority,
  type IssuedCertificate,
} from '../../../../src/security/certificate-authority.ts';
import { validity } from '../../../support/certificates.ts';
import { crossSign } from '../../../support/cross-sign.ts';
import { askHttp1, clientOptions, listening, type Listening } from '../../../support/listening.ts';

interface Authorities {
  /** Of our trust domain, `own.test`. */
  readonly own: CertificateAuthority;
  /** Of `other.test`, which is federated with it. Both have the same subject. */
  readonly other: CertificateAuthority;
}

interface Row {
  readonly name: string;
  readonly client: (authorities: Authorities) => Promise<IssuedCertificate>;
  /** Undefined = it is let in. */
  readonly refusal?: RegExp;
}

const ownName = 'spiffe://own.test/cart';
const otherName = 'spiffe://other.test/cart';
const leaf = (authority: CertificateAuthority, spiffeId: string): Promise<IssuedCertificate> =>
  authority.issue({ uris: [spiffeId] }, validity());
const below = (authority: CertificateAuthority): Promise<CertificateAuthority> =>
  authority.issueAuthority({ commonName: 'issuing' }, validity());
const withShown = (issued: IssuedCertificate, certificates: string): IssuedCertificate => ({
  ...issued,
  certificateChain: issued.certificateChain + certificates,
});
const notOwn = /does not end in a root of "own\.test"/;

const rows: readonly Row[] = [
  { name: 'own-domain', client: ({ own }) => leaf(own, ownName) },
  { name: 'own-domain-behind-an-intermediate', client: async ({ own }) => leaf(await below(own), ownName) },
  { name: 'federated-domain', client: ({ other }) => leaf(other, otherName) },
  { name: 'federated-domain-behind-an-intermediate', client: async ({ other }) => leaf(await below(other), otherName) },
  { name: 'federated-domain-behind-two', client: async ({ other }) => leaf(await below(await below(other)), otherName) },
  {
    name: 'federated-root-cross-signed-by-ours',
    client: async ({ own, other }) => withShown(await leaf(other, ownName), await crossSign(other, own)),
  },
  {
    name: 'intermediate-of-the-federated-ca-signs-our-name',
    client: async ({ other }) => leaf(await below(other), ownName),
    refusal: notOwn,
  },
  {
    name: 'our-intermediate-signs-a-federated-name',
    client: async ({ own }) => leaf(await below(own), otherName),
    refusal: /does not end in a root of "other\.test"/,
  },
  {
    name: 'our-root-shown-and-not-in-the-path',
    client: async ({ own, other }) => withShown(await leaf(await below(other), ownName), own.certificate),
    refusal: notOwn,
  },
  {
    name: 'unknown-domain',
    client: async ({ other }) => leaf(await below(other), 'spiffe://unknown.test/cart'),
    refusal: /there is no trust bundle for the trust domain "unknown\.test"/,
  },
];

describe('clients of federated trust domains', () => {
  let authorities: Authorities;
  let ours: IssuedCertificate;
  before(async () => {
    authorities = {
      own: await createCertificateAuthority({ commonName: 'root' }, validity()),
      other: await createCertificateAuthority({ commonName: 'root' }, validity()),
    };
    ours = await authorities.own.issue({ uris: ['spiffe://own.test/server'] }, validity());
  });

  async function federated(t: TestContext): Promise<Listening> {
    const port = await listening(t, { issued: ours, options: { mode: 'strict' } });
    port.identities.setTrustBundle({
      name: 'default',
      certificates: authorities.own.certificate,
      trustDomain: 'own.test',
      federated: [{ trustDomain: 'other.test', certificates: authorities.other.certificate }],
    });
    return port;
  }

  for (const { name, client, refusal } of rows)
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const)
      it(`are ${refusal === undefined ? 'let in' : 'refused'}: ${name}, ${version}`, async (t) => {
        const port = await federated(t);
        const options = clientOptions(authorities.own, await client(authorities));
        const tls: ConnectionOptions = { ...options, minVersion: version, maxVersion: version };
        if (refusal === undefined) {
          const answer = await askHttp1(port.port, { tls }).catch(() => undefined);
          assert.equal(answer?.status, 200, port.refusals[0]?.detail);
          return;
        }
        await assert.rejects(askHttp1(port.port, { tls }));
        const { reason, detail } = await port.refusal();
        assert.equal(reason, 'certificate_untrusted');
        assert.match(detail!, refusal);
      });

  it('are refused behind an intermediate where they offer no application protocol, and the event says why', async (t) => {
    const port = await federated(t);
    const options = clientOptions(authorities.own, await leaf(await below(authorities.other), otherName));
    const socket = connect({ ...options, port: port.port });
    socket.on('error', () => {});
    await once(socket, 'close');
    const { reason, detail } = await port.refusal();
    assert.equal(reason, 'certificate_untrusted');
    assert.match(detail!, /clients that offer application protocols \(ALPN\)/);
  });

  it('had to leave behind an intermediate when a root was dropped that was not theirs', async (t) => {
    const { own, other } = authorities;
    const port = await listening(t, { issued: ours, options: { mode: 'strict' } });
    port.identities.setTrustBundle({ name: 'default', certificates: own.certificate + other.certificate });
    const tls = clientOptions(own, await leaf(await below(own), ownName));
    const goes = clientOptions(own, await leaf(await below(other), ownName));
    const agents = [tls, goes].map((each) => new Agent({ keepAlive: true, maxSockets: 1, ...each, ALPNProtocols: ['http/1.1'] }));
    t.after(() => agents.forEach((agent) => agent.destroy()));
    const ask = (agent: Agent): Promise<string | undefined> =>
      new Promise((resolve, reject) => {
        request({ host: '127.0.0.1', port: port.port, agent }, (response) => {
          response.resume().on('end', () => resolve(response.headers.connection));
        })
          .on('error', reject)
          .end();
      });
    const all = (): Promise<(string | undefined)[]> => Promise.all(agents.map(ask));
    assert.deepEqual(await all(), ['keep-alive', 'keep-alive']);
    port.identities.setTrustBundle({ name: 'default', certificates: own.certificate });
    assert.equal(await ask(agents[0]!), 'keep-alive');
  });
});

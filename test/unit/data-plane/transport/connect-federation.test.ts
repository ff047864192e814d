import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { before, describe, it } from 'node:test';
import { systemClock } from '../../../../src/base/runtime.ts';
import { createConnector, peerOf, type Connector } from '../../../../src/data-plane/transport/connect.ts';
import type { ConnectFailure } from '../../../../src/data-plane/transport/connect-error.ts';
import type { TrustBundle } from '../../../../src/model/identity.ts';
import type { SanMatcher } from '../../../../src/model/tls.ts';
import {
  createCertificateAuthority,
  type CertificateAuthority,
  type IssuedCertificate,
} from '../../../../src/security/certificate-authority.ts';
import { createFederationCheck } from '../../../../src/security/federation.ts';
import { createIdentityStore, type IdentityStore } from '../../../../src/security/identity-store.ts';
import { serverKeyPair, validity } from '../../../support/certificates.ts';
import { connectOnce } from '../../../support/connect-once.ts';
import { crossSign } from '../../../support/cross-sign.ts';
import { startTlsServer } from '../../../support/tls-server.ts';

const anySpiffeId: readonly SanMatcher[] = [{ kind: 'uri', match: 'prefix', value: 'spiffe://' }];

interface Authorities {
  /** Of our trust domain, `own.test`. */
  readonly own: CertificateAuthority;
  /** Of `other.test`, which is federated with it. Both have the same subject. */
  readonly other: CertificateAuthority;
  /** In no bundle. */
  readonly stranger: CertificateAuthority;
}

interface Row {
  readonly name: string;
  /** Certificate of the endpoint. */
  readonly certificate: (authorities: Authorities) => Promise<IssuedCertificate>;
  readonly peers?: readonly SanMatcher[];
  readonly kind: ConnectFailure | 'connected';
  readonly message?: RegExp;
}

const leaf = (authority: CertificateAuthority, spiffeId: string): Promise<IssuedCertificate> =>
  authority.issue({ uris: [spiffeId], dnsNames: ['orders'] }, validity());
const ownName = 'spiffe://own.test/orders';
const otherName = 'spiffe://other.test/orders';
const notItsRoot = /does not end in a root of "own\.test"/;

const rows: readonly Row[] = [
  { name: 'own-domain', certificate: ({ own }) => leaf(own, ownName), kind: 'connected' },
  {
    name: 'own-domain-behind-an-intermediate',
    certificate: async ({ own }) => leaf(await own.issueAuthority({ commonName: 'issuing' }, validity()), ownName),
    kind: 'connected',
  },
  { name: 'federated-domain', certificate: ({ other }) => leaf(other, otherName), kind: 'connected' },
  {
    name: 'federated-domain-behind-an-intermediate',
    certificate: async ({ other }) => leaf(await other.issueAuthority({ commonName: 'issuing' }, validity()), otherName),
    kind: 'connected',
  },
  {
    name: 'federated-ca-signs-our-name',
    certificate: ({ other }) => leaf(other, ownName),
    kind: 'identity',
    message: notItsRoot,
  },
  {
    name: 'intermediate-of-the-federated-ca-signs-our-name',
    certificate: async ({ other }) => leaf(await other.issueAuthority({ commonName: 'issuing' }, validity()), ownName),
    kind: 'identity',
    message: notItsRoot,
  },
  {
    name: 'our-ca-signs-a-federated-name',
    certificate: ({ own }) => leaf(own, otherName),
    kind: 'identity',
    message: /does not end in a root of "other\.test"/,
  },
  {
    name: 'our-root-shown-and-not-in-the-path',
    certificate: async ({ own, other }) => withShown(await leaf(other, ownName), own.certificate),
    kind: 'identity',
    message: notItsRoot,
  },
  {
    name: 'unknown-domain',
    certificate: ({ other }) => leaf(other, 'spiffe://unknown.test/orders'),
    kind: 'identity',
    message: /there is no trust bundle for the trust domain "unknown\.test"/,
  },
  {
    name: 'no-spiffe-id',
    certificate: ({ own }) => own.issue({ dnsNames: ['orders'] }, validity()),
    peers: [],
    kind: 'identity',
    message: /has no SPIFFE ID/,
  },
  {
    name: 'unknown-ca',
    certificate: ({ stranger }) => leaf(stranger, ownName),
    kind: 'tls',
    message: /issued by a CA that is not in the trust bundle/,
  },
  {
    name: 'new-root-cross-signed-by-ours',
    certificate: async ({ own }) => {
      const next = await createCertificateAuthority({ commonName: 'next root' }, validity());
      return withShown(await leaf(next, ownName), await crossSign(next, own));
    },
    kind: 'connected',
  },
  {
    name: 'federated-root-cross-signed-by-a-stranger',
    certificate: async ({ other, stranger }) => withShown(await leaf(other, otherName), await crossSign(other, stranger)),
    kind: 'connected',
  },
  {
    name: 'federated-root-cross-signed-by-ours',
    certificate: async ({ own, other }) => withShown(await leaf(other, ownName), await crossSign(other, own)),
    kind: 'connected',
  },
  {
    name: 'federated-root-cross-signed-by-ours-with-a-ca-too-many-below',
    certificate: async ({ own, other }) => {
      const issuing = await other.issueAuthority({ commonName: 'issuing' }, validity());
      return withShown(await leaf(issuing, ownName), await crossSign(other, own, { maxAuthoritiesBelow: 0 }));
    },
    kind: 'identity',
    message: notItsRoot,
  },
  {
    name: 'federated-root-cross-signed-by-ours-with-name-constraints',
    certificate: async ({ own, other }) =>
      withShown(await leaf(other, ownName), await crossSign(other, own, { permittedDns: 'elsewhere' })),
    kind: 'identity',
    message: notItsRoot,
  },
  {
    name: 'certificates-without-end',
    certificate: async ({ own, stranger }) => withShown(await leaf(own, ownName), stranger.certificate.repeat(11)),
    kind: 'identity',
    message: /more than 10 certificates/,
  },
];

function withShown(issued: IssuedCertificate, certificates: string): IssuedCertificate {
  return { ...issued, certificateChain: issued.certificateChain + certificates };
}

describe('peers of federated trust domains', () => {
  let authorities: Authorities;
  let bundle: TrustBundle;
  before(async () => {
    authorities = {
      own: await createCertificateAuthority({ commonName: 'root' }, validity()),
      other: await createCertificateAuthority({ commonName: 'root' }, validity()),
      stranger: await createCertificateAuthority({ commonName: 'stranger' }, validity()),
    };
    bundle = {
      name: 'default',
      certificates: authorities.own.certificate,
      trustDomain: 'own.test',
      federated: [{ trustDomain: 'other.test', certificates: authorities.other.certificate }],
    };
  });

  function storeWith(trustBundle: TrustBundle): IdentityStore {
    const identities = createIdentityStore({ clock: systemClock });
    assert.deepEqual(identities.setTrustBundle(trustBundle), { ok: true });
    return identities;
  }

  function connectorTo(port: number, identities: IdentityStore, peers = anySpiffeId): Connector {
    return createConnector({
      host: '127.0.0.1',
      port,
      tls: { mode: 'simple', trust: 'default', sni: 'orders', peers },
      identities,
      connectTimeoutMs: 5000,
      clock: systemClock,
    });
  }

  for (const { name, certificate, peers, kind, message } of rows) {
    it(`${kind === 'connected' ? 'are accepted' : 'are refused'}: ${name}`, async () => {
      await using server = await startTlsServer(serverKeyPair(await certificate(authorities)));
      const outcome = await connectOnce(connectorTo(server.port, storeWith(bundle), peers));
      assert.equal(outcome.kind, kind, outcome.error?.message);
      if (message !== undefined) assert.match(outcome.error!.message, message);
    });
  }

  it('are found out by the key of the root, where its name is that of ours', async () => {
    const { own, other } = authorities;
    const issued = new X509Certificate(await crossSign(authorities.stranger, other, { withoutKeyIds: true }));
    const rootsOf = (authority: CertificateAuthority): X509Certificate[] => [new X509Certificate(authority.certificate)];
    const check = (authority: CertificateAuthority): string | undefined =>
      createFederationCheck([{ trustDomain: 'own.test', roots: rootsOf(authority) }])(issued, 'own.test', systemClock.wallNow());
    assert.equal(issued.checkIssued(rootsOf(own)[0]!), true, 'its names fit');
    assert.match(check(own) ?? '', notItsRoot);
    assert.equal(check(other), undefined);
  });

  it('keeps what was found about them when a session is resumed', async () => {
    await using server = await startTlsServer(serverKeyPair(await leaf(authorities.other, otherName)));
    const connector = connectorTo(server.port, storeWith(bundle));
    for (let round = 0; round < 2; round++) {
      const { kind, socket } = await connectOnce(connector, { keep: true });
      assert.equal(kind, 'connected');
      assert.equal(peerOf(socket!)?.identity.spiffeId, otherName);
      // The ticket of TLS 1.3 comes with the first data.
      socket!.resume().write('GET / HTTP/1.1\r\nhost: orders\r\n\r\n');
      await new Promise((resolve) => socket!.once('data', resolve));
      socket!.destroy();
    }
    assert.deepEqual(
      server.seen.map(({ isResumed }) => isResumed),
      [false, true],
    );
  });

  it('refuses them from the next connection on when their bundle was removed, session or not', async () => {
    await using server = await startTlsServer(serverKeyPair(await leaf(authorities.other, otherName)));
    const identities = storeWith(bundle);
    const changes: string[] = [];
    identities.watch(({ name, kind }) => changes.push(`${kind} ${name}`));
    const connector = connectorTo(server.port, identities);
    const first = await connectOnce(connector, { keep: true });
    first.socket!.resume().write('GET / HTTP/1.1\r\nhost: orders\r\n\r\n');
    await new Promise((resolve) => first.socket!.once('data', resolve));
    first.socket!.destroy();
    const { federated: _, ...withoutFederation } = bundle;
    identities.setTrustBundle(withoutFederation);
    assert.deepEqual(changes, ['trust-bundle default']);
    const second = await connectOnce(connector);
    assert.equal(second.kind, 'tls');
    identities.setTrustBundle(bundle);
    assert.equal((await connectOnce(connector)).kind, 'connected');
  });
});

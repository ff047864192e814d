import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { before, describe, it } from 'node:test';
import type { TlsOptions } from 'node:tls';

import type { SanMatcher } from '../../../../src/model/tls.ts';
import { systemClock } from '../../../../src/base/runtime.ts';
import { createConnector } from '../../../../src/data-plane/transport/connect.ts';
import type { ConnectFailure } from '../../../../src/data-plane/transport/connect-error.ts';
import {
  createCertificateAuthority,
  type CertificateAuthority,
  type IssuedCertificate,
} from '../../../../src/security/certificate-authority.ts';
import type { IdentityStore } from '../../../../src/security/identity-store.ts';
import { connectOnce } from '../../../support/connect-once.ts';
import {
  hourMs,
  identityStoreWith,
  serverKeyPair,
  testAuthority,
  validity,
  workloadCertificate,
  workloadNames,
} from '../../../support/certificates.ts';
import { startTlsServer } from '../../../support/tls-server.ts';

const orders: readonly SanMatcher[] = [{ kind: 'uri', match: 'exact', value: 'spiffe://example.org/orders' }];

interface Row {
  readonly name: string;
  /** Certificate of the endpoint. */
  readonly certificate: (ca: CertificateAuthority) => Promise<IssuedCertificate>;
  readonly server?: TlsOptions;
  readonly peers?: readonly SanMatcher[];
  readonly kind: ConnectFailure | 'connected';
  readonly message?: RegExp;
}

const good = (ca: CertificateAuthority): Promise<IssuedCertificate> => workloadCertificate(ca, 'orders');

const rows: readonly Row[] = [
  { name: 'good', certificate: good, kind: 'connected' },
  {
    name: 'good-by-dns-name-of-the-host',
    certificate: good,
    peers: [],
    kind: 'connected',
  },
  {
    name: 'behind-an-intermediate',
    certificate: async (ca) => workloadCertificate(await ca.issueAuthority({ commonName: 'intermediate' }, validity()), 'orders'),
    kind: 'connected',
  },
  {
    name: 'expired',
    certificate: (ca) => workloadCertificate(ca, 'orders', validity(-2 * hourMs, -hourMs)),
    kind: 'tls',
    message: /has expired \(CERT_HAS_EXPIRED\)/,
  },
  {
    name: 'not-yet-valid',
    certificate: (ca) => workloadCertificate(ca, 'orders', validity(hourMs)),
    kind: 'tls',
    message: /not valid yet/,
  },
  {
    name: 'wrong-spiffe-id',
    certificate: (ca) => workloadCertificate(ca, 'billing'),
    kind: 'identity',
    message: /names "spiffe:\/\/example\.org\/billing".*expected "spiffe:\/\/example\.org\/orders"/,
  },
  {
    name: 'wrong-trust-domain',
    certificate: (ca) => ca.issue({ uris: ['spiffe://evil.example/orders'] }, validity()),
    kind: 'identity',
    message: /spiffe:\/\/evil\.example\/orders/,
  },
  {
    name: 'wrong-host-name',
    certificate: (ca) => workloadCertificate(ca, 'billing'),
    peers: [],
    kind: 'identity',
    message: /does not name the host "orders"/,
  },
  {
    name: 'self-signed',
    certificate: async () => {
      const self = await createCertificateAuthority(workloadNames('orders'), validity(), {
        isAuthority: false,
        keyUsages: ['digitalSignature'],
      });
      return { certificateChain: self.certificate, privateKey: self.privateKey };
    },
    kind: 'tls',
    message: /DEPTH_ZERO_SELF_SIGNED_CERT/,
  },
  {
    name: 'unknown-ca',
    certificate: async () => good(await testAuthority('another CA')),
    kind: 'tls',
    message: /not in the trust bundle/,
  },
  {
    name: 'same-name-of-ca-but-another-key',
    certificate: async () => good(await testAuthority()),
    kind: 'tls',
    message: /TLS with .* failed/,
  },
  {
    name: 'sha-1-signature',
    certificate: (ca) => workloadCertificate(ca, 'orders', validity(), { hash: 'SHA-1' }),
    kind: 'tls',
    message: /digest algorithm too weak/,
  },
  {
    name: 'tls-1.1-only',
    certificate: good,
    server: { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
    kind: 'tls',
    message: /TLS 1\.2 is the least/,
  },
  {
    name: 'tls-1.2-without-aead',
    certificate: good,
    server: { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA' },
    kind: 'tls',
    message: /HANDSHAKE_FAILURE|handshake failure/i,
  },
  { name: 'tls-1.2', certificate: good, server: { maxVersion: 'TLSv1.2' }, kind: 'connected' },
  {
    name: 'two-uri-names',
    certificate: (ca) => ca.issue({ uris: ['spiffe://example.org/orders', 'spiffe://example.org/billing'] }, validity()),
    kind: 'identity',
    message: /2 URI names where an X\.509-SVID has exactly one/,
  },
  {
    name: 'common-name-only',
    certificate: (ca) => ca.issue({ commonName: 'orders' }, validity()),
    peers: [],
    kind: 'identity',
    message: /names nobody/,
  },
  {
    name: 'common-name-only-and-a-dns-matcher',
    certificate: (ca) => ca.issue({ commonName: 'orders' }, validity()),
    peers: [{ kind: 'dns', match: 'exact', value: 'orders' }],
    kind: 'identity',
  },
  {
    name: 'uri-name-with-a-comma-that-reads-like-two-names',
    certificate: (ca) => ca.issue({ uris: ['https://evil.example/, URI:spiffe://example.org/orders'] }, validity()),
    kind: 'identity',
    message: /https:\/\/evil\.example\/, URI:spiffe/,
  },
  {
    name: 'dns-name-with-a-comma-that-reads-like-two-names',
    certificate: (ca) => ca.issue({ dnsNames: ['evil.example, DNS:orders'] }, validity()),
    peers: [],
    kind: 'identity',
  },
  {
    name: 'dns-name-with-a-nul-byte',
    certificate: (ca) => ca.issue({ dnsNames: ['orders\0.evil.example'] }, validity()),
    peers: [],
    kind: 'identity',
    message: /not printable ASCII/,
  },
  {
    name: 'spiffe-id-without-a-path',
    certificate: (ca) => ca.issue({ uris: ['spiffe://example.org'] }, validity()),
    peers: [{ kind: 'uri', match: 'prefix', value: 'spiffe://example.org' }],
    kind: 'identity',
    message: /names a trust domain, not a workload/,
  },
  {
    name: 'spiffe-id-with-a-dot-segment',
    certificate: (ca) => ca.issue({ uris: ['spiffe://example.org/web/../orders'] }, validity()),
    peers: [{ kind: 'uri', match: 'suffix', value: '/orders' }],
    kind: 'identity',
    message: /not a SPIFFE ID/,
  },
  {
    name: 'certificate-of-a-ca-shown-as-a-leaf',
    certificate: (ca) =>
      workloadCertificate(ca, 'orders', validity(), { isAuthority: true, keyUsages: ['digitalSignature', 'keyCertSign'] }),
    kind: 'identity',
    message: /of a CA, not of a workload/,
  },
  {
    name: 'leaf-that-may-sign-certificates',
    certificate: (ca) => workloadCertificate(ca, 'orders', validity(), { keyUsages: ['digitalSignature', 'cRLSign'] }),
    kind: 'identity',
    message: /allows signing/,
  },
  {
    name: 'leaf-issued-by-another-leaf',
    certificate: async (ca) => {
      const leaf = await ca.issueAuthority(workloadNames('web'), validity(), {
        isAuthority: false,
        keyUsages: ['digitalSignature'],
      });
      return workloadCertificate(leaf, 'orders');
    },
    kind: 'tls',
  },
];

describe('the certificate that an endpoint shows', () => {
  let ca: CertificateAuthority;
  let identities: IdentityStore;
  before(async () => {
    ca = await testAuthority();
    identities = identityStoreWith(ca, await workloadCertificate(ca, 'web'));
  });

  for (const row of rows) {
    it(`${row.name}: ${row.kind}`, async () => {
      await using server = await startTlsServer({ ...serverKeyPair(await row.certificate(ca)), ...row.server });
      const connector = createConnector({
        host: '127.0.0.1',
        port: server.port,
        tls: { mode: 'simple', trust: 'default', sni: 'orders', peers: row.peers ?? orders },
        identities,
        connectTimeoutMs: 5000,
        clock: systemClock,
      });
      const outcome = await connectOnce(connector);
      assert.equal(outcome.kind, row.kind, outcome.error?.message);
      if (row.message !== undefined) assert.match(outcome.error?.message ?? '', row.message);
    });
  }

  it('is verified whatever the environment says', async () => {
    const old = process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    try {
      await using server = await startTlsServer(serverKeyPair(await good(await testAuthority('another CA'))));
      const connector = createConnector({
        host: '127.0.0.1',
        port: server.port,
        tls: { mode: 'simple', trust: 'default', sni: 'orders', peers: orders },
        identities,
        connectTimeoutMs: 5000,
        clock: systemClock,
      });
      assert.equal((await connectOnce(connector)).kind, 'tls');
    } finally {
      if (old === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
      else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = old;
    }
  });

  it('is not asked for in plaintext when the endpoint speaks no TLS', async () => {
    const received: Buffer[] = [];
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (bytes) => {
        received.push(bytes);
        socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n');
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const connector = createConnector({
      host: '127.0.0.1',
      port: (server.address() as AddressInfo).port,
      tls: { mode: 'simple', trust: 'default', sni: 'orders', peers: orders },
      identities,
      connectTimeoutMs: 5000,
      clock: systemClock,
    });
    const { kind, error } = await connectOnce(connector);
    server.close();
    assert.equal(kind, 'tls');
    assert.match(error?.message ?? '', /does not speak TLS on this port/);
    assert.equal(Buffer.concat(received)[0], 0x16, 'the first byte is that of a TLS handshake record');
  });
});

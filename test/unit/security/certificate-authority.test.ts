import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, it } from 'node:test';

import { createCertificateAuthority, loadCertificateAuthority } from '../../../src/security/certificate-authority.ts';
import { readCertificateExtensions } from '../../../src/security/certificate-extensions.ts';
import { loadX509Library } from '../../../src/security/x509-library.ts';
import { testAuthority, validity, workloadCertificate } from '../../support/certificates.ts';

describe('a certificate authority', () => {
  it('issues X.509-SVIDs with every kind of name', async () => {
    const ca = await testAuthority();
    const names = {
      uris: ['spiffe://example.org/orders'],
      dnsNames: ['orders', '*.orders.example'],
      ipAddresses: ['192.0.2.1', '2001:db8::1'],
      emails: ['orders@example.org'],
    };
    const { certificateChain, privateKey } = await ca.issue(names, validity());
    const leaf = new X509Certificate(certificateChain);
    assert.deepEqual(readCertificateExtensions(leaf.raw), {
      ...names,
      ipAddresses: ['192.0.2.1', '2001:db8:0:0:0:0:0:1'],
      isAuthority: false,
      keyUsage: { digitalSignature: true, keyCertSign: false, cRLSign: false },
    });
    assert.ok(leaf.verify(new X509Certificate(ca.certificate).publicKey));
    assert.ok(leaf.checkIssued(new X509Certificate(ca.certificate)));
    assert.match(privateKey.reveal(), /^-----BEGIN PRIVATE KEY-----/);
    assert.equal(String(privateKey), '[redacted]');
  });

  it('gives no two certificates the same serial number', async () => {
    const ca = await testAuthority();
    const issued = await Promise.all(Array.from({ length: 5 }, () => workloadCertificate(ca, 'orders')));
    const serials = issued.map(({ certificateChain }) => new X509Certificate(certificateChain).serialNumber);
    assert.equal(new Set(serials).size, 5);
    for (const serial of serials) assert.match(serial, /^[4-7][0-9A-F]{31}$/); // 128 bits, positive, no leading zero
  });

  it('can be loaded again and goes on issuing under the same root', async () => {
    const ca = await createCertificateAuthority({ commonName: 'CA, with "special" characters' }, validity());
    const again = loadCertificateAuthority(ca.certificate, ca.privateKey);
    const leaf = new X509Certificate((await workloadCertificate(again, 'orders')).certificateChain);
    assert.ok(leaf.checkIssued(new X509Certificate(ca.certificate)));
    assert.ok(leaf.verify(new X509Certificate(ca.certificate).publicKey));
  });

  it('is not loaded with a key that is not its own, or from a leaf', async () => {
    const ca = await testAuthority();
    const leaf = await workloadCertificate(ca, 'orders');
    assert.throws(() => loadCertificateAuthority(ca.certificate, leaf.privateKey), /does not belong/);
    assert.throws(() => loadCertificateAuthority(leaf.certificateChain, leaf.privateKey), /may not issue others/);
  });

  it('has intermediates whose leaves carry the chain without the root', async () => {
    const ca = await testAuthority();
    const intermediate = await ca.issueAuthority({ commonName: 'intermediate' }, validity());
    const { certificateChain } = await workloadCertificate(intermediate, 'orders');
    assert.equal(certificateChain.split('BEGIN CERTIFICATE').length - 1, 2);
    assert.ok(certificateChain.endsWith(intermediate.certificate));
  });
});

describe('the X.509 library', () => {
  it('leaves the global Reflect as it was', () => {
    const before = Reflect.ownKeys(Reflect);
    loadX509Library();
    assert.deepEqual(Reflect.ownKeys(Reflect), before);
    assert.equal('getMetadata' in Reflect, false);
  });
});

import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { createCertificateRequest } from '../../../src/security/certificate-request.ts';
import { loadX509Library } from '../../../src/security/x509-library.ts';

describe('createCertificateRequest', () => {
  it('asks for the names, signed by the new key', async () => {
    const lib = loadX509Library();
    const { pem, der, privateKey } = await createCertificateRequest({
      uris: ['spiffe://cluster.local/ns/shop/sa/web'],
      dnsNames: ['web.shop'],
    });
    const request = new lib.Pkcs10CertificateRequest(pem);
    assert.equal(await request.verify(), true);
    assert.deepEqual(Buffer.from(request.rawData), Buffer.from(der));
    const { rawData } = request.getExtension('2.5.29.17')!;
    const names = new lib.SubjectAlternativeNameExtension(rawData).names.items.map(({ type, value }) => [type, value]);
    assert.deepEqual(names, [
      ['url', 'spiffe://cluster.local/ns/shop/sa/web'],
      ['dns', 'web.shop'],
    ]);
    const key = createPrivateKey(privateKey.reveal());
    assert.equal(key.asymmetricKeyDetails?.namedCurve, 'prime256v1');
    assert.deepEqual(createPublicKey(key).export({ type: 'spki', format: 'der' }), Buffer.from(request.publicKey.rawData));
  });

  it('makes another key each time, and shows none', async () => {
    const [first, second] = [await createCertificateRequest({ uris: [] }), await createCertificateRequest({ uris: [] })];
    assert.notEqual(first.privateKey.reveal(), second.privateKey.reveal());
    assert.doesNotMatch(inspect(first) + JSON.stringify(first), /BEGIN PRIVATE KEY/);
  });
});

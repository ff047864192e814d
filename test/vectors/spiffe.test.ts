/**
 * Certificates, keys and bundles of go-spiffe's own tests (Apache-2.0) through the checks of ours and of our peers' identities. The name
 * of a file is its verdict: what is `wrong-…` or `corrupt-…` is no X.509-SVID. The folder is named by MESHFETCH_VECTORS.
 */
import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parseSpiffeId } from 'meshfetch/testing';
import { compileAuthorizer } from '../../src/data-plane/inbound/authorizer.ts';
import { PrivateKey } from '../../src/model/identity.ts';
import { createFederationCheck } from '../../src/security/federation.ts';
import { checkSvid, checkTrustBundle, privateKeyBlock } from '../../src/security/identity-material.ts';
import { identityOfPeer } from '../../src/security/peer-identity.ts';
import { accessRequestOf, connectionOf, inboundRequestOf } from '../../src/testing/access-input.ts';
import { vectorsFolder } from './retry-vectors.ts';

const folder = vectorsFolder === undefined ? undefined : join(vectorsFolder, 'spiffe');
const isThere = folder !== undefined && existsSync(folder);
const prefix = 'svid_x509svid_testdata_';
const text = (name: string): string => readFileSync(join(folder!, name), 'utf8');
const svids = isThere ? readdirSync(folder).filter((name) => /^svid_x509svid_testdata_(good|wrong|corrupt-cert)/.test(name)) : [];
const keyFiles = ['good-cert-and-key.pem', 'key-pkcs8-ecdsa.pem', 'key-pkcs8-rsa.pem'];
const spiffeId = 'spiffe://example.org/workload-1';

function certificatesOf(name: string): readonly X509Certificate[] {
  const blocks = text(name).match(/-----BEGIN CERTIFICATE-----[^]+?-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new X509Certificate(block));
}

/** The key of the certificate, among those of the folder. */
function keyOf(certificate: X509Certificate): string {
  const keys = keyFiles.map((name) => privateKeyBlock(text(prefix + name)));
  return keys.find((key) => certificate.checkPrivateKey(createPrivateKey(key))) ?? '';
}

describe('the vectors of SPIFFE', { skip: !isThere && 'MESHFETCH_VECTORS names no folder with vectors of SPIFFE' }, () => {
  it('have certificates of every kind', () => {
    assert.equal(svids.filter((name) => name.includes('good-')).length, 4);
    assert.equal(svids.filter((name) => name.includes('wrong-leaf-')).length, 5);
    assert.equal(svids.filter((name) => name.includes('wrong-intermediate-')).length, 2);
  });

  for (const name of svids.filter((each) => /good-|wrong-leaf-/.test(each))) {
    const isGood = name.includes('good-');
    it(`${isGood ? 'prove' : 'do not prove'} who a peer is: ${name.slice(prefix.length)}`, () => {
      const identity = identityOfPeer(certificatesOf(name)[0]!);
      assert.equal(identity.spiffeId, isGood ? spiffeId : undefined);
      if (isGood) assert.deepEqual(parseSpiffeId(identity.spiffeId!), { trustDomain: 'example.org', path: '/workload-1' });
      const policy = {
        name: 'only-the-workload',
        action: 'allow' as const,
        rules: [
          {
            name: 'only-the-workload',
            principals: [{ kind: 'identity' as const, match: { kind: 'exact' as const, value: spiffeId } }],
            permissions: [{ kind: 'any' as const }],
          },
        ],
      };
      const connection = { ...connectionOf({ isTls: true }, 80), identity };
      const facts = { path: '/', authority: '', remoteAddress: '192.0.2.1', tokens: [] };
      const request = accessRequestOf(inboundRequestOf({}), connection, facts);
      assert.equal(compileAuthorizer([policy]).check(request).kind, isGood ? 'allowed' : 'denied');
    });
  }

  for (const name of svids) {
    const isGood = name.includes('good-');
    it(`${isGood ? 'are' : 'are not'} an identity of ours: ${name.slice(prefix.length)}`, () => {
      const [leaf] = name.includes('corrupt') ? [] : certificatesOf(name);
      const privateKey = new PrivateKey(leaf === undefined ? privateKeyBlock(text(prefix + keyFiles[0]!)) : keyOf(leaf));
      const nowMs = leaf === undefined ? 0 : leaf.validToDate.getTime() - 1000;
      const verdict = checkSvid({ name: 'default', certificateChain: text(name), privateKey }, nowMs);
      // A certificate that has no URI may be one of a DNS name; a SPIFFE ID it proves none.
      if (isGood) assert.deepEqual(verdict.ok && verdict.value.spiffeId, spiffeId);
      else if (name.includes('empty-id')) assert.equal(verdict.ok && verdict.value.spiffeId, undefined);
      else assert.equal(verdict.ok, false);
    });
  }

  for (const name of svids.filter((each) => each.includes('intermediate'))) {
    const isGood = name.includes('good-');
    it(`${isGood ? 'reach' : 'do not reach'} a root over the certificates that a peer shows: ${name.slice(prefix.length)}`, () => {
      const [leaf, intermediate] = certificatesOf(name);
      const check = createFederationCheck([{ trustDomain: 'example.org', roots: [intermediate!] }]);
      const problem = check(leaf!, 'example.org', intermediate!.validToDate.getTime() - 1000);
      assert.equal(problem === undefined, isGood, problem);
    });
  }

  for (const { name, count } of [
    { name: 'cert.pem', count: 1 },
    { name: 'certs.pem', count: 2 },
    { name: 'corrupted.pem', count: undefined },
    { name: 'empty.pem', count: undefined },
    { name: 'key.pem', count: undefined },
    { name: 'not-pem.pem', count: undefined },
  ]) {
    it(`${count === undefined ? 'are no' : 'are a'} trust bundle: ${name}`, () => {
      const verdict = checkTrustBundle(
        { name: 'b', certificates: text(`bundle_x509bundle_testdata_${name}`) },
        Date.UTC(2026, 0),
      );
      assert.equal(verdict.ok ? verdict.value.count : undefined, count);
    });
  }
});

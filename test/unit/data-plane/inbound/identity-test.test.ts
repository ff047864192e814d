/** T-ID in access rules: who a peer is, is what its verified certificate proves and nothing else. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { before, describe, it } from 'node:test';
import { loadPatternEngine } from '../../../../src/base/pattern.ts';
import { compileAuthorizer } from '../../../../src/data-plane/inbound/authorizer.ts';
import type { InboundConnection } from '../../../../src/data-plane/inbound/inbound-connection.ts';
import { inboundPeer } from '../../../../src/data-plane/inbound/inbound-peer.ts';
import type { Principal } from '../../../../src/model/authorization.ts';
import type { StringMatcher } from '../../../../src/model/match.ts';
import type { CertificateAuthority, LeafOverrides, SubjectNames } from '../../../../src/security/certificate-authority.ts';
import { identityOfPeer } from '../../../../src/security/peer-identity.ts';
import { testAuthority, validity } from '../../../support/certificates.ts';
import { inboundRequest } from '../../../support/access-request.ts';

const web = 'spiffe://example.org/ns/shop/sa/web';
let authority: CertificateAuthority;

/** The connection of a client that has shown a certificate with these names. */
async function connectionOf(names: SubjectNames | undefined, overrides?: LeafOverrides): Promise<Partial<InboundConnection>> {
  if (names === undefined) return { isTls: true };
  const issued = await authority.issue(names, validity(), overrides);
  const certificate = new X509Certificate(issued.certificateChain);
  const identity = identityOfPeer(certificate);
  return { isTls: true, certificate, identity, peer: inboundPeer(identity, '192.0.2.1') };
}

function isMet(action: 'allow' | 'deny', principal: Principal, connection: Partial<InboundConnection>): boolean {
  const rules = [{ name: 'r', principals: [principal], permissions: [{ kind: 'any' as const }] }];
  const verdict = compileAuthorizer([{ name: 'p', action, rules }]).check(inboundRequest({ connection }).access);
  return (verdict.kind === 'allowed') === (action === 'allow');
}

const identity = (match: StringMatcher): Principal => ({ kind: 'identity', match });
const exact = (value: string): Principal => identity({ kind: 'exact', value });
const namespace = (value: string): Principal => ({ kind: 'namespace', match: { kind: 'exact', value } });

describe('T-ID: a rule about who calls', () => {
  before(async () => {
    await loadPatternEngine();
    authority = await testAuthority();
  });

  for (const { name, names, overrides, principal, allow, deny } of [
    { name: 'spiffe-id', names: { uris: [web] }, principal: exact(web), allow: true, deny: true },
    { name: 'dns-name-that-reads-as-a-spiffe-id', names: { dnsNames: [web] }, principal: exact(web), allow: false, deny: true },
    {
      name: 'case-of-a-spiffe-id',
      names: { uris: [web] },
      principal: exact('spiffe://example.org/ns/shop/sa/Web'),
      allow: false,
      deny: false,
    },
    {
      name: 'prefix',
      names: { uris: [web] },
      principal: identity({ kind: 'prefix', value: 'spiffe://example.org/' }),
      allow: true,
      deny: true,
    },
    {
      name: 'pattern',
      names: { uris: [web] },
      principal: identity({ kind: 'regex', value: '.*/ns/shop/.*' }),
      allow: true,
      deny: true,
    },
    {
      name: 'dns-name',
      names: { dnsNames: ['web.example', 'www.example'] },
      principal: exact('www.example'),
      allow: true,
      deny: true,
    },
    {
      name: 'dns-name-beside-an-id',
      names: { uris: [web], dnsNames: ['web.example'] },
      principal: exact('web.example'),
      allow: true,
      deny: true,
    },
    {
      name: 'common-name-allows-nobody',
      names: { dnsNames: ['web.example'], commonName: 'root' },
      principal: exact('CN=root,O=meshfetch development'),
      allow: false,
      deny: true,
    },
    {
      name: 'part-of-a-common-name',
      names: { dnsNames: ['x.example'], commonName: 'x/ns/shop/sa/web' },
      principal: identity({ kind: 'contains', value: '/ns/shop/sa/web' }),
      allow: false,
      deny: true,
    },
    { name: 'two-spiffe-ids', names: { uris: [web, 'spiffe://example.org/x'] }, principal: exact(web), allow: false, deny: true },
    {
      name: 'spiffe-id-beside-a-uri',
      names: { uris: ['https://x.example', web] },
      principal: exact(web),
      allow: false,
      deny: true,
    },
    {
      name: 'spiffe-id-with-a-query',
      names: { uris: [`${web}?x`] },
      principal: identity({ kind: 'prefix', value: web }),
      allow: false,
      deny: true,
    },
    {
      name: 'id-of-a-trust-domain',
      names: { uris: ['spiffe://example.org'] },
      principal: exact('spiffe://example.org'),
      allow: false,
      deny: true,
    },
    {
      name: 'uri-that-is-no-id',
      names: { uris: ['https://x.example/web'] },
      principal: exact('https://x.example/web'),
      allow: true,
      deny: true,
    },
    { name: 'namespace', names: { uris: [web] }, principal: namespace('shop'), allow: true, deny: true },
    { name: 'namespace-of-another', names: { uris: [web] }, principal: namespace('ops'), allow: false, deny: false },
    {
      name: 'namespace-of-a-longer-path',
      names: { uris: [`spiffe://example.org/x/ns/shop/sa/web`] },
      principal: namespace('shop'),
      allow: false,
      deny: true,
    },
    {
      name: 'namespace-without-an-id',
      names: { dnsNames: ['web.example'] },
      principal: namespace('shop'),
      allow: false,
      deny: false,
    },
    { name: 'no-certificate', names: undefined, principal: exact(web), allow: false, deny: false },
    {
      name: 'any-name-without-a-certificate',
      names: undefined,
      principal: identity({ kind: 'regex', value: '.*' }),
      allow: false,
      deny: true,
    },
    { name: 'tls-without-a-certificate', names: undefined, principal: { kind: 'tls' }, allow: true, deny: true },
    {
      name: 'may-sign-certificates',
      names: { uris: [web] },
      overrides: { keyUsages: ['digitalSignature', 'keyCertSign'] },
      principal: exact(web),
      allow: false,
      deny: true,
    },
  ] as readonly {
    name: string;
    names: SubjectNames | undefined;
    overrides?: LeafOverrides;
    principal: Principal;
    allow: boolean;
    deny: boolean;
  }[]) {
    it(`knows what a certificate proves: ${name}`, async () => {
      const connection = await connectionOf(names, overrides);
      assert.equal(isMet('allow', principal, connection), allow, 'lets in');
      assert.equal(isMet('deny', principal, connection), deny, 'keeps out');
    });
  }

  it('knows nobody in plaintext', () => {
    for (const principal of [exact(web), identity({ kind: 'regex', value: '.*' }), namespace('shop'), { kind: 'tls' } as const]) {
      assert.equal(isMet('allow', principal, {}), false);
      assert.equal(isMet('deny', principal, {}), false);
    }
  });

  it('that negates a name lets nobody in by a certificate that proves nothing', async () => {
    const broken = await connectionOf({ uris: [web, 'spiffe://example.org/x'] });
    assert.equal(isMet('allow', { kind: 'not', of: exact(web) }, broken), false);
    assert.equal(isMet('allow', { kind: 'not', of: exact(web) }, await connectionOf({ uris: ['spiffe://example.org/y'] })), true);
  });

  it('compares a subject as RFC 2253 writes it', () => {
    const certificate = new X509Certificate(withManyParts);
    const connection = { isTls: true, certificate, identity: identityOfPeer(certificate) };
    // As `openssl x509 -subject -nameopt RFC2253` prints it.
    assert.equal(isMet('deny', exact(String.raw`CN=Z\C3\BCrich\, \"root\" #1,O=Acme+OU=x,C=CH`), connection), true);
  });
});

/** Made by `openssl req -x509` with the subject `/C=CH/O=Acme+OU=x/CN=Zürich, "root" #1`; it names nobody else. */
const withManyParts = `-----BEGIN CERTIFICATE-----
MIIB3TCCAYOgAwIBAgIUWuMOIzE2dYvLP0OttZsi+LSBNBYwCgYIKoZIzj0EAwIw
QzELMAkGA1UEBhMCQ0gxFzAIBgNVBAsMAXgwCwYDVQQKDARBY21lMRswGQYDVQQD
DBJaw7xyaWNoLCAicm9vdCIgIzEwIBcNMjYxMTIzMDYxOTA0WhgPMjEyNjEwMzAw
NjE5MDRaMEMxCzAJBgNVBAYTAkNIMRcwCAYDVQQLDAF4MAsGA1UECgwEQWNtZTEb
MBkGA1UEAwwSWsO8cmljaCwgInJvb3QiICMxMFkwEwYHKoZIzj0CAQYIKoZIzj0D
AQcDQgAE1MQnhzwomQQZP2PmoWuOJoYNZmhCCXUxmRJD2BsgHO8bIXBdLn8pRQEe
1sM+jCtZpQiDX7NCJd/tbsPGh/uvwKNTMFEwHQYDVR0OBBYEFMgoFFBo3o9uTZf9
NIQBEauOzVMZMB8GA1UdIwQYMBaAFMgoFFBo3o9uTZf9NIQBEauOzVMZMA8GA1Ud
EwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIhAKmKyDk84absbfywlubDIEoY
lA04gPCVCD0ia9y41pjgAiAi1qYoa8SAH0zsjcWArfPqjJqRGBP0Jmkk9KsMEwCW
Zg==
-----END CERTIFICATE-----`;

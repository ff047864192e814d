import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';

import { systemClock } from '../../../src/base/runtime.ts';
import type { UpstreamTls } from '../../../src/model/tls.ts';
import type { CertificateAuthority } from '../../../src/security/certificate-authority.ts';
import { createIdentityStore } from '../../../src/security/identity-store.ts';
import { tlsContextOf, type TlsContext } from '../../../src/security/tls-context.ts';
import { identityStoreWith, svidOf, testAuthority, workloadCertificate } from '../../support/certificates.ts';

type SecureTls = Exclude<UpstreamTls, { mode: 'disabled' }>;

const mutual: SecureTls = { mode: 'mutual', identity: 'default', trust: 'default', peers: [] };

function built(context: TlsContext | string): TlsContext {
  if (typeof context === 'string') assert.fail(context);
  return context;
}

function reason(context: TlsContext | string): string {
  return typeof context === 'string' ? context : 'built';
}

describe('a TLS context', () => {
  let ca: CertificateAuthority;
  before(async () => {
    ca = await testAuthority();
  });

  it('is built once and shared by all clusters with the same identity and roots', async () => {
    const store = identityStoreWith(ca, await workloadCertificate(ca, 'web'));
    const first = built(tlsContextOf(store, mutual));
    const peers = [{ kind: 'dns', match: 'exact', value: 'x' }] as const;
    assert.equal(tlsContextOf(store, { ...mutual, sni: 'another', alpn: ['istio'], peers }), first);
  });

  it('is another one for another lowest version, for mode simple, and in another store', async () => {
    const issued = await workloadCertificate(ca, 'web');
    const store = identityStoreWith(ca, issued);
    const contexts = [
      tlsContextOf(store, mutual),
      tlsContextOf(store, { ...mutual, minVersion: 'TLSv1.3' }),
      tlsContextOf(store, { ...mutual, mode: 'simple' }),
      tlsContextOf(identityStoreWith(ca, issued), mutual),
    ];
    assert.equal(new Set(contexts.map((context) => built(context).secureContext)).size, 4);
  });

  it('is built anew when the certificate or the roots change, with a higher generation', async () => {
    const store = identityStoreWith(ca, await workloadCertificate(ca, 'web'));
    const first = built(tlsContextOf(store, mutual));
    store.setSvid(svidOf(await workloadCertificate(ca, 'web')));
    const second = built(tlsContextOf(store, mutual));
    store.setTrustBundle({ name: 'default', certificates: ca.certificate + (await testAuthority('next')).certificate });
    const third = built(tlsContextOf(store, mutual));
    assert.notEqual(first.secureContext, second.secureContext);
    assert.notEqual(second.secureContext, third.secureContext);
    assert.ok(first.generation < second.generation && second.generation < third.generation);
    assert.equal(tlsContextOf(store, mutual), third);
  });

  it('stays when another identity is rotated', async () => {
    const store = identityStoreWith(ca, await workloadCertificate(ca, 'web'));
    const first = tlsContextOf(store, mutual);
    store.setSvid(svidOf(await workloadCertificate(ca, 'other'), 'other'));
    assert.equal(tlsContextOf(store, mutual), first);
  });

  it('is missing where its name is misspelt, with the names that there are', async () => {
    const store = identityStoreWith(ca, await workloadCertificate(ca, 'web'));
    store.setSvid(svidOf(await workloadCertificate(ca, 'other'), 'spiffe'));
    assert.equal(
      tlsContextOf(store, { ...mutual, identity: 'spife' }),
      'no certificate "spife" is in force; did you mean "spiffe"? (known here: default, spiffe)',
    );
    assert.equal(tlsContextOf(store, { ...mutual, trust: 'roots' }), 'no trust bundle "roots" is in force; known here: default');
  });

  it('is missing, with the reason, until all of its parts are there', async () => {
    const store = createIdentityStore({ clock: systemClock });
    assert.equal(tlsContextOf(store, mutual), 'no certificate "default" is in force; configure `identity`');
    store.setSvid({ ...svidOf(await workloadCertificate(ca, 'web')), certificateChain: 'nothing' });
    assert.match(reason(tlsContextOf(store, mutual)), /no certificate "default" is in force: holds no PEM certificate/);
    store.setSvid(svidOf(await workloadCertificate(ca, 'web')));
    assert.match(reason(tlsContextOf(store, mutual)), /no trust bundle "default" is in force/);
    store.setTrustBundle({ name: 'default', certificates: ca.certificate });
    built(tlsContextOf(store, mutual));
    store.remove('default');
    assert.match(reason(tlsContextOf(store, mutual)), /no certificate "default" is in force/);
    const { identity: _, ...unnamed } = mutual;
    assert.match(reason(tlsContextOf(store, unnamed)), /no identity is named/);
  });

  it('carries the trust domain of the bundle', async () => {
    const store = createIdentityStore({ clock: systemClock });
    store.setTrustBundle({ name: 'default', certificates: ca.certificate, trustDomain: 'example.org' });
    assert.equal(built(tlsContextOf(store, { ...mutual, mode: 'simple' })).trustDomain, 'example.org');
  });
});

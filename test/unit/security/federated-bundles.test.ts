import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { before, describe, it } from 'node:test';
import { systemClock } from '../../../src/base/runtime.ts';
import { createCertificateAuthority, type CertificateAuthority } from '../../../src/security/certificate-authority.ts';
import { readCertificateExtensions } from '../../../src/security/certificate-extensions.ts';
import { createFederationCheck } from '../../../src/security/federation.ts';
import { createIdentityStore } from '../../../src/security/identity-store.ts';
import { createVirtualClock } from '../../../src/testing/virtual-clock.ts';
import { crossSign } from '../../support/cross-sign.ts';
import { hourMs, validity } from '../../support/certificates.ts';

const clock = createVirtualClock();

describe('a trust bundle with federated trust domains', () => {
  let own: CertificateAuthority;
  let other: CertificateAuthority;
  before(async () => {
    const valid = validity(undefined, undefined, clock.wallNow());
    own = await createCertificateAuthority({ commonName: 'own' }, valid);
    other = await createCertificateAuthority({ commonName: 'other' }, valid);
  });

  it('is refused without a trust domain of its own', () => {
    const store = createIdentityStore({ clock });
    const federated = [{ trustDomain: 'other.test', certificates: other.certificate }];
    const verdict = store.setTrustBundle({ name: 'a', certificates: own.certificate, federated });
    assert.match(verdict.ok ? '' : verdict.reason, /names none of its own; give it its `trustDomain`/);
  });

  it('is refused with a trust domain whose name is none', () => {
    const store = createIdentityStore({ clock });
    const verdict = store.setTrustBundle({ name: 'a', certificates: own.certificate, trustDomain: 'Own.test' });
    assert.match(verdict.ok ? '' : verdict.reason, /"Own\.test", which is not the name of a trust domain/);
  });

  it('is taken without those that cannot be used, and its status says why', async () => {
    const store = createIdentityStore({ clock });
    const expired = await createCertificateAuthority({ commonName: 'old' }, validity(-2 * hourMs, -hourMs, clock.wallNow()));
    const federated = [
      { trustDomain: 'other.test', certificates: other.certificate },
      { trustDomain: 'expired.test', certificates: expired.certificate },
      { trustDomain: 'empty.test', certificates: '' },
      { trustDomain: 'own.test', certificates: other.certificate },
      { trustDomain: 'Other.test', certificates: other.certificate },
    ];
    assert.deepEqual(store.setTrustBundle({ name: 'a', certificates: own.certificate, trustDomain: 'own.test', federated }), {
      ok: true,
    });
    const shown = store
      .statuses()[0]
      ?.trustBundle?.federated?.map(({ trustDomain, count, problem }) => [trustDomain, count, problem?.split(/[,;]/)[0]]);
    assert.deepEqual(shown, [
      ['Other.test', 0, 'is not for the name of a trust domain'],
      ['empty.test', 0, 'holds no PEM certificate'],
      ['expired.test', 0, 'has only expired certificates'],
      ['other.test', 1, undefined],
      ['own.test', 0, 'is the second one for its trust domain'],
    ]);
  });

  it('trusted a root with name constraints for every name: nobody had looked at them', async () => {
    const leaf = await other.issue({ uris: ['spiffe://other.test/orders'] }, validity(undefined, undefined, clock.wallNow()));
    const verdict = (root: string): string | undefined =>
      createFederationCheck([
        { trustDomain: 'own.test', roots: [new X509Certificate(own.certificate)] },
        { trustDomain: 'other.test', roots: [new X509Certificate(root)] },
      ])(new X509Certificate(leaf.certificateChain), 'other.test', systemClock.wallNow());
    assert.equal(verdict(await crossSign(other, other)), undefined);
    assert.match(
      verdict(await crossSign(other, other, { permittedDns: 'elsewhere' })) ?? '',
      /"other\.test" have name constraints/,
    );
  });

  it('changes with them, in whatever order they come', () => {
    const store = createIdentityStore({ clock });
    const generations: number[] = [];
    store.watch(({ generation }) => generations.push(generation));
    const federated = ['a.test', 'b.test'].map((trustDomain) => ({ trustDomain, certificates: other.certificate }));
    const bundle = { name: 'a', certificates: own.certificate, trustDomain: 'own.test' };
    store.setTrustBundle({ ...bundle, federated });
    store.setTrustBundle({ ...bundle, federated: federated.toReversed() });
    assert.deepEqual(generations, [1]);
    store.setTrustBundle({ ...bundle, federated: federated.slice(0, 1) });
    store.setTrustBundle(bundle);
    assert.deepEqual(generations, [1, 2, 3]);
  });
});

describe('sources of identities that are awaited', () => {
  it('are those that have not been connected, with their state', () => {
    const store = createIdentityStore({ clock });
    const sink = store.sinkOf('spiffe');
    assert.deepEqual(store.awaited(), []);
    sink.status({ state: 'connecting' });
    assert.deepEqual(store.awaited(), [{ source: 'spiffe', state: 'connecting' }]);
    sink.status({ state: 'disconnected', error: 'denied' });
    assert.deepEqual(store.awaited(), [{ source: 'spiffe', state: 'disconnected', error: 'denied' }]);
    sink.status({ state: 'connected' });
    sink.status({ state: 'disconnected', error: 'gone' });
    assert.deepEqual(store.awaited(), [], 'what it had brought is in force');
  });

  it('are none where the source has failed for good', () => {
    const store = createIdentityStore({ clock });
    store.sinkOf('spiffe').status({ state: 'connecting' });
    store.sinkOf('spiffe').status({ state: 'failed', error: 'never' });
    assert.deepEqual(store.awaited(), []);
  });

  it('call back once, at what comes next', () => {
    const store = createIdentityStore({ clock });
    let calls = 0;
    store.onNext(() => calls++);
    const stop = store.onNext(() => (calls += 100));
    stop();
    store.sinkOf('spiffe').status({ state: 'connecting' });
    store.sinkOf('spiffe').status({ state: 'connected' });
    assert.equal(calls, 1);
  });
});

describe('the limits in a certificate of a CA', () => {
  it('are read', async () => {
    const valid = validity();
    const [root, issuing] = [
      await createCertificateAuthority({ commonName: 'root' }, valid),
      await createCertificateAuthority({ commonName: 'issuing' }, valid),
    ];
    const limitsOf = async (limits: Parameters<typeof crossSign>[2]): Promise<unknown> => {
      const { isAuthority, maxAuthoritiesBelow, hasNameConstraints } = readCertificateExtensions(
        new X509Certificate(await crossSign(issuing, root, limits)).raw,
      );
      return { isAuthority, maxAuthoritiesBelow, hasNameConstraints };
    };
    assert.deepEqual(await limitsOf({}), { isAuthority: true, maxAuthoritiesBelow: undefined, hasNameConstraints: undefined });
    assert.deepEqual(await limitsOf({ maxAuthoritiesBelow: 2, permittedDns: 'a.test' }), {
      isAuthority: true,
      maxAuthoritiesBelow: 2,
      hasNameConstraints: true,
    });
  });
});

import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { awaitIdentity } from '../../../../src/data-plane/transport/await-identity.ts';
import type { CertificateAuthority } from '../../../../src/security/certificate-authority.ts';
import { createIdentityStore, type IdentityStore } from '../../../../src/security/identity-store.ts';
import { tlsContextOf, type TlsContext } from '../../../../src/security/tls-context.ts';
import { createVirtualClock } from '../../../../src/testing/virtual-clock.ts';
import { testAuthority, validity } from '../../../support/certificates.ts';

const timeoutMs = 1000;

describe('a connection whose identity is missing', () => {
  const clock = createVirtualClock();
  let ca: CertificateAuthority;
  before(async () => {
    ca = await testAuthority('ca', validity(undefined, undefined, clock.wallNow()));
  });

  function start(prepare: (store: IdentityStore) => void): {
    store: IdentityStore;
    isAwaited: boolean;
    settled: (TlsContext | string)[];
  } {
    const store = createIdentityStore({ clock });
    prepare(store);
    const settled: (TlsContext | string)[] = [];
    const contextNow = (): TlsContext | string => tlsContextOf(store, { mode: 'simple', trust: 'roots', peers: [] });
    const isAwaited = awaitIdentity(store, contextNow, { clock, timeoutMs }, (context) => settled.push(context));
    return { store, isAwaited, settled };
  }
  const connecting = (store: IdentityStore): void => store.sinkOf('spiffe').status({ state: 'connecting' });

  it('does not wait where nobody is about to bring it', () => {
    assert.equal(start(() => {}).isAwaited, false);
    assert.equal(start((store) => store.sinkOf('x').status({ state: 'disconnected', error: 'denied' })).isAwaited, false);
  });

  it('goes on as soon as it is there, and not at another one', async () => {
    const { store, isAwaited, settled } = start(connecting);
    assert.equal(isAwaited, true);
    store.sinkOf('spiffe').setTrustBundle({ name: 'others', certificates: ca.certificate });
    assert.deepEqual(settled, []);
    store.sinkOf('spiffe').setTrustBundle({ name: 'roots', certificates: ca.certificate });
    assert.equal(settled.length, 1);
    assert.equal(typeof settled[0], 'object');
    await clock.advance(2 * timeoutMs);
    assert.equal(settled.length, 1, 'once');
  });

  it('gives the reason at once when the source was refused', () => {
    const { store, settled } = start(connecting);
    store.sinkOf('spiffe').status({ state: 'disconnected', error: 'denied' });
    assert.deepEqual(settled, ['no trust bundle "roots" is in force: spiffe is disconnected: denied']);
  });

  it('waits no longer than it may', async () => {
    const { store, settled } = start(connecting);
    await clock.advance(timeoutMs - 1);
    assert.deepEqual(settled, []);
    await clock.advance(1);
    assert.deepEqual(settled, ['no trust bundle "roots" is in force: spiffe is connecting']);
    store.sinkOf('spiffe').setTrustBundle({ name: 'roots', certificates: ca.certificate });
    assert.equal(settled.length, 1, 'once');
  });
});

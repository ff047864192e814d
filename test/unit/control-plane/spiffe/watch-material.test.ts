import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { WorkloadApiError, type WatchedMethod, type WorkloadApi } from '../../../../src/control-plane/spiffe/client.ts';
import { watchMaterial, type MaterialWatch } from '../../../../src/control-plane/spiffe/watch-material.ts';
import type { ControlPlaneStatus } from '../../../../src/model/contracts.ts';
import { createCertificateAuthority, type CertificateAuthority } from '../../../../src/security/certificate-authority.ts';
import { createIdentityStore, type IdentityStore } from '../../../../src/security/identity-store.ts';
import { createVirtualClock, type VirtualClock } from '../../../../src/testing/virtual-clock.ts';
import { hourMs, validity } from '../../../support/certificates.ts';
import { x509BundlesResponse, x509SvidResponse, type SentSvid } from '../../../support/spiffe-messages.ts';

const web = 'spiffe://own.test/web';
const admin = 'spiffe://own.test/admin';

/** A Workload API that says what the test says. */
class ScriptedApi implements WorkloadApi {
  readonly calls: { readonly method: WatchedMethod; readonly atMs: number }[] = [];
  private readonly clock: VirtualClock;
  private say: (bytes: Uint8Array) => void = () => {};
  private stop: (error?: unknown) => void = () => {};
  constructor(clock: VirtualClock) {
    this.clock = clock;
  }
  watch(method: WatchedMethod, onMessage: (bytes: Uint8Array) => void, signal: AbortSignal): Promise<void> {
    this.calls.push({ method, atMs: this.clock.now() });
    this.say = onMessage;
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => resolve());
      this.stop = (error) => (error === undefined ? resolve() : reject(error));
    });
  }
  ask(): Promise<Uint8Array> {
    return Promise.reject(new Error('not asked here'));
  }
  message(bytes: Uint8Array): void {
    this.say(bytes);
  }
  async end(error?: unknown): Promise<void> {
    this.stop(error);
    await this.clock.advance(0);
  }
}

describe('the X.509 side of a Workload API', () => {
  let own: CertificateAuthority;
  let other: CertificateAuthority;
  const nowMs = createVirtualClock().wallNow();
  const valid = validity(undefined, undefined, nowMs);
  before(async () => {
    own = await createCertificateAuthority({ commonName: 'own' }, valid);
    other = await createCertificateAuthority({ commonName: 'other' }, valid);
  });

  async function svid(spiffeId: string, hint?: string, period = valid): Promise<SentSvid> {
    const issued = await own.issue({ uris: [spiffeId] }, period);
    return { spiffeId, issued, bundle: own.certificate, ...(hint !== undefined && { hint }) };
  }

  function start(options: Partial<MaterialWatch> = {}): {
    api: ScriptedApi;
    clock: VirtualClock;
    store: IdentityStore;
    statuses: ControlPlaneStatus[];
    run: Promise<void>;
    stop: AbortController;
    names: () => string[];
  } {
    const clock = createVirtualClock();
    const api = new ScriptedApi(clock);
    const store = createIdentityStore({ clock });
    const statuses: ControlPlaneStatus[] = [];
    const sink = store.sinkOf('spiffe');
    const stop = new AbortController();
    const watch = { api, name: 'spiffe', choice: {}, bundlesOnly: false, clock, random: () => 0.5, ...options };
    const run = watchMaterial(watch, { ...sink, status: (status) => statuses.push(status) }, stop.signal);
    return { api, clock, store, statuses, run, stop, names: () => store.statuses().map(({ name }) => name) };
  }

  it('gives each SVID its SPIFFE ID as a name, and the first one the name of the source too', async () => {
    const { api, store, names, statuses } = start();
    api.message(x509SvidResponse([await svid(web), await svid(admin)], { 'spiffe://other.test': other.certificate }));
    assert.deepEqual(names(), ['spiffe', web, admin]);
    assert.equal(store.svid('spiffe')?.spiffeId, web);
    assert.equal(store.svid(admin)?.spiffeId, admin);
    const bundle = store.trustBundle('spiffe');
    assert.equal(bundle?.trustDomain, 'own.test');
    assert.deepEqual(
      bundle.federated.map(({ trustDomain, count }) => [trustDomain, count]),
      [['other.test', 1]],
    );
    assert.deepEqual(statuses, [{ state: 'connecting' }, { state: 'connected' }]);
  });

  it('chooses by hint, and names those that there are where none fits', async () => {
    const { api, store, statuses } = start({ choice: { hint: 'internal' } });
    api.message(x509SvidResponse([await svid(web), await svid(admin, 'internal')]));
    assert.equal(store.svid('spiffe')?.spiffeId, admin);
    api.message(x509SvidResponse([await svid(web, 'external')]));
    assert.equal(store.svid('spiffe'), undefined);
    assert.match(statuses.at(-1)?.error ?? '', /none of the SVIDs has the hint "internal"; there are .*web \(hint "external"\)/);
  });

  it('takes away what a message does not have any more', async () => {
    const { api, store, names } = start();
    api.message(x509SvidResponse([await svid(web), await svid(admin)], { 'spiffe://other.test': other.certificate }));
    api.message(x509SvidResponse([await svid(web)]));
    assert.deepEqual(names(), ['spiffe', web]);
    assert.deepEqual(store.trustBundle('spiffe')?.federated, []);
  });

  it('keeps what is in force when a message cannot be read, or is empty', async () => {
    const { api, store, names, statuses } = start();
    api.message(x509SvidResponse([await svid(web)]));
    const { generation } = store.svid('spiffe')!;
    api.message(Uint8Array.of(0xff));
    assert.match(statuses.at(-1)?.error ?? '', /no X509SVIDResponse; what was in force stays/);
    api.message(new Uint8Array(0));
    assert.match(statuses.at(-1)?.error ?? '', /without an SVID; what was in force stays/);
    assert.deepEqual(names(), ['spiffe', web]);
    assert.equal(store.svid('spiffe')?.generation, generation);
  });

  it('keeps the old certificate where the new one has expired, and says so', async () => {
    const { api, store, statuses } = start();
    api.message(x509SvidResponse([await svid(web)]));
    const { generation } = store.svid('spiffe')!;
    api.message(x509SvidResponse([await svid(web, undefined, validity(-2 * hourMs, -hourMs, nowMs))]));
    assert.equal(store.svid('spiffe')?.generation, generation);
    assert.match(statuses.at(-1)?.error ?? '', /the certificate "spiffe" has expired/);
  });

  it('leaves a bundle out that cannot be read, and takes the others', async () => {
    const { api, store, statuses } = start();
    api.message(
      x509SvidResponse([await svid(web)], {
        'spiffe://broken.test': Uint8Array.of(1, 2, 3),
        'spiffe://other.test/path': other.certificate,
        'other.test': other.certificate,
      }),
    );
    assert.deepEqual(
      store.trustBundle('spiffe')?.federated.map(({ trustDomain }) => trustDomain),
      ['other.test'],
    );
    const { error } = statuses.at(-1)!;
    assert.match(error!, /the bundle of broken\.test holds no certificates/);
    assert.match(error!, /"spiffe:\/\/other\.test\/path" of a bundle is no trust domain/);
  });

  it('says that revocation lists are not looked at', async () => {
    const { api, statuses } = start();
    api.message(x509SvidResponse([await svid(web)], {}, [Uint8Array.of(1)]));
    assert.deepEqual(statuses.at(-1), {
      state: 'connected',
      error: '1 certificate revocation list is not looked at: certificates are trusted until they expire',
    });
  });

  it('gives a process without an SVID the bundles of all trust domains alike', () => {
    const { api, store } = start({ bundlesOnly: true });
    api.message(x509BundlesResponse({ 'spiffe://own.test': own.certificate, 'spiffe://other.test': other.certificate }));
    assert.equal(api.calls[0]?.method, 'FetchX509Bundles');
    assert.equal(store.svid('spiffe'), undefined);
    const bundle = store.trustBundle('spiffe');
    assert.deepEqual(
      [bundle?.trustDomain, ...bundle!.federated.map(({ trustDomain }) => trustDomain)],
      ['other.test', 'own.test'],
    );
  });

  it('is asked again after 1, 2, 3 … 30 seconds, and from 1 second on again once it has answered', async () => {
    const { api, clock, statuses } = start();
    const denied = new WorkloadApiError('PERMISSION_DENIED', false, undefined);
    for (let failures = 1; failures <= 32; failures++) {
      await api.end(denied);
      await clock.advance(30_000);
    }
    const waitsMs = api.calls.slice(1).map(({ atMs }, index) => atMs - index * 30_000);
    assert.deepEqual(waitsMs.slice(0, 3), [1000, 2000, 3000]);
    assert.deepEqual(waitsMs.slice(-3), [30_000, 30_000, 30_000]);
    assert.deepEqual(statuses.at(-1), { state: 'disconnected', error: 'PERMISSION_DENIED' });
    api.message(x509SvidResponse([await svid(web)]));
    assert.equal(statuses.at(-1)?.state, 'connected');
    const failedAtMs = clock.now();
    await api.end(denied);
    await clock.advance(5000);
    assert.equal(api.calls.at(-1)!.atMs - failedAtMs, 1000);
  });

  it('keeps the identity while it cannot be reached', async () => {
    const { api, clock, store } = start();
    api.message(x509SvidResponse([await svid(web)]));
    await api.end(new WorkloadApiError('UNAVAILABLE', false, undefined));
    await clock.advance(60_000);
    assert.equal(store.svid('spiffe')?.spiffeId, web);
  });

  it('is not asked again after INVALID_ARGUMENT', async () => {
    const { api, clock, statuses, run } = start();
    const final = new WorkloadApiError('INVALID_ARGUMENT', true, undefined);
    const rejected = assert.rejects(run, final);
    await api.end(final);
    await rejected;
    await clock.advance(100_000);
    assert.equal(api.calls.length, 1);
    assert.deepEqual(statuses.at(-1), { state: 'failed', error: 'INVALID_ARGUMENT' });
  });

  it('ends when the mesh is closed', async () => {
    const { run, stop } = start();
    stop.abort();
    await run;
  });
});

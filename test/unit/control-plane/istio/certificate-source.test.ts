import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { CaError, type IssuedChain } from '../../../../src/control-plane/istio/ca-client.ts';
import { createCertificateSource, type CertificateSource } from '../../../../src/control-plane/istio/certificate-source.ts';
import type { ControlPlaneStatus } from '../../../../src/model/contracts.ts';
import type { Svid } from '../../../../src/model/identity.ts';
import type { CertificateAuthority } from '../../../../src/security/certificate-authority.ts';
import { createIdentityStore, type IdentityStore } from '../../../../src/security/identity-store.ts';
import { createVirtualClock, type VirtualClock } from '../../../../src/testing/virtual-clock.ts';
import { testAuthority, validity } from '../../../support/certificates.ts';
import { signRequest } from '../../../support/sign-request.ts';

const minuteMs = 60_000;
const names = { uris: ['spiffe://cluster.local/ns/shop/sa/web'] };

describe('createCertificateSource', () => {
  let folder: string;
  let stop = new AbortController();
  let running: Promise<void> | undefined;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'meshfetch-istio-ca-'));
    await writeFile(join(folder, 'root'), 'root');
    await writeFile(join(folder, 'token'), 'token');
  });
  afterEach(async () => {
    stop.abort();
    await running;
  });
  after(() => rm(folder, { recursive: true }));

  interface Running {
    readonly clock: VirtualClock;
    readonly store: IdentityStore;
    readonly source: CertificateSource;
    readonly statuses: readonly ControlPlaneStatus[];
    /** The certificate that each call was made with. */
    readonly calls: readonly (Svid | undefined)[];
    authority: CertificateAuthority;
    /** What the CA sends as its root. Default: its own. */
    root?: string;
    /** Whom the certificate is for. Default: who asks. */
    names?: typeof names;
    /** What the CA says instead of a certificate. */
    answer: ((current: Svid | undefined) => Error | undefined) | undefined;
  }

  async function start(lifetimeMs = 60 * minuteMs): Promise<Running> {
    stop = new AbortController();
    const clock = createVirtualClock();
    const store = createIdentityStore({ clock });
    const statuses: ControlPlaneStatus[] = [];
    const calls: (Svid | undefined)[] = [];
    const state: Running = {
      clock,
      store,
      statuses,
      calls,
      source: createCertificateSource({
        ca: {
          address: 'ca:15012',
          serverName: 'ca',
          rootCertificateFile: join(folder, 'root'),
          tokenFile: join(folder, 'token'),
          clusterId: 'Kubernetes',
          signer: undefined,
        },
        spiffeId: names.uris[0]!,
        validitySeconds: lifetimeMs / 1000,
        clock,
        random: () => 0.5, // no jitter, and the middle of the back-off
        async sign(_ca, { csr, validitySeconds, current }): Promise<IssuedChain> {
          calls.push(current);
          const error = state.answer?.(current);
          if (error !== undefined) throw error;
          const period = validity(-minuteMs, validitySeconds * 1000, clock.wallNow());
          const certificateChain = await signRequest(state.authority, csr, state.names ?? names, period);
          return { certificateChain, root: state.root ?? state.authority.certificate };
        },
      }),
      authority: await testAuthority('istiod', validity(-60 * minuteMs, 24 * 60 * minuteMs, clock.wallNow())),
      answer: undefined,
    };
    return state;
  }
  function run(state: Running): void {
    const sink = state.store.sinkOf('istio');
    running = state.source.run(
      { ...sink, status: (status) => (state.statuses as ControlPlaneStatus[]).push(status) },
      stop.signal,
    );
  }
  /** Goes on until it holds; everything that is waited for is work of this process, which the clock does not know. */
  async function until(state: Running, holds: () => boolean): Promise<void> {
    for (let turns = 0; !holds(); turns++) {
      assert.ok(turns < 5000, `never: ${String(holds)}`);
      await state.clock.advance(0);
    }
  }
  const serialOf = (state: Running): string | undefined => {
    const chain = state.store.svid('default')?.certificateChain;
    return chain === undefined ? undefined : new X509Certificate(chain).serialNumber;
  };

  it('puts the certificate and the roots in force under the names that Envoy has for them', async () => {
    const state = await start();
    run(state);
    await until(state, () => state.statuses.some(({ state: is }) => is === 'connected'));
    assert.equal(state.store.svid('default')?.spiffeId, names.uris[0]);
    assert.equal(state.store.trustBundle('ROOTCA')?.count, 1);
    assert.deepEqual(state.calls, [undefined]);
    assert.ok(state.source.current()?.certificateChain.startsWith('-----BEGIN CERTIFICATE-----'));
  });

  it('renews at half of the lifetime, with the certificate in force and a new key', async () => {
    const state = await start();
    run(state);
    await until(state, () => serialOf(state) !== undefined);
    const [first, key] = [serialOf(state), state.store.svid('default')?.privateKey.reveal()];
    await until(state, () => state.statuses.length === 2);
    await state.clock.advance(29 * minuteMs);
    assert.equal(state.calls.length, 1);
    await state.clock.advance(minuteMs + 1000); // certificates count in whole seconds
    await until(state, () => serialOf(state) !== first);
    assert.equal(new X509Certificate(state.calls[1]!.certificateChain).serialNumber, first);
    assert.notEqual(state.store.svid('default')?.privateKey.reveal(), key);
  });

  it('keeps the certificate while the CA is away, says how long it is good for, and that it has expired', async () => {
    const state = await start();
    run(state);
    await until(state, () => state.statuses.length === 2);
    const first = serialOf(state);
    state.answer = () => new CaError('the CA ca:15012 says UNAVAILABLE', 14);
    await state.clock.advance(31 * minuteMs);
    await until(state, () => state.statuses.length >= 3);
    assert.equal(serialOf(state), first);
    const told = state.statuses[2]!;
    assert.equal(told.state, 'disconnected');
    assert.match(told.error ?? '', /is not renewed: the CA ca:15012 says UNAVAILABLE; the one in force is good for (29|30) min$/);
    for (let minute = 0; minute < 31; minute++) {
      const { length } = state.calls;
      await state.clock.advance(minuteMs);
      await until(state, () => state.calls.length > length || state.statuses.at(-1)?.state === 'failed');
    }
    assert.equal(state.statuses.at(-1)?.state, 'failed');
    assert.match(state.statuses.at(-1)?.error ?? '', /^the certificate has expired /);
    assert.equal(state.source.current(), undefined);
    state.answer = undefined;
    await state.clock.advance(minuteMs);
    await until(state, () => serialOf(state) !== first);
    await until(state, () => state.statuses.at(-1)?.state === 'connected');
  });

  it('asks again with the token alone when the certificate in force is not taken: the CA may have another root', async () => {
    const state = await start();
    run(state);
    await until(state, () => state.statuses.length === 2);
    const first = serialOf(state);
    state.authority = await testAuthority('another istiod', validity(-60 * minuteMs, 24 * 60 * minuteMs, state.clock.wallNow()));
    state.answer = (current) => (current === undefined ? undefined : new CaError('unknown ca', 14));
    await state.clock.advance(31 * minuteMs);
    await until(state, () => serialOf(state) !== first);
    assert.deepEqual(
      state.calls.slice(1).map((call) => call !== undefined),
      [true, false],
    );
    assert.equal(state.store.trustBundle('ROOTCA')?.certificates, new X509Certificate(state.authority.certificate).toString());
  });

  it('renews at once when the roots of istiod change', async () => {
    const state = await start();
    run(state);
    await until(state, () => state.statuses.length === 2);
    const first = serialOf(state);
    await writeFile(join(folder, 'new'), 'other roots');
    await rename(join(folder, 'new'), join(folder, 'root'));
    await state.clock.advance(3000); // the watch looks every two seconds at least
    await until(state, () => serialOf(state) !== first);
  });

  it('does not renew for a new token, which comes every hour', async () => {
    const state = await start();
    run(state);
    await until(state, () => state.statuses.length === 2);
    await writeFile(join(folder, 'token'), `token ${performance.now()}`);
    await state.clock.advance(5 * minuteMs);
    assert.equal(state.calls.length, 1);
  });

  it('put a certificate in force whose roots were refused', async () => {
    const state = await start();
    state.root = 'no certificate';
    run(state);
    await until(state, () => state.statuses.length === 2);
    assert.match(state.statuses[1]?.error ?? '', /^no certificate: the root of the CA ca:15012 holds no PEM certificate/);
    assert.deepEqual([state.store.svid('default'), state.store.trustBundle('ROOTCA')], [undefined, undefined]);
  });

  it('did not tell that a certificate is of another root than the one it came with, or for somebody else', async () => {
    const state = await start();
    state.root = (
      await testAuthority('another', validity(-60 * minuteMs, 24 * 60 * minuteMs, state.clock.wallNow()))
    ).certificate;
    state.names = { uris: ['spiffe://cluster.local/ns/shop/sa/other'] };
    run(state);
    await until(state, () => state.statuses.length === 2);
    assert.equal(state.statuses[1]?.state, 'connected');
    assert.match(
      state.statuses[1]?.error ?? '',
      /does not lead to the root that .*; it is for spiffe:\/\/cluster\.local\/ns\/shop\/sa\/other, and spiffe:\/\/cluster\.local\/ns\/shop\/sa\/web was asked for$/,
    );
  });

  it('backs off from a CA that refuses, and tells why once', async () => {
    const state = await start();
    state.answer = () => new CaError('the CA says UNAUTHENTICATED', 16);
    run(state);
    for (const calls of [1, 2, 3, 4, 5, 6]) {
      await until(state, () => state.calls.length >= calls);
      await until(state, () => state.statuses.length >= 2);
      await state.clock.advance(30_000);
    }
    assert.deepEqual(state.statuses, [
      { state: 'connecting' },
      { state: 'disconnected', error: 'no certificate: the CA says UNAUTHENTICATED' },
    ]);
  });
});

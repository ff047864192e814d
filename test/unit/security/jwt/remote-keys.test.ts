import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createVirtualClock } from 'meshfetch/testing';
import { currentRequest, runWithRequest } from '../../../../src/base/request-context.ts';
import { KeySources, type KeySource } from '../../../../src/security/jwt/key-source.ts';
import type { FetchedKeys, KeyFetchReport, KeyLocation } from '../../../../src/security/jwt/remote-keys.ts';
import { ecKey } from '../../../support/token-issuer.ts';

const key = ecKey();
const minute = 60_000;
const day = 24 * 60 * minute;

interface Answer {
  readonly status?: number;
  readonly cacheControl?: string;
  readonly keys?: readonly object[];
  readonly body?: string;
}

/** An issuer that answers as the test says, and the keys that are fetched from it. */
class Issuer {
  readonly clock = createVirtualClock();
  readonly asked: KeyLocation[] = [];
  readonly reports: KeyFetchReport[] = [];
  answer: Answer | 'fails' | 'silent' = {};
  readonly keys: KeySource;
  private readonly sources: KeySources;

  constructor(
    jwks: { readonly url?: string; readonly cluster?: string; readonly timeoutMs?: number; readonly cacheMs?: number } = {},
  ) {
    this.sources = new KeySources({
      clock: this.clock,
      random: () => 0,
      fetchKeys: (location, signal) => this.fetch(location, signal),
      onFetch: (report) => this.reports.push(report),
    });
    this.keys = this.sources.of({ kind: 'remote', url: 'https://login.example/keys', ...jwks });
  }

  /** The source of the same keys under another policy. */
  again(): KeySource {
    return this.sources.of({ kind: 'remote', url: 'https://login.example/keys' });
  }

  private fetch(location: KeyLocation, signal: AbortSignal): Promise<FetchedKeys> {
    this.asked.push(location);
    const { answer } = this;
    if (answer === 'fails') return Promise.reject(new Error('connection refused'));
    if (answer === 'silent')
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Error('aborted')));
      });
    const { status = 200, cacheControl, keys = [key.jwk()], body = JSON.stringify({ keys }) } = answer;
    return Promise.resolve({ status, cacheControl, body: Buffer.from(body) });
  }
}

describe('keys that an issuer publishes', () => {
  it('are fetched once for all who wait', async () => {
    const issuer = new Issuer();
    assert.equal(issuer.keys.current(), undefined);
    const all = await Promise.all([issuer.keys.newer(undefined), issuer.keys.newer(undefined), issuer.again().newer(undefined)]);
    assert.equal(new Set(all).size, 1);
    assert.equal(issuer.keys.current(), all[0]);
    assert.deepEqual(issuer.asked, [
      { url: 'https://login.example/keys', cluster: undefined, timeoutMs: 5000, maxBodyBytes: 65_536 },
    ]);
  });

  it('are fetched again for a key that is not among them, at most once a minute', async () => {
    const issuer = new Issuer();
    const first = await issuer.keys.newer(undefined);
    for (let flood = 0; flood < 1000; flood++) assert.equal(await issuer.keys.newer(first as never), first);
    assert.equal(issuer.asked.length, 1);
    await issuer.clock.advance(minute);
    const all = await Promise.all(Array.from({ length: 1000 }, () => issuer.keys.newer(first as never)));
    assert.equal(issuer.asked.length, 2);
    assert.ok(all.every((keys) => keys === all[0] && keys !== first));
    // Who asks with the old ones gets the new ones.
    assert.equal(await issuer.keys.newer(first as never), all[0]);
    assert.equal(issuer.asked.length, 2);
  });

  it('are fetched again by the clock before they are old, while tokens come', async () => {
    const issuer = new Issuer();
    await issuer.keys.newer(undefined);
    for (let passed = 0; passed < 30; passed++) {
      assert.notEqual(issuer.keys.current(), undefined);
      await issuer.clock.advance(minute);
    }
    // 10 minutes × 0.85 = 8.5: at 8.5, 17 and 25.5 minutes
    assert.equal(issuer.asked.length, 4);
  });

  it('are not fetched for nobody, and again before the next token is believed', async () => {
    const issuer = new Issuer();
    const first = await issuer.keys.newer(undefined);
    await issuer.clock.advance(60 * minute);
    assert.equal(issuer.asked.length, 1);
    assert.equal(issuer.keys.current(), undefined);
    assert.notEqual(await issuer.keys.newer(undefined), first);
    assert.equal(issuer.asked.length, 2);
  });

  it('hold for a day when they cannot be fetched again, and not longer', async () => {
    const issuer = new Issuer();
    const first = await issuer.keys.newer(undefined);
    issuer.answer = 'fails';
    let held = 0;
    for (let passed = 0; passed <= day; passed += minute / 2) {
      if (issuer.keys.current() === first) held = passed;
      await issuer.clock.advance(minute / 2);
    }
    assert.equal(held, day);
    assert.equal(issuer.keys.current(), undefined);
    assert.equal(await issuer.keys.newer(undefined), 'keys-not-fetched');
    assert.deepEqual(issuer.reports.slice(0, 2), [
      { url: 'https://login.example/keys', error: undefined, hasKeys: true },
      { url: 'https://login.example/keys', error: 'connection refused', hasKeys: true },
    ]);
    // The first, one a minute from 8.5 minutes on, and the last.
    assert.ok(issuer.asked.length <= 1 + (day - 8.5 * minute) / minute + 2, `${issuer.asked.length} fetches`);
  });

  it('are asked for after one, two, four seconds and so on while there are none, and nobody waits in between', async () => {
    const issuer = new Issuer();
    issuer.answer = 'fails';
    assert.equal(await issuer.keys.newer(undefined), 'keys-not-fetched');
    const fetchesAt: number[] = [0];
    for (let passed = 100; passed < 5 * minute; passed += 100) {
      assert.equal(await issuer.keys.newer(undefined), 'keys-not-fetched');
      await issuer.clock.advance(100);
      if (issuer.asked.length > fetchesAt.length) fetchesAt.push(passed);
    }
    assert.deepEqual(fetchesAt, [0, 1000, 3000, 7000, 15_000, 31_000, 63_000, 123_000, 183_000, 243_000]);
    issuer.answer = {};
    await issuer.clock.advance(minute);
    assert.notEqual(issuer.keys.current(), undefined);
  });

  it('are waited for as long as the policy says', async () => {
    const issuer = new Issuer({ timeoutMs: 2000 });
    issuer.answer = 'silent';
    const waiting = issuer.keys.newer(undefined);
    let isSettled = false;
    void waiting.then(() => (isSettled = true));
    await issuer.clock.advance(1999);
    assert.ok(!isSettled);
    await issuer.clock.advance(1);
    assert.equal(await waiting, 'keys-not-fetched');
    assert.equal(issuer.reports[0]?.error, 'no answer within 2000 ms');
  });

  it('are told of without what may be a secret in their address', async () => {
    const issuer = new Issuer({ url: 'https://user:word@login.example/keys?token=secret' });
    await issuer.keys.newer(undefined);
    assert.deepEqual(
      [issuer.reports[0]?.url, issuer.asked[0]?.url],
      ['https://login.example/keys', 'https://user:word@login.example/keys?token=secret'],
    );
  });

  it('do not inherit the deadline of the request that causes their fetch', async () => {
    const seen: unknown[] = [];
    const sources = new KeySources({
      clock: createVirtualClock(),
      random: () => 0,
      fetchKeys: () => {
        seen.push(currentRequest());
        return Promise.reject(new Error('no'));
      },
    });
    const keys = sources.of({ kind: 'remote', url: 'https://login.example/keys' });
    await runWithRequest({ deadlineMs: 5, isTrusted: true }, () => keys.newer(undefined));
    assert.deepEqual(seen, [undefined]);
  });

  const lifetimes: readonly {
    readonly name: string;
    readonly cacheControl?: string;
    readonly cacheMs?: number;
    readonly holdsMs: number;
  }[] = [
    { name: 'nothing-said', holdsMs: 10 * minute },
    { name: 'policy', cacheMs: 20 * minute, holdsMs: 20 * minute },
    { name: 'max-age', cacheControl: 'public, max-age=300', holdsMs: 5 * minute },
    { name: 'max-age-quoted', cacheControl: 'Max-Age="300"', holdsMs: 5 * minute },
    { name: 'max-age-of-a-week', cacheControl: 'max-age=604800', holdsMs: 60 * minute },
    { name: 'max-age-above-policy', cacheControl: 'max-age=3600', cacheMs: 5 * minute, holdsMs: 5 * minute },
    { name: 'max-age-zero', cacheControl: 'max-age=0', holdsMs: 1.5 * minute },
    { name: 'no-store', cacheControl: 'no-store', holdsMs: 1.5 * minute },
    { name: 'policy-of-a-second', cacheMs: 1000, holdsMs: 1.5 * minute },
    { name: 'max-age-garbage', cacheControl: 'max-age=abc, max-age', holdsMs: 10 * minute },
  ];
  for (const { name, cacheControl, cacheMs, holdsMs } of lifetimes) {
    it(`hold as long as the issuer and the policy say, within bounds: ${name}`, async () => {
      const issuer = new Issuer(cacheMs === undefined ? {} : { cacheMs });
      issuer.answer = cacheControl === undefined ? {} : { cacheControl };
      const first = await issuer.keys.newer(undefined);
      // Nobody asks, so that nothing is fetched by the clock.
      await issuer.clock.advance(holdsMs);
      assert.equal(issuer.keys.current(), first);
      await issuer.clock.advance(1);
      assert.equal(issuer.keys.current(), undefined);
    });
  }

  const bad: readonly { readonly name: string; readonly answer: Answer; readonly error: string }[] = [
    { name: 'status', answer: { status: 500 }, error: 'status 500' },
    { name: 'redirect', answer: { status: 302 }, error: 'status 302' },
    { name: 'html', answer: { body: '<html>' }, error: 'Jwks is an invalid JSON' },
    { name: 'no-keys', answer: { keys: [] }, error: "Jwks doesn't have any valid public key" },
    {
      name: 'too-large',
      answer: { body: JSON.stringify({ keys: [key.jwk()], filler: 'x'.repeat(66_000) }) },
      error: 'more than 65536 bytes',
    },
    { name: 'secret', answer: { keys: [{ kty: 'oct', k: 'A'.repeat(43) }] }, error: "Jwks doesn't have any valid public key" },
  ];
  for (const { name, answer, error } of bad) {
    it(`are not taken from an answer that is none: ${name}`, async () => {
      const issuer = new Issuer();
      issuer.answer = answer;
      assert.equal(await issuer.keys.newer(undefined), 'keys-not-fetched');
      assert.deepEqual(issuer.reports, [{ url: 'https://login.example/keys', error, hasKeys: false }]);
    });

    it(`stay when a later answer is none: ${name}`, async () => {
      const issuer = new Issuer();
      const first = await issuer.keys.newer(undefined);
      issuer.answer = answer;
      await issuer.clock.advance(minute);
      assert.equal(await issuer.keys.newer(first as never), first);
      assert.equal(issuer.asked.length, 2);
    });
  }

  for (const [name, jwks, isFetched] of [
    ['https', {}, true],
    ['http-from-a-cluster', { url: 'http://keys.example/', cluster: 'keys' }, true],
    ['http', { url: 'http://keys.example/' }, false],
    ['file', { url: 'file:///etc/keys', cluster: 'keys' }, false],
    ['no-url', { url: 'keys', cluster: 'keys' }, false],
  ] as const) {
    it(`come by https, or from a cluster that is named: ${name}`, async () => {
      const issuer = new Issuer(jwks);
      const keys = await issuer.keys.newer(undefined);
      assert.deepEqual([keys === 'keys-not-fetched', issuer.asked.length], [!isFetched, isFetched ? 1 : 0]);
    });
  }
});

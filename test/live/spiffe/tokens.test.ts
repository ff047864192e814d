import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { describe, it } from 'node:test';
import { spiffeIdentity, type JwtBundles } from '../../../src/control-plane/spiffe/index.ts';
import { systemClock, type Clock } from '../../../src/base/runtime.ts';
import { startWorkloadApi } from '../xds/workload-api.ts';

const web = 'spiffe://own.test/web';

describe('JWT-SVIDs of a Workload API', () => {
  it('are fetched once for an audience until half of their life is over', async () => {
    await using api = await startWorkloadApi();
    const lifetimeMs = 60_000;
    await api.setEntry({ svids: [{ spiffeId: web }], tokenLifetimeMs: lifetimeMs });
    let aheadMs = 0;
    const clock: Clock = { ...systemClock, wallNow: () => systemClock.wallNow() + aheadMs };
    const source = spiffeIdentity({ endpoint: api.unix, clock });
    const [first, again, other] = await Promise.all([
      source.fetchJwtSvid('orders'),
      source.fetchJwtSvid(['orders']),
      source.fetchJwtSvid('billing'),
    ]);
    assert.equal(first.reveal(), again.reveal());
    assert.notEqual(first.reveal(), other.reveal());
    assert.equal(first.spiffeId, web);
    assert.equal((await api.calls()).length, 2);
    aheadMs = lifetimeMs / 2 - 5000;
    assert.equal((await source.fetchJwtSvid('orders')).reveal(), first.reveal());
    aheadMs = lifetimeMs / 2 + 1000;
    const second = await source.fetchJwtSvid('orders');
    assert.notEqual(second.reveal(), first.reveal());
    assert.doesNotMatch(inspect(second) + JSON.stringify(second) + String(second), /ey/);
  });

  it('serve until they expire while the Workload API gives no other one', async () => {
    await using api = await startWorkloadApi();
    await api.setEntry({ svids: [{ spiffeId: web }], tokenLifetimeMs: 60_000 });
    let aheadMs = 0;
    const clock: Clock = { ...systemClock, wallNow: () => systemClock.wallNow() + aheadMs };
    const source = spiffeIdentity({ endpoint: api.tcp, clock });
    const first = await source.fetchJwtSvid('orders');
    await api.deny({ code: 'UNAVAILABLE', message: 'no' });
    aheadMs = 45_000;
    assert.equal((await source.fetchJwtSvid('orders')).reveal(), first.reveal());
    aheadMs = 61_000;
    await assert.rejects(source.fetchJwtSvid('orders'), /cannot be reached \(no\)/);
  });

  it('are verified by the Workload API, for their audience alone', async () => {
    await using api = await startWorkloadApi();
    await api.setEntry({ svids: [{ spiffeId: web }] });
    const source = spiffeIdentity({ endpoint: api.unix });
    const token = (await source.fetchJwtSvid('orders')).reveal();
    const { spiffeId, claims } = await source.validateJwtSvid(token, 'orders');
    assert.equal(spiffeId, web);
    assert.equal(claims['sub'], web);
    await assert.rejects(source.validateJwtSvid(token, 'billing'), (error: Error) => {
      assert.match(error.message, /ValidateJWTSVID with INVALID_ARGUMENT/);
      assert.ok(!error.message.includes(token));
      return true;
    });
  });

  it('have keys that are followed, and a trust domain that is gone is in no set', async () => {
    await using api = await startWorkloadApi();
    await api.setEntry({ svids: [{ spiffeId: web }], federated: ['other.test'] });
    const stop = new AbortController();
    const sets: JwtBundles[] = [];
    let heard = (): void => {};
    const count = async (wanted: number): Promise<void> => {
      while (sets.length < wanted) await new Promise<void>((resolve) => (heard = resolve));
    };
    const watching = spiffeIdentity({ endpoint: api.unix }).watchJwtBundles(
      {
        onBundles: (bundles) => {
          sets.push(bundles);
          heard();
        },
      },
      stop.signal,
    );
    await count(1);
    assert.deepEqual([...sets[0]!.keys()].toSorted(), ['other.test', 'own.test']);
    assert.equal(sets[0]!.get('own.test')?.keys[0]?.['kty'], 'EC');
    await api.setEntry({ svids: [{ spiffeId: web }] });
    await count(2);
    assert.deepEqual([...sets[1]!.keys()], ['own.test']);
    stop.abort();
    await watching;
  });
});

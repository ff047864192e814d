import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HostRates, PooledRates } from '../../../../src/data-plane/resilience/cusum-rates.ts';

const near = (actual: number, expected: number, tolerance = 1e-9): void =>
  assert.ok(Math.abs(actual - expected) <= tolerance * Math.max(1, Math.abs(expected)), `${actual}, not ${expected}`);

describe('PooledRates', () => {
  it('forget a failure as e^(−t/60 s) and e^(−t/4 s)', () => {
    const pool = new PooledRates();
    pool.fold(1000);
    pool.addFailure();
    pool.fold(5000);
    near(pool.all.slowFailures, Math.exp(-4 / 60));
    near(pool.all.fastFailures, Math.exp(-1));
    pool.fold(61_000);
    near(pool.all.slowFailures, Math.exp(-1));
    near(pool.all.slowRequests, Math.exp(-1));
    near(pool.all.fastRequests, Math.exp(-15));
  });

  it('take what was counted between two folds as spread evenly', () => {
    const pool = new PooledRates();
    const seconds = 30;
    for (let request = 0; request < 3000; request++) pool.count(1000 + request * 10);
    pool.fold(1000 + seconds * 1000);
    // The integral of 100 a second, each decayed since it came.
    near(pool.all.slowRequests, 100 * 60 * (1 - Math.exp(-seconds / 60)));
    near(pool.all.fastRequests, 100 * 4 * (1 - Math.exp(-seconds / 4)));
  });

  it('count all of what came at one moment', () => {
    const pool = new PooledRates();
    for (let request = 0; request < 7; request++) pool.count(1000);
    pool.fold(1000);
    assert.equal(pool.all.slowRequests, 7);
    assert.equal(pool.all.fastRequests, 7);
  });
});

describe('HostRates', () => {
  it('begin with an even share, and have their own from then on', () => {
    const pool = new PooledRates();
    for (let request = 0; request < 1000; request++) pool.count(1000 + request * 10);
    pool.fold(11_000);
    const host = new HostRates(pool, 4, 11_000);
    near(host.slowRequests, pool.all.slowRequests / 4);
    // Half of all requests are its own now; the windows follow, whatever the pace: none for ten seconds, then all within one.
    for (let request = 0; request < 200; request++) {
      pool.count(21_000 + request * 5);
      if (request % 2 === 0) host.count();
    }
    pool.fold(21_000);
    pool.fold(22_000);
    const before = pool.all.slowRequests;
    host.fold(pool, 22_000, false);
    assert.ok(host.slowRequests > before / 4 && host.slowRequests < before / 2);
  });

  it('never hold more than the pool', () => {
    const pool = new PooledRates();
    pool.fold(1000);
    const host = new HostRates(pool, 1, 1000);
    let now = 1000;
    for (let step = 0; step < 500; step++) {
      now += step % 7 === 0 ? 20_000 : 3;
      pool.count(now);
      host.count();
      if (step % 3 !== 0) continue;
      pool.fold(now);
      host.fold(pool, now, false);
      assert.ok(host.slowRequests <= pool.all.slowRequests + 1e-9);
      assert.ok(host.fastRequests <= pool.all.fastRequests + 1e-9);
    }
  });

  it('know how many requests a second there are, also when they have just begun', () => {
    const pool = new PooledRates();
    for (let request = 0; request < 50; request++) pool.count(1000 + request * 100);
    pool.fold(6000);
    near(new HostRates(pool, 1, 6000).perSecond(6000), 10, 0.01);
    near(new HostRates(pool, 2, 6000).perSecond(6000), 5, 0.01);
  });

  it('start anew after a return', () => {
    const pool = new PooledRates();
    for (let request = 0; request < 50; request++) pool.count(1000 + request * 100);
    pool.fold(6000);
    const host = new HostRates(pool, 1, 6000);
    host.countFailure(pool, false);
    pool.fold(36_000);
    host.restart(pool, 36_000);
    assert.deepEqual([host.slowRequests, host.slowFailures, host.perSecond(36_500)], [0, 0, 0]);
  });
});

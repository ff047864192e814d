import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CusumHost } from '../../../../src/data-plane/resilience/cusum-host.ts';
import { HostRates, PooledRates } from '../../../../src/data-plane/resilience/cusum-rates.ts';
import { MovedTrouble } from '../../../../src/data-plane/resilience/moved-trouble.ts';

/** Failures of hosts in one cluster, counted as the detector counts them. */
function world() {
  const pool = new PooledRates();
  const moved = new MovedTrouble();
  const host = (): CusumHost => {
    const made = new CusumHost(new HostRates(pool, 10, 0));
    made.threshold = 18;
    return made;
  };
  /** It fails so often from a moment on, one in `everyMs`; so many answers are good between two failures. */
  const fail = (one: CusumHost, count: number, fromMs: number, { everyMs = 200, between = 2 } = {}): number => {
    let now = fromMs;
    for (let failure = 0; failure < count; failure++) {
      now = fromMs + failure * everyMs;
      pool.fold(now);
      one.rates.fold(pool, now, false);
      moved.failed(one, now);
      one.rates.countFailure(pool, false);
      if (one.runFailures === 0) one.runMs = now;
      one.runFailures++;
      one.sinceMark++;
      one.runRequests += 1 + between;
    }
    return now;
  };
  return { moved, host, fail };
}

describe('MovedTrouble', () => {
  /** The first host fails 5 times a second from 10 s on, and is ejected with its eighth failure. */
  function afterEjection() {
    const all = world();
    const first = all.host();
    const ejectedMs = all.fail(first, 8, 10_000);
    all.moved.ejected(first, ejectedMs);
    first.clear();
    return { ...all, first, ejectedMs };
  }

  it('holds the next host that fails as much as the ejected one did, from then on', () => {
    const { moved, host, fail, ejectedMs } = afterEjection();
    const next = host();
    const now = fail(next, 8, ejectedMs + 200);
    assert.equal(moved.isHeld(next, now), true);
    const third = host();
    assert.equal(moved.isHeld(third, fail(third, 8, now + 60_000)), true, 'and others, for minutes');
    assert.equal(moved.isHeld(third, now + 300_000), false);
  });

  const rows: { name: string; given: (all: ReturnType<typeof afterEjection>, next: CusumHost) => number }[] = [
    { name: 'that-began-long-after', given: ({ fail, ejectedMs }, next) => fail(next, 8, ejectedMs + 20_000) },
    { name: 'that-nearly-always-fails', given: ({ fail, ejectedMs }, next) => fail(next, 8, ejectedMs + 200, { between: 0 }) },
    { name: 'that-fails-far-more', given: ({ fail, ejectedMs }, next) => fail(next, 30, ejectedMs + 20, { everyMs: 20 }) },
    {
      name: 'that-failed-before-the-other-went',
      given: ({ moved, fail, first, ejectedMs, host }, next) => {
        fail(next, 4, ejectedMs - 700);
        moved.ejected(Object.assign(host(), { runFailures: 8, runMs: ejectedMs - 1400, rates: first.rates }), ejectedMs + 1);
        return fail(next, 6, ejectedMs + 200);
      },
    },
    {
      name: 'that-is-late',
      given: ({ fail, ejectedMs }, next) => {
        next.slow = 18;
        return fail(next, 8, ejectedMs + 200);
      },
    },
  ];
  for (const { name, given } of rows)
    it(`holds no host ${name}`, () => {
      const all = afterEjection();
      const next = all.host();
      const now = given(all, next);
      assert.equal(all.moved.isHeld(next, now), false);
    });

  it('holds nobody before an ejection, nor after that of a host which relapsed', () => {
    const { moved, host, fail } = world();
    const first = host();
    const now = fail(first, 8, 1000);
    assert.equal(moved.isHeld(first, now), false);
    first.isOnProbation = true;
    moved.ejected(first, now);
    const next = host();
    assert.equal(moved.isHeld(next, fail(next, 8, now + 200)), false);
  });

  it('lets a host go whose trouble stays when the ejected one has been back for ten seconds', () => {
    const { moved, host, fail, first, ejectedMs } = afterEjection();
    const next = host();
    const now = fail(next, 8, ejectedMs + 200);
    assert.equal(moved.isHeld(next, now), true);
    moved.returned(first, now + 5000);
    assert.equal(moved.isHeld(next, now + 14_000), true);
    assert.equal(moved.isHeld(next, now + 15_001), false);
  });
});

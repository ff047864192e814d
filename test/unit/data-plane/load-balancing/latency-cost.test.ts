/** What a host costs, by what was heard of it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LatencyCost } from '../../../../src/data-plane/load-balancing/latency-cost.ts';

const options = { decayMs: 10_000, defaultLatencyMs: 100, failurePenaltyMs: 1000 };

/** The score after a hundred answers, one each 100 ms. */
function scoreAfter(hear: (cost: LatencyCost, now: number, index: number) => void): number {
  const host = { score: -1 };
  const cost = new LatencyCost(true, options, host);
  for (let index = 0; index < 100; index++) hear(cost, 100 * index, index);
  return host.score;
}

describe('what a request at a host costs', () => {
  it('is the same whether failures are told by heads or by trailers', () => {
    const byHeads = scoreAfter((cost, now, index) => cost.onResponse(20, index % 4 !== 0, now));
    const byTrailers = scoreAfter((cost, now, index) => {
      cost.onResponse(20, undefined, now);
      cost.onEnd(index % 4 !== 0, now);
    });
    // By heads a failure before the first success is no sign of speed.
    assert.ok(Math.abs(byHeads - byTrailers) <= 2, `${byHeads} and ${byTrailers}`);
  });

  it('has a host that always fails in its trailers at the whole penalty', () => {
    const always = scoreAfter((cost, now) => {
      cost.onResponse(1, undefined, now);
      cost.onEnd(true, now);
    });
    const half = scoreAfter((cost, now, index) => cost.onResponse(1, index % 2 === 0, now));
    // Scores are 256 × ln: about ln 2 between them.
    assert.ok(always - half > 0.55 * 256, `${always} and ${half}`);
  });

  it('is of failure alone when the time of the head is not known', () => {
    const host = { score: -1 };
    const cost = new LatencyCost(true, options, host);
    cost.onEnd(false, 0);
    assert.equal(host.score, -1);
    cost.onEnd(true, 0);
    assert.ok(host.score > 0);
  });
});

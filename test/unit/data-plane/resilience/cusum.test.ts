/** The arithmetic of the default detector, and what it concludes; chance and rates of false alarms: cusum-false-alarms.test.ts. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CusumDetector } from '../../../../src/data-plane/resilience/cusum.ts';
import { inTurn, WatchedHosts } from './watched-hosts.ts';

const none = (): boolean => false;
/** A minute of ten requests a second to each of the hosts, all well. */
function warm(hosts: number): { readonly watched: WatchedHosts; readonly now: number } {
  const watched = new WatchedHosts(hosts);
  const everyMs = 100 / hosts;
  return { watched, now: inTurn(watched, { startMs: 1000, everyMs, count: 600 * hosts }, none) };
}
/** Failures in a row of one host, 100 ms apart, until it goes; the others are well. */
function failuresUntilOut(watched: WatchedHosts, host: number, startMs: number, limit = 100): number {
  const others = watched.states.length - 1;
  for (let failures = 1, now = startMs; failures <= limit; failures++, now += 100) {
    if (watched.finish(host, true, now)) return failures;
    for (let other = 1; other <= others; other++) {
      const peer = (host + other) % watched.states.length;
      if (!watched.out[peer]) watched.finish(peer, false, now + (100 * other) / (others + 1));
    }
  }
  return Number.POSITIVE_INFINITY;
}

interface Seen {
  readonly atMs: number;
  readonly host: number;
  readonly isFailure: boolean;
}

/** The rules as they are written down, from all that was ever seen, for a host whose peers are above suspicion. Slow and plain. */
function reference(seen: readonly Seen[], host: number, alternatives = 4, falseEjectionsPerDay = 0.05) {
  const weight = (tauMs: number, now: number, of: (one: Seen) => boolean): number =>
    seen.filter((one) => one.atMs <= now && of(one)).reduce((sum, { atMs }) => sum + Math.exp(-(now - atMs) / tauMs), 0);
  const sums = [0, 0, 0];
  let threshold = Number.NaN;
  let ratio = Number.NaN;
  for (const { atMs: now, isFailure } of seen.filter((one) => one.host === host)) {
    const rate = (tauMs: number, prior: number): number =>
      (weight(tauMs, now, (one) => one.host !== host && one.isFailure) + prior) /
      (weight(tauMs, now, (one) => one.host !== host) + 2);
    ratio = Math.max(rate(60_000, 0.25), rate(4000, 0.004));
    const p0 = Math.min(0.6, 1.5 * ratio + 0.002);
    for (const [index, p1] of [Math.min(0.8, 5 * p0), 0.3, 0.9].entries()) {
      const nats = p1 <= 1.3 * p0 ? 0 : isFailure ? Math.log(p1 / p0) : Math.log((1 - p1) / (1 - p0));
      sums[index] = Math.max(0, sums[index]! + nats);
    }
    const perSecond = weight(60_000, now, (one) => one.host === host) / (60 * (1 - Math.exp(-(now - seen[0]!.atMs) / 60_000)));
    threshold = Math.log((86_400 * Math.max(1, perSecond) * alternatives) / falseEjectionsPerDay);
  }
  return { sums, threshold, ratio };
}

describe('CusumDetector: its sums', () => {
  it('are those of a plain reference, for a host that fails in every third request', () => {
    const watched = new WatchedHosts(4);
    const seen: Seen[] = [];
    let compared = 0;
    for (let index = 0; index < 2000; index++) {
      const host = index % 4;
      if (watched.out[host]) continue;
      const atMs = 1000 + 25 * index;
      // The peers fail in 1 of 50; host 0 does so too at first, and from 40 s on in every third request of its own.
      const isFailure = host === 0 && index >= 1600 ? index % 12 === 0 : index % 50 === 7;
      seen.push({ atMs, host, isFailure });
      watched.finish(host, isFailure, atMs);
      const state = watched.states[0];
      if (host !== 0 || state === undefined || watched.out[0] || index % 20 !== 0) continue;
      compared++;
      const expected = reference(seen, 0);
      assert.ok(Math.abs(state.peerErrorRatio - expected.ratio) < 0.02 * expected.ratio, `rate of the peers at ${index}`);
      assert.ok(Math.abs(state.threshold - expected.threshold) < 0.01, `threshold at ${index}`);
      for (const [nth, sum] of [state.more, state.bad, state.dead].entries())
        assert.ok(Math.abs(sum - expected.sums[nth]!) < 0.05, `sum ${nth} at ${index}: ${sum}, not ${expected.sums[nth]}`);
    }
    assert.ok(compared >= 7);
    assert.deepEqual(
      watched.ejections.map(({ host }) => host),
      [0],
    );
  });

  it('ask for the evidence that the budget of false ejections allows', () => {
    const table = [
      // h = ln(86 400 × R × M / f); 10 requests a second, 3 alternatives of errors and 1 of latency, 0.05 a day
      { name: 'default', config: {}, threshold: Math.log((86_400 * 10 * 4) / 0.05) },
      { name: 'without-latency', config: { latency: false }, threshold: Math.log((86_400 * 10 * 3) / 0.05) },
      { name: 'one-a-day', config: { falseEjectionsPerEndpointDay: 1 }, threshold: Math.log(86_400 * 10 * 4) },
    ];
    for (const { name, config, threshold } of table) {
      const watched = new WatchedHosts(5, config);
      const now = inTurn(watched, { startMs: 1000, everyMs: 20, count: 3000 }, none);
      watched.finish(0, true, now);
      assert.ok(Math.abs(watched.states[0]!.threshold - threshold) < 0.02, name);
    }
  });

  it('ask for no less of a host that gets less than one request a second', () => {
    const watched = new WatchedHosts(5);
    const now = inTurn(watched, { startMs: 1000, everyMs: 4000, count: 100 }, none);
    watched.finish(0, true, now);
    assert.equal(watched.states[0]!.threshold, Math.log((86_400 * 1 * 4) / 0.05));
  });
});

describe('CusumDetector: who goes', () => {
  it('is a dead host after four failures, where its peers are well', () => {
    const { watched, now } = warm(5);
    assert.equal(failuresUntilOut(watched, 2, now), 4);
    // 4 × ln(0.9 / 0.0026) = 23, capped at the threshold; three give 17.5 of 18.
    assert.match(watched.ejections[0]!.reason, /^4 of 4 requests failed, of its peers 0\.0\d+ %: evidence 18\.\d of 18\.\d$/);
  });

  it('is either of two hosts', () => {
    for (const host of [0, 1]) {
      const { watched, now } = warm(2);
      assert.ok(failuresUntilOut(watched, host, now) <= 5);
      assert.deepEqual(
        watched.ejections.map((ejection) => ejection.host),
        [host],
      );
    }
  });

  it('is never the only host, nor the last that serves', () => {
    const { watched, now } = warm(1);
    assert.equal(failuresUntilOut(watched, 0, now), Number.POSITIVE_INFINITY);
    assert.equal(watched.states[0]!.trustRatio, 1);
    const two = warm(2);
    failuresUntilOut(two.watched, 0, two.now);
    for (let failure = 0; failure < 100; failure++) assert.equal(two.watched.finish(1, true, two.now + 5000 + failure), false);
  });

  it('is not a host that fails as often as its peers', () => {
    const watched = new WatchedHosts(3);
    inTurn(watched, { startMs: 1000, everyMs: 10, count: 60_000 }, (_host, index) => index % 10 === 0);
    assert.deepEqual(watched.ejections, []);
  });

  it('is both of two dead hosts of three: they do not excuse each other', () => {
    const { watched, now } = warm(3);
    inTurn(watched, { startMs: now, everyMs: 33, count: 60 }, (host) => host !== 1);
    assert.deepEqual(new Set(watched.ejections.map(({ host }) => host)), new Set([0, 2]));
  });

  it('is soon the next one: who went is no measure for the others', () => {
    const { watched, now } = warm(5);
    // Long suspected and kept in by others' rules: a hundred failures of one host.
    const first = watched.detector.watch(watched, now);
    for (let index = 0; index < 100; index++) watched.detector.recordFailure(first, false, now + 10 * index, watched);
    watched.detector.ejected(first, now + 1000);
    watched.serving--;
    watched.out[0] = true;
    assert.equal(failuresUntilOut(watched, 1, now + 1000), 4);
  });

  it('is nobody while more than half of the peers fail too, and the one that goes on failing when they are well again', () => {
    const { watched, now } = warm(5);
    const during = inTurn(watched, { startMs: now, everyMs: 20, count: 500 }, () => true);
    assert.deepEqual(watched.ejections, []);
    for (const state of watched.states) {
      assert.equal(state!.trustRatio, 1, 'none gets less for what all of them share');
      assert.ok(state!.sum <= state!.threshold / 2, 'what was gathered counts for half of what is needed at most');
    }
    inTurn(watched, { startMs: during, everyMs: 20, count: 500 }, (host) => host === 3);
    assert.deepEqual(
      watched.ejections.map(({ host }) => host),
      [3],
    );
  });

  it('is nobody while no peer that is asked answers', () => {
    const { watched, now } = warm(3);
    // Host 2 is not asked: less than half of the peers are under suspicion.
    for (let index = 0; index < 40; index++) assert.equal(watched.finish(index % 2, true, now + 10 * index), false);
    watched.finish(2, false, now + 400);
    assert.equal(watched.finish(0, true, now + 410), true);
  });

  it('is a host that alone is asked', () => {
    const { watched, now } = warm(3);
    let failures = 0;
    while (!watched.finish(0, true, now + 10 * failures)) failures++;
    assert.ok(failures < 5);
  });

  it('is said again with each further failure, as long as the host stays', () => {
    const { watched, now } = warm(5);
    const { detector } = watched;
    const state = detector.watch(watched, now);
    const verdicts = Array.from({ length: 6 }, (_, index) => detector.recordFailure(state, false, now + 50 * index, watched));
    assert.deepEqual(verdicts, [false, false, false, true, true, true]);
    assert.equal(state.sum, state.threshold, 'and no sum grows past the threshold');
  });
});

describe('CusumDetector: what counts as one failure', () => {
  it('is all that broke together on a connection', () => {
    const { watched, now } = warm(5);
    for (let stream = 0; stream < 100; stream++) assert.equal(watched.finish(0, true, now + stream * 0.05, true), false);
    assert.equal(watched.states[0]!.runFailures, 1);
    assert.equal(watched.finish(0, true, now + 200, true), false);
    assert.equal(watched.states[0]!.runFailures, 2);
  });

  it('is each of many refusals one after the other, however fast they come', () => {
    const { watched, now } = warm(5);
    for (let request = 0; request < 200; request++) watched.finish(0, true, now + request * 0.5, true);
    assert.ok(watched.out[0]);
  });

  it('is each bad response, at the same moment too', () => {
    const { watched, now } = warm(5);
    for (let request = 0; request < 4; request++) watched.finish(0, true, now);
    assert.ok(watched.out[0]);
  });
});

describe('CusumDetector: suspicion', () => {
  it('leaves a host its whole share until half of the evidence is there, and half of its share at all of it', () => {
    const { watched, now } = warm(5);
    const { detector } = watched;
    const state = detector.watch(watched, now);
    const shares = [0, 1, 2, 3].map((index) => {
      detector.recordFailure(state, false, now + 50 * index, watched);
      return [detector.evidenceRatio(state), state.trustRatio] as const;
    });
    for (const [ratio, share] of shares) assert.ok(Math.abs(share - Math.max(0.5, Math.min(1, 1.5 - ratio))) < 1e-9);
    assert.equal(shares[0]![1], 1);
    assert.ok(shares[2]![1] < 0.6);
    assert.equal(shares[3]![1], 0.5);
  });

  it('ends with successes, and costs nothing more from then on', () => {
    const { watched, now } = warm(5);
    for (let index = 0; index < 3; index++) watched.finish(0, true, now + 100 * index);
    for (let index = 0; index < 60; index++) watched.finish(0, false, now + 300 + 100 * index);
    assert.equal(watched.states[0]!.trustRatio, 1);
    let successes = 60;
    while (!watched.states[0]!.isClear) watched.finish(0, false, now + 300 + 100 * successes++);
    assert.deepEqual([watched.states[0]!.runRequests, watched.states[0]!.runFailures], [0, 0]);
    const { judgedMs } = watched.states[0]!;
    watched.finish(0, false, now + 1e6);
    assert.equal(watched.states[0]!.judgedMs, judgedMs);
  });
});

describe('CusumDetector: a host that is back', () => {
  it('has half of its share, and more with each success', () => {
    const { watched, now } = warm(5);
    failuresUntilOut(watched, 0, now);
    watched.return(0, now + 30_000);
    const state = watched.states[0]!;
    assert.equal(state.trustRatio, 0.5);
    const shares: number[] = [];
    for (let index = 0; index < 40; index++) {
      watched.finish(0, false, now + 30_000 + 100 * index);
      shares.push(state.trustRatio);
    }
    assert.ok(shares.every((share, index) => index === 0 || share >= shares[index - 1]!));
    assert.equal(shares.at(-1), 1);
    assert.equal(state.isOnProbation, false);
  });

  it('is out again after two failures', () => {
    const { watched, now } = warm(5);
    failuresUntilOut(watched, 0, now);
    watched.return(0, now + 30_000);
    assert.equal(watched.finish(0, true, now + 30_100), false);
    assert.equal(watched.finish(0, true, now + 30_200), true);
  });

  it('does not keep the gate shut against the other of two', () => {
    const { watched, now } = warm(2);
    failuresUntilOut(watched, 0, now);
    let then = now + 30_000;
    watched.return(0, then);
    for (let index = 0; index < 100; index++) watched.finish(index % 2, false, (then += 50));
    assert.ok(failuresUntilOut(watched, 1, then) <= 6);
  });
});

describe('CusumDetector: latency', () => {
  it('takes a host out whose answers are later than nearly all of its peers', () => {
    const { watched, now } = warm(5);
    let answers = 0;
    while (!watched.late(0, 1, now + 100 * answers)) answers++;
    // h / ln 5 = 18 / 1.6
    assert.equal(answers + 1, 12);
    assert.match(
      watched.ejections[0]!.reason,
      /^its answers take at least three times as long as those of its peers: evidence 18/,
    );
  });

  it('lets one answer speak for all that come within 100 ms: they were held up together', () => {
    const { watched, now } = warm(5);
    for (let index = 0; index < 1000; index++) assert.equal(watched.late(0, 1, now + index * 0.09), false);
    assert.equal(watched.states[0]!.slow, Math.log(5));
  });

  it('forgives a host whose answers are in time', () => {
    const { watched, now } = warm(5);
    for (let index = 0; index < 8; index++) watched.late(0, 1, now + 100 * index);
    for (let index = 8; index < 13; index++) watched.late(0, 0.3, now + 100 * index);
    assert.equal(watched.states[0]!.slow, 0);
  });

  it('says nothing where there are too few peers, or where it is off', () => {
    const { watched, now } = warm(5);
    for (let index = 0; index < 100; index++) assert.equal(watched.late(0, Number.NaN, now + 100 * index), false);
    assert.equal(watched.states[0]!.slow, 0);
    const off = new WatchedHosts(5, { latency: false });
    for (let index = 0; index < 100; index++) assert.equal(off.late(0, 1, now + 100 * index), false);
  });
});

describe('CusumDetector: silence', () => {
  it('takes a host out when it is told a second time, and adds to what its failures say', () => {
    const { watched, now } = warm(5);
    assert.equal(watched.silent(0, 40, now), false);
    assert.equal(watched.silent(0, 40, now + 50), true);
    assert.match(watched.ejections[0]!.reason, /^no answer to what it was asked: evidence 40\.0 of 18/);
    watched.finish(1, true, now + 50);
    watched.finish(1, true, now + 60);
    assert.equal(watched.silent(1, 8, now + 100), false);
    assert.equal(watched.silent(1, 8, now + 150), true);
  });

  it('takes nobody out where all fall silent at once', () => {
    const { watched, now } = warm(5);
    for (let sweep = 0; sweep < 10; sweep++)
      for (let host = 0; host < 5; host++) assert.equal(watched.silent(host, 40, now + 50 * sweep), false);
  });

  it('is over when it is told as 0', () => {
    const { watched, now } = warm(5);
    watched.silent(0, 12, now);
    assert.ok(watched.states[0]!.trustRatio < 1);
    watched.silent(0, 0, now + 50);
    assert.equal(watched.states[0]!.trustRatio, 1);
    assert.equal(watched.detector.evidenceRatio(watched.states[0]!), 0);
  });

  it('is nothing where it is off', () => {
    const watched = new WatchedHosts(5, { silence: false });
    inTurn(watched, { startMs: 1000, everyMs: 20, count: 3000 }, none);
    for (let sweep = 0; sweep < 10; sweep++) assert.equal(watched.silent(0, 40, 61_000 + 50 * sweep), false);
  });
});

describe('CusumDetector: times and numbers that are odd', () => {
  it('stays well when the clock stands still, jumps, or goes back', () => {
    const watched = new WatchedHosts(3);
    for (const now of [0, 0, 1e12, 5, 5, 1e12 + 1, -3])
      for (const isFailure of [true, false, true]) for (let host = 0; host < 2; host++) watched.finish(host, isFailure, now);
    for (const state of watched.states.slice(0, 2)) {
      assert.ok(Number.isFinite(state!.sum));
      assert.ok(Number.isFinite(state!.peerErrorRatio));
      assert.ok(state!.peerErrorRatio >= 0 && state!.peerErrorRatio <= 1);
    }
  });

  it('takes a budget that is none for the default, and asks for something whatever the budget', () => {
    const thresholdOf = (falseEjectionsPerEndpointDay: number): number => {
      const watched = new WatchedHosts(3, { falseEjectionsPerEndpointDay });
      watched.finish(0, true, 1000);
      return watched.states[0]!.threshold;
    };
    for (const none of [0, -1, Number.NaN]) assert.equal(thresholdOf(none), thresholdOf(0.05));
    assert.equal(thresholdOf(1e12), 1);
    assert.equal(thresholdOf(Number.POSITIVE_INFINITY), 1);
  });

  it('applies another budget to what was counted', () => {
    const detector = new CusumDetector({ falseEjectionsPerEndpointDay: 0.05 });
    const hosts = { serving: 3 };
    const state = detector.watch(hosts, 1000);
    detector.recordFailure(state, false, 1000, hosts);
    const { sum, threshold } = state;
    detector.update({ falseEjectionsPerEndpointDay: 5 });
    detector.recordSuccess(state, 11_000, hosts);
    assert.ok(state.sum < sum && state.sum > 0);
    assert.ok(Math.abs(threshold - state.threshold - Math.log(100)) < 1e-9);
  });
});

/**
 * How often the default detector is wrong, and how soon it is right, by seeded chance in virtual time: small versions of
 * `npm run bench -- detection`.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../../../src/base/runtime.ts';
import type { CusumConfig } from '../../../../src/model/detection.ts';
import { WatchedHosts } from './watched-hosts.ts';

interface Scenario {
  readonly hosts: number;
  /** Of all hosts together; they come at random times to random hosts. */
  readonly perSecond: number;
  readonly seconds: number;
  readonly seed: number;
  readonly config?: CusumConfig;
  /** A host that went is replaced by a new one at once. */
  readonly replaces?: boolean;
  readonly errorRatio: (host: number, second: number) => number;
}

function simulate({ hosts, perSecond, seconds, seed, config, replaces, errorRatio }: Scenario): WatchedHosts['ejections'] {
  const random = seededRandom(seed);
  const watched = new WatchedHosts(hosts, config);
  const endMs = seconds * 1000;
  for (let now = (-Math.log(1 - random()) * 1000) / perSecond; now < endMs;) {
    let host = Math.floor(random() * hosts);
    while (watched.out[host]) host = Math.floor(random() * hosts);
    if (watched.finish(host, random() < errorRatio(host, now / 1000), now) && replaces === true) {
      watched.states[host] = undefined;
      watched.out[host] = false;
      watched.serving++;
    }
    now -= (Math.log(1 - random()) * 1000) / perSecond;
  }
  return watched.ejections;
}

const seeds = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => 20_260 + index);
const quantile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.ceil(share * values.length) - 1)]!;

describe('CusumDetector: false alarms', () => {
  // The bound of Lorden: at most f a day, whatever the error rate. Budgets so large that an hour shows whether they are kept.
  const table = [
    { name: 'errors-1-percent', errorRatio: 0.01, hosts: 10, budget: 1000 },
    { name: 'errors-1-percent-small-budget', errorRatio: 0.01, hosts: 10, budget: 100 },
    { name: 'errors-10-percent', errorRatio: 0.1, hosts: 10, budget: 1000 },
    { name: 'errors-10-percent-of-three-hosts', errorRatio: 0.1, hosts: 3, budget: 1000 },
    { name: 'errors-40-percent', errorRatio: 0.4, hosts: 10, budget: 1000 },
  ];
  for (const { name, errorRatio, hosts, budget } of table) {
    it(`stay within the budget: ${name}`, () => {
      const seconds = 3600;
      const ejections = simulate({
        hosts,
        perSecond: 10 * hosts,
        seconds,
        seed: 7,
        replaces: true,
        config: { falseEjectionsPerEndpointDay: budget },
        errorRatio: () => errorRatio,
      });
      const days = (hosts * seconds) / 86_400;
      assert.ok(ejections.length / days <= budget, `${(ejections.length / days).toFixed(1)} a day of ${budget}`);
    });
  }

  it('are none in an endpoint-day by default, with errors of 0.5 % and of 10 %, alike and unlike', () => {
    for (const errorRatio of [() => 0.005, () => 0.1, (host: number) => 0.005 + 0.0015 * host])
      assert.deepEqual(simulate({ hosts: 10, perSecond: 100, seconds: 8640, seed: 11, errorRatio }), []);
  });

  it('are none at a cold start with errors', () => {
    for (const hosts of [2, 3, 10])
      for (const seed of seeds(40))
        assert.deepEqual(simulate({ hosts, perSecond: 10 * hosts, seconds: 10, seed, errorRatio: () => 0.1 }), []);
  });
});

describe('CusumDetector: an outage of all hosts', () => {
  const runs = 60;
  for (const hosts of [2, 3, 10])
    for (const perSecond of [100, 1000])
      for (const errorRatio of [0.2, 0.5, 1])
        it(`takes 0.3 hosts out on average at most: ${hosts}-hosts-${perSecond}-a-second-${errorRatio * 100}-percent`, () => {
          const startS = 5;
          const ejected = seeds(runs).reduce(
            (sum, seed) =>
              sum +
              simulate({
                hosts,
                perSecond,
                seconds: 13,
                seed,
                errorRatio: (_host, second) => (second >= startS && second < 10 ? errorRatio : 0.005),
              }).length,
            0,
          );
          assert.ok(ejected / runs <= 0.3, `${(ejected / runs).toFixed(2)} of ${hosts}`);
        });
});

describe('CusumDetector: one host of ten at ten requests a second each', () => {
  const table = [
    { name: 'fails-always', errorRatio: 1, p90s: 1 },
    { name: 'fails-in-half', errorRatio: 0.5, p90s: 3 },
    { name: 'fails-in-a-fifth', errorRatio: 0.2, p90s: 10 },
  ];
  for (const { name, errorRatio, p90s } of table) {
    it(`is out in time in nine runs of ten: ${name}`, () => {
      const startS = 30;
      const delays = seeds(60).map((seed) => {
        const ejections = simulate({
          hosts: 10,
          perSecond: 100,
          seconds: startS + 40,
          seed,
          errorRatio: (host, second) => (host === 0 && second >= startS ? errorRatio : 0.005),
        });
        assert.ok(
          ejections.every(({ host }) => host === 0),
          'no other',
        );
        return (ejections[0]?.atMs ?? Number.POSITIVE_INFINITY) / 1000 - startS;
      });
      assert.ok(quantile(delays, 0.9) <= p90s, `${quantile(delays, 0.9)} s`);
    });
  }
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom, type Random } from '../../../../src/base/runtime.ts';
import { leastRequest } from '../../../../src/data-plane/load-balancing/least-request.ts';
import { roundRobin } from '../../../../src/data-plane/load-balancing/round-robin.ts';
import { weightedRoundRobin } from '../../../../src/data-plane/load-balancing/weighted-round-robin.ts';
import type { PickableHost, PickContext, Picker } from '../../../../src/model/contracts.ts';

interface TestHost extends PickableHost {
  inFlight: number;
}

function hostsOf(...rows: readonly { weight?: number; inFlight?: number }[]): readonly TestHost[] {
  return rows.map(({ weight = 1, inFlight = 0 }, index) => ({ address: 'abcdefghij'[index]!, weight, inFlight }));
}

function contextOf(random: Random, tried: readonly PickableHost[] = []): PickContext {
  return { tried, random, now: 0 };
}

function picks(picker: Picker, count: number, random: Random = seededRandom(1)): string {
  return Array.from({ length: count }, () => picker.pick(contextOf(random))!.address).join('');
}

function count(text: string, letter: string): number {
  return text.split(letter).length - 1;
}

describe('round-robin', () => {
  const hosts = hostsOf({}, {}, {}, {});

  it('takes each host in turn, from a first one that is drawn', () => {
    assert.equal(
      picks(
        roundRobin.build(hosts, undefined, () => 0.5),
        8,
      ),
      'cdabcdab',
    );
    assert.equal(
      picks(
        roundRobin.build(hosts, undefined, () => 0),
        5,
      ),
      'abcda',
    );
  });

  it('goes on after the host that was picked last when the set changes', () => {
    const picker = roundRobin.build(hosts, undefined, () => 0);
    assert.equal(picks(picker, 2), 'ab');
    const withoutFirst = roundRobin.build(hosts.slice(1), undefined, () => 0, picker);
    assert.equal(picks(withoutFirst, 4), 'cdbc');
    const back = roundRobin.build(hosts, undefined, () => 0, withoutFirst);
    assert.equal(picks(back, 4), 'dabc');
  });

  it('goes on at the successor when the host that was picked last is gone', () => {
    const picker = roundRobin.build(hosts, undefined, () => 0);
    assert.equal(picks(picker, 2), 'ab');
    const [a, , c, d] = hosts;
    assert.match(
      picks(
        roundRobin.build([a!, c!, d!], undefined, () => 0, picker),
        3,
      ),
      /^(?:cda|dac)$/,
    );
  });

  it('skips tried hosts in line', () => {
    const picker = roundRobin.build(hosts, undefined, () => 0);
    assert.equal(picker.pick(contextOf(seededRandom(1), [hosts[0]!, hosts[1]!]))!.address, 'c');
    assert.equal(picks(picker, 2), 'da');
  });
});

describe('weighted-round-robin', () => {
  it('mixes the turns: of weights 3 and 1 no host comes four times in a row', () => {
    const turns = picks(weightedRoundRobin.build(hostsOf({ weight: 3 }, { weight: 1 }), undefined, seededRandom(4)), 400);
    assert.equal(count(turns, 'b'), 100);
    assert.doesNotMatch(turns, /aaaa|bb/);
  });

  it('is exact over a period: every run of ten picks of weights 7, 2 and 1 is within one turn', () => {
    const turns = picks(
      weightedRoundRobin.build(hostsOf({ weight: 7 }, { weight: 2 }, { weight: 1 }), undefined, seededRandom(4)),
      1000,
    );
    for (let start = 0; start + 10 <= turns.length; start += 10) {
      const run = turns.slice(start, start + 10);
      assert.ok(
        Math.abs(count(run, 'a') - 7) <= 1 && Math.abs(count(run, 'b') - 2) <= 1 && Math.abs(count(run, 'c') - 1) <= 1,
        run,
      );
    }
  });

  it('does not serve light hosts in a bunch', () => {
    const hosts = hostsOf(
      ...Array.from({ length: 5 }, () => ({ weight: 1 })),
      ...Array.from({ length: 5 }, () => ({ weight: 5 })),
    );
    const turns = picks(weightedRoundRobin.build(hosts, undefined, seededRandom(4)), 3000);
    assert.doesNotMatch(turns, /[a-e]{3}/);
  });

  it('serves every host of a set with one that outweighs the rest by far', () => {
    const hosts = hostsOf({ weight: 200_000 }, ...Array.from({ length: 9 }, () => ({ weight: 1 })));
    const picker = weightedRoundRobin.build(hosts, undefined, seededRandom(4));
    const counts = new Map<string, number>();
    const context = contextOf(seededRandom(1));
    for (let pick = 0; pick < 2_000_000; pick++) {
      const { address } = picker.pick(context)!;
      counts.set(address, (counts.get(address) ?? 0) + 1);
    }
    // Ten periods, less those that its first turn was drawn late.
    for (const letter of 'bcdefghij')
      assert.ok(counts.get(letter)! > 5 && counts.get(letter)! <= 11, `${letter}: ${counts.get(letter)}`);
  });

  it('takes a weight that is unknown for the mean of the others', () => {
    const turns = picks(
      weightedRoundRobin.build(hostsOf({ weight: 0 }, { weight: 1 }, { weight: 3 }), undefined, seededRandom(4)),
      600,
    );
    assert.deepEqual([count(turns, 'a'), count(turns, 'b'), count(turns, 'c')], [200, 100, 300]);
  });

  it('goes on at the turn of the picker before it', () => {
    const hosts = hostsOf({ weight: 3 }, { weight: 1 });
    const whole = picks(weightedRoundRobin.build(hosts, undefined, seededRandom(4)), 40);
    let picker = weightedRoundRobin.build(hosts, undefined, seededRandom(4));
    let parts = '';
    for (let part = 0; part < 40; part++) {
      parts += picks(picker, 1);
      picker = weightedRoundRobin.build(hosts, undefined, seededRandom(99 + part), picker);
    }
    assert.equal(parts, whole);
  });
});

describe('least-request', () => {
  const defaults = leastRequest.options.parse(undefined, 'x');

  it('never takes the busier of two hosts', () => {
    const picker = leastRequest.build(hostsOf({ inFlight: 2 }, { inFlight: 1 }), defaults, seededRandom(1));
    assert.equal(count(picks(picker, 1000), 'b'), 1000);
  });

  it('takes the idle one of ten as often as it is among two drawn: 2 of 10', () => {
    const hosts = hostsOf({}, ...Array.from({ length: 9 }, () => ({ inFlight: 5 })));
    const turns = picks(leastRequest.build(hosts, defaults, seededRandom(1)), 10_000);
    assert.ok(Math.abs(count(turns, 'a') - 2000) < 200, `${count(turns, 'a')}`);
  });

  it('takes it more often with more draws, which are all different: 5 of 10, wherever it stands', () => {
    for (const letter of 'aej') {
      const hosts = hostsOf(...Array.from({ length: 10 }, () => ({ inFlight: 5 })));
      hosts.find((host) => host.address === letter)!.inFlight = 0;
      const turns = picks(leastRequest.build(hosts, { ...defaults, choiceCount: 5 }, seededRandom(1)), 10_000);
      assert.ok(Math.abs(count(turns, letter) - 5000) < 250, `${letter}: ${count(turns, letter)}`);
    }
  });

  it('takes it always with a full scan, and breaks ties by chance', () => {
    const hosts = hostsOf({ inFlight: 3 }, {}, { inFlight: 3 }, {}, {});
    const turns = picks(leastRequest.build(hosts, { ...defaults, fullScan: true }, seededRandom(1)), 3000);
    for (const letter of 'bde') assert.ok(Math.abs(count(turns, letter) - 1000) < 130, `${letter}: ${count(turns, letter)}`);
  });

  it('weighs hosts by w / (in flight + 1)', () => {
    // Shares of 4/1 and 2/(1 + 1) and 1/1: 4 to 1 to 1.
    const hosts = hostsOf({ weight: 4 }, { weight: 2, inFlight: 1 }, { weight: 1 });
    const turns = picks(leastRequest.build(hosts, defaults, seededRandom(1)), 6000);
    assert.deepEqual(
      ['a', 'b', 'c'].map((letter) => Math.round(count(turns, letter) / 100)),
      [40, 10, 10],
    );
  });

  it('lets load count more with a higher bias, and not at all with a bias of 0', () => {
    const hosts = hostsOf({ weight: 2, inFlight: 1 }, { weight: 1 });
    const share = (activeRequestBias: number): number =>
      Math.round(count(picks(leastRequest.build(hosts, { ...defaults, activeRequestBias }, seededRandom(1)), 3000), 'a') / 30);
    assert.deepEqual([share(0), share(1), share(2)], [67, 50, 33]); // 2:1, 2/2:1, 2/4:1
  });

  it('gives each host its turns however high the bias is, where load makes all weights nothing', () => {
    const hosts = hostsOf({ weight: 2, inFlight: 2000 }, { weight: 1, inFlight: 2000 });
    const picker = leastRequest.build(hosts, { ...defaults, activeRequestBias: 100 }, seededRandom(1));
    // 2001¹⁰⁰ is no number any more.
    const turns = picks(picker, 300);
    assert.deepEqual([count(turns, 'a'), count(turns, 'b')], [200, 100]);
  });

  it('looks at the load of the moment of each pick', () => {
    const hosts = hostsOf({}, {});
    const picker = leastRequest.build(hosts, defaults, seededRandom(1));
    hosts[0]!.inFlight = 1;
    assert.equal(picks(picker, 5), 'bbbbb');
    hosts[0]!.inFlight = 0;
    hosts[1]!.inFlight = 1;
    assert.equal(picks(picker, 5), 'aaaaa');
  });

  const badOptions = [
    { name: 'one-draw', given: { choiceCount: 1 } },
    { name: 'too-many-draws', given: { choiceCount: 11 } },
    { name: 'half-a-draw', given: { choiceCount: 2.5 } },
    { name: 'draws-as-text', given: { choiceCount: '2' } },
    { name: 'negative-bias', given: { activeRequestBias: -1 } },
    { name: 'bias-not-a-number', given: { activeRequestBias: Number.NaN } },
    { name: 'scan-as-text', given: { fullScan: 'yes' } },
  ];
  for (const { name, given } of badOptions) {
    it(`refuses, with path and remedy: ${name}`, () => {
      const [option] = Object.keys(given);
      assert.throws(() => leastRequest.options.parse(given, 'services.orders.loadBalancing.options'), {
        code: 'MESH_CONFIG_INVALID',
        message: new RegExp(`^services\\.orders\\.loadBalancing\\.options\\.${option} is .*; it must be `),
      });
    });
  }
});

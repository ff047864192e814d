import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../../../src/base/runtime.ts';
import { HostTable, type HostChanges } from '../../../../src/data-plane/cluster/host-table.ts';
import type { EndpointConfig, LocalityEndpoints } from '../../../../src/model/cluster.ts';
import { clusterOf } from './hosts-of.ts';

const config = clusterOf();
const allowed = (): undefined => undefined;

function endpoint(port: number, more: Partial<EndpointConfig> = {}): EndpointConfig {
  return { address: '192.0.2.1', port, ...more };
}

function locality(endpoints: readonly EndpointConfig[], more: Partial<LocalityEndpoints> = {}): LocalityEndpoints {
  return { locality: {}, priority: 0, endpoints, ...more };
}

function ports(hosts: Iterable<{ port: number }>): number[] {
  return [...hosts].map(({ port }) => port);
}

function said({ isWhole, added, changed, gone }: HostChanges): object {
  return { isWhole, added: ports(added), changed: ports(changed), gone: ports(gone) };
}

describe('the hosts of a cluster', () => {
  const [a, b, c, d] = [1, 2, 3, 4].map((port) => endpoint(port));

  it('are those that changed alone where an update shares the others', () => {
    const table = new HostTable();
    table.update(config, [locality([a!, b!, c!])], allowed);
    const [, hostB] = [...table.all()];
    const update = table.update(config, [locality([a!, endpoint(2, { weight: 5 }), c!])], allowed);
    assert.deepEqual(said(update), { isWhole: false, added: [], changed: [2], gone: [] });
    assert.equal(hostB!.weight, 5);
    assert.deepEqual(said(table.update(config, [locality([a!, c!])], allowed)), {
      isWhole: false,
      added: [],
      changed: [],
      gone: [2],
    });
    assert.deepEqual(said(table.update(config, [locality([a!, d!, c!])], allowed)), {
      isWhole: false,
      added: [4],
      changed: [],
      gone: [],
    });
    assert.deepEqual(ports(table.all()), [1, 3, 4]);
  });

  it('are the same objects when endpoints are written anew or change their places', () => {
    const table = new HostTable();
    table.update(config, [locality([a!, b!]), locality([c!], { priority: 1 })], allowed);
    const before = new Map([...table.all()].map((host) => [host.port, host]));
    table.update(config, [locality([endpoint(3), endpoint(1)]), locality([endpoint(2)], { priority: 1 })], allowed);
    for (const host of table.all()) assert.equal(host, before.get(host.port));
    assert.equal(before.get(2)!.priority, 1);
    assert.equal(before.get(3)!.priority, 0);
  });

  const repeats: readonly { readonly name: string; readonly localities: readonly LocalityEndpoints[]; weight: number }[] = [
    { name: 'in-one-list', localities: [locality([endpoint(1, { weight: 2 }), endpoint(1, { weight: 3 })])], weight: 2 },
    {
      name: 'in-two-priorities',
      localities: [
        locality([endpoint(1, { weight: 2 })], { priority: 1 }),
        locality([endpoint(1, { weight: 3 })], { priority: 0 }),
      ],
      weight: 3,
    },
  ];
  for (const { name, localities, weight } of repeats) {
    it(`count once when they are listed twice, where they are preferred most: ${name}`, () => {
      const table = new HostTable();
      table.update(config, localities, allowed);
      const [host, ...others] = [...table.all()];
      assert.equal(others.length, 0);
      assert.equal(host!.weight, weight);
      assert.equal(host!.priority, 0);
    });
  }

  it('stay when the second of two alike is taken away, and the second when the first is', () => {
    const table = new HostTable();
    const twin = endpoint(1, { weight: 9 });
    table.update(config, [locality([a!, twin])], allowed);
    const [host] = [...table.all()];
    assert.deepEqual(table.update(config, [locality([a!])], allowed).gone, []);
    assert.deepEqual(table.update(config, [locality([a!, twin])], allowed).gone, []);
    assert.deepEqual(table.update(config, [locality([twin])], allowed).gone, []);
    assert.deepEqual([...table.all()], [host]);
    assert.equal(host!.weight, 9);
  });

  it('have what the update says, whichever way it is applied', () => {
    const random = seededRandom(4711);
    const made = Array.from({ length: 40 }, (_, index) => endpoint(1 + (index % 24), { weight: 1 + index }));
    const few = new HostTable();
    for (let step = 0; step < 600; step++) {
      // A list that is mostly the one before, with repeats, moves and new endpoints among them.
      const lists = [0, 1].map((priority) => {
        const list = made.filter((_, index) => (index + step * (priority === 0 ? 0 : 1)) % 5 !== priority);
        for (let changes = 0; changes < Math.floor(random() * 3); changes++)
          list.splice(Math.floor(random() * list.length), Math.floor(random() * 2), made[Math.floor(random() * made.length)]!);
        return locality(step % 3 === 0 ? [...new Map(list.map((each) => [each.port, each])).values()] : list, { priority });
      });
      few.update(config, lists, allowed);
      const whole = new HostTable();
      whole.update(config, lists, allowed);
      const facts = (table: HostTable) =>
        [...table.all()].map(({ port, weight, priority }) => `${port} ${weight} ${priority}`).sort();
      assert.deepEqual(facts(few), facts(whole), `step ${step}`);
    }
  });

  it('leave out whom the source may not name, by a short way too', () => {
    const table = new HostTable();
    const refusal = (address: string): string | undefined => (address === '169.254.169.254' ? 'link-local' : undefined);
    table.update(config, [locality([a!, b!])], refusal);
    const { refused } = table.update(config, [locality([a!, endpoint(80, { address: '169.254.169.254' }), b!])], refusal);
    assert.deepEqual(refused, [{ address: '169.254.169.254', reason: 'link-local' }]);
    assert.deepEqual(ports(table.all()), [1, 2]);
  });

  it('are a hundred thousand at once', () => {
    const table = new HostTable();
    const many = Array.from({ length: 100_000 }, (_, index) =>
      endpoint(1 + (index % 1000), { address: `host-${index % 997}.test` }),
    );
    table.update(config, [locality(many)], allowed);
    assert.equal(table.size, new Set(many.map(({ address, port }) => `${address}:${port}`)).size);
    const other = { ...many[50_000]!, weight: 2 };
    const { changed, isWhole } = table.update(config, [locality(many.with(50_000, other))], allowed);
    assert.deepEqual([isWhole, changed.length, changed[0]!.weight], [false, 1, 2]);
  });
});

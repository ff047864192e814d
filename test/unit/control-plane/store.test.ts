import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createConfigStore, type ChangedResource, type ConfigStoreOptions } from '../../../src/control-plane/store.ts';
import type { ClusterConfig } from '../../../src/model/cluster.ts';
import type { ApplyResult, ConfigUpdate } from '../../../src/model/contracts.ts';
import type { RouteTableConfig } from '../../../src/model/route.ts';
import type { Resource, Snapshot } from '../../../src/model/snapshot.ts';
import { createVirtualClock } from '../../../src/testing/virtual-clock.ts';

/** A store of two sources that records what the data plane and the observers are told. */
function fixture(overrides: Partial<ConfigStoreOptions> = {}) {
  const swaps: { readonly snapshot: Snapshot; readonly changed: readonly ChangedResource[] }[] = [];
  const told: unknown[] = [];
  const store = createConfigStore({
    sources: ['file', 'consul'],
    clock: createVirtualClock(),
    policyNames: ['least-request', 'random'],
    onSnapshot: (snapshot, changed) => void swaps.push({ snapshot, changed }),
    onApplied: (source, result, version) => void told.push(['applied', source, version, result.rejected.length]),
    onAbsent: (source, want, reason) => void told.push(['absent', source, want, reason]),
    onStatus: (source, status) => void told.push(['status', source, status.state]),
    ...overrides,
  });
  return { store, swaps, told, file: store.sink('file'), consul: store.sink('consul') };
}

function cluster(name: string, fields: Partial<ClusterConfig> = {}): Resource {
  const value: ClusterConfig = {
    name,
    discovery: { kind: 'static', localities: [{ locality: {}, priority: 0, endpoints: [{ address: '192.0.2.1', port: 80 }] }] },
    loadBalancing: { policy: 'least-request' },
    ...fields,
  };
  return { kind: 'cluster', name, value };
}

const badCluster = (name: string): Resource => cluster(name, { connectTimeoutMs: -1 });

function table(name: string, to: string, domain = name): Resource {
  const value: RouteTableConfig = {
    name,
    virtualHosts: [
      {
        name,
        domains: [domain],
        routes: [{ name: 'all', match: {}, action: { kind: 'forward', to: [{ cluster: to, weight: 1 }] } }],
      },
    ],
  };
  return { kind: 'route-table', name, value };
}

function update(set: readonly Resource[], rest: Partial<ConfigUpdate> = {}): ConfigUpdate {
  return { version: '1', set, remove: [], ...rest };
}

const names = (result: ApplyResult): readonly string[] => result.accepted.map(({ name }) => name);
const reasons = (result: ApplyResult): readonly string[] =>
  result.rejected.map(({ key, path, reason }) => `${key.name}: ${path}: ${reason}`);

describe('the configuration store', () => {
  it('merges sources in order of precedence, each with its own resources', async () => {
    const { store, file, consul } = fixture();
    await consul.apply(update([cluster('orders'), cluster('billing')], { version: '77' }));
    await file.apply(update([cluster('orders')], { version: 'ab12' }));
    const { sources, version } = store.snapshot();
    assert.deepEqual(
      sources.map(({ source, clusters }) => [source, [...clusters.keys()]]),
      [
        ['file', ['orders']],
        ['consul', ['orders', 'billing']],
      ],
    );
    assert.equal(version, 'file@ab12, consul@77');
  });

  it('puts each update in force with one swap that names what changed', async () => {
    const { swaps, file } = fixture();
    await file.apply(update([cluster('a'), cluster('b')]));
    await file.apply(update([cluster('b', { connectTimeoutMs: 5 }), cluster('c')], { remove: [{ kind: 'cluster', name: 'a' }] }));
    assert.deepEqual(
      swaps.map(({ changed }) => changed.map(({ name, change }) => `${name} ${change}`)),
      [
        ['a set', 'b set'],
        ['a removed', 'b set', 'c set'],
      ],
    );
  });

  it('keeps the last good version of a resource whose new one is bad, and takes the others of the update', async () => {
    const { store, file } = fixture();
    await file.apply(update([cluster('a'), cluster('b')]));
    const good = store.snapshot().sources[0]!.clusters.get('a');
    const result = await file.apply(update([badCluster('a'), cluster('b', { connectTimeoutMs: 7 })], { version: '2' }));
    assert.deepEqual(names(result), ['b']);
    assert.deepEqual(reasons(result), ['a: connectTimeoutMs: -1 is not a time from 0 ms to one year (31536000000 ms)']);
    const { clusters } = store.snapshot().sources[0]!;
    assert.equal(clusters.get('a'), good);
    assert.equal(clusters.get('b')?.connectTimeoutMs, 7);
    assert.equal(store.status()[0]!.rejected.length, 1);
  });

  it('forgets a refusal when a good version comes', async () => {
    const { store, file } = fixture();
    await file.apply(update([badCluster('a')]));
    assert.equal(store.status()[0]!.rejected.length, 1);
    await file.apply(update([cluster('a')]));
    assert.deepEqual(store.status()[0]!.rejected, []);
  });

  it('forgets a refusal when the resource is removed, and when a whole state no longer names it', async () => {
    const { store, file } = fixture();
    await file.apply(update([cluster('ok'), badCluster('a'), badCluster('b')]));
    await file.apply(update([], { remove: [{ kind: 'cluster', name: 'a' }] }));
    assert.deepEqual(
      store.status()[0]!.rejected.map(({ key }) => key.name),
      ['b'],
    );
    await file.apply(update([cluster('ok')], { replaces: ['cluster'] }));
    assert.deepEqual(store.status()[0]!.rejected, []);
  });

  it('swaps nothing and keeps its version when nothing of an update is good', async () => {
    const { store, swaps, file } = fixture();
    await file.apply(update([cluster('a')], { version: '1' }));
    await file.apply(update([badCluster('a')], { version: '2' }));
    assert.equal(swaps.length, 1);
    assert.equal(store.status()[0]!.version, '1');
  });

  it('keeps the object of a resource that is sent again unchanged, and the map that holds it', async () => {
    const { store, swaps, file } = fixture();
    await file.apply(update([cluster('a'), table('t', 'a')]));
    const before = store.snapshot().sources[0]!;
    await file.apply(update([cluster('a'), table('t', 'a')], { version: '2', replaces: ['cluster', 'route-table'] }));
    const after = store.snapshot().sources[0]!;
    assert.equal(after.clusters, before.clusters);
    assert.equal(after.routeTables, before.routeTables);
    assert.deepEqual(swaps[1]!.changed, []);
    assert.equal(after.version, '2');
  });

  it('sees a change where a field without a value gave way to another field', async () => {
    const { store, file } = fixture();
    const empty = cluster('a') as { value: object };
    Object.assign(empty.value, { connectTimeoutMs: undefined });
    await file.apply(update([empty as Resource]));
    await file.apply(update([cluster('a', { idleTimeoutMs: 5 })]));
    assert.equal(store.snapshot().sources[0]!.clusters.get('a')?.idleTimeoutMs, 5);
  });

  it('copies no map of a kind that an update does not touch', async () => {
    const { store, file } = fixture();
    await file.apply(update([cluster('a'), table('t', 'a')]));
    const before = store.snapshot().sources[0]!;
    await file.apply(update([table('t', 'b')]));
    assert.equal(store.snapshot().sources[0]!.clusters, before.clusters);
    assert.notEqual(store.snapshot().sources[0]!.routeTables, before.routeTables);
  });

  it('freezes what it accepts to the last leaf, and leaves what it refuses alone', async () => {
    const { store, file } = fixture();
    const bad = badCluster('bad');
    await file.apply(update([cluster('a'), bad]));
    const { discovery } = store.snapshot().sources[0]!.clusters.get('a')!;
    assert.ok(discovery.kind === 'static');
    assert.ok(Object.isFrozen(discovery.localities[0]!.endpoints[0]));
    assert.ok(!Object.isFrozen(bad.value));
  });

  it('removes by name, and with `replaces` everything of the kind that is not named', async () => {
    const { store, file } = fixture();
    await file.apply(update([cluster('a'), cluster('b'), cluster('c'), table('t', 'a')]));
    await file.apply(update([], { remove: [{ kind: 'cluster', name: 'a' }] }));
    await file.apply(update([cluster('c')], { replaces: ['cluster'] }));
    const { clusters, routeTables } = store.snapshot().sources[0]!;
    assert.deepEqual([...clusters.keys()], ['c']);
    assert.deepEqual([...routeTables.keys()], ['t']);
  });

  it('keeps the last good version of a resource that a whole state names with a mistake', async () => {
    const { store, file } = fixture();
    await file.apply(update([cluster('a'), cluster('b')]));
    await file.apply(update([badCluster('a')], { replaces: ['cluster'] }));
    assert.deepEqual([...store.snapshot().sources[0]!.clusters.keys()], ['a']);
  });

  it('does not empty what is in force for a whole state that names nothing', async () => {
    const { store, file } = fixture();
    await file.apply(update([cluster('a')]));
    const result = await file.apply(update([], { version: '2', replaces: ['cluster'] }));
    assert.deepEqual(reasons(result), [
      '*: : the update says that nothing is left; all 1 stay in force until they are removed by name',
    ]);
    assert.deepEqual([...store.snapshot().sources[0]!.clusters.keys()], ['a']);
    await file.apply(update([cluster('b')], { version: '3', replaces: ['cluster'] }));
    assert.deepEqual(store.status()[0]!.rejected, []);
  });

  it('lets a resource stay that one update removes and sets', async () => {
    const { store, swaps, file } = fixture();
    await file.apply(update([cluster('a')]));
    const before = store.snapshot().sources[0]!.clusters.get('a');
    await file.apply(update([cluster('a')], { remove: [{ kind: 'cluster', name: 'a' }] }));
    assert.equal(store.snapshot().sources[0]!.clusters.get('a'), before);
    assert.deepEqual(swaps[1]!.changed, []);
  });

  it('refuses a resource that is named twice in one update, and keeps its last good version', async () => {
    const { store, file } = fixture();
    await file.apply(update([cluster('a')]));
    const result = await file.apply(
      update([cluster('a', { connectTimeoutMs: 1 }), cluster('a', { connectTimeoutMs: 2 }), cluster('b')]),
    );
    assert.deepEqual(reasons(result), ['a: : is there 2 times in one update; which one is meant cannot be known']);
    assert.deepEqual(names(result), ['b']);
    assert.equal(store.snapshot().sources[0]!.clusters.get('a')?.connectTimeoutMs, undefined);
  });

  it('applies the updates of one source in the order in which they came', async () => {
    const { store, file, swaps } = fixture();
    const timeouts = [5, 4, 3, 2, 1];
    await Promise.all(timeouts.map((connectTimeoutMs) => file.apply(update([cluster('a', { connectTimeoutMs })]))));
    assert.deepEqual(
      swaps.map(({ snapshot }) => snapshot.sources[0]!.clusters.get('a')?.connectTimeoutMs),
      timeouts,
    );
    assert.equal(store.snapshot().sources[0]!.clusters.get('a')?.connectTimeoutMs, 1);
  });

  it('goes back to the snapshot before when the data plane cannot put the new one in force', async () => {
    let refuse = false;
    const versions: string[] = [];
    const { store, file } = fixture({
      onSnapshot: (snapshot) => {
        versions.push(snapshot.version);
        if (refuse && snapshot.version === 'file@2') throw new Error('out of sockets');
      },
    });
    await file.apply(update([cluster('a')], { version: '1' }));
    refuse = true;
    const result = await file.apply(update([cluster('a', { connectTimeoutMs: 9 }), cluster('b')], { version: '2' }));
    assert.deepEqual(versions, ['file@1', 'file@2', 'file@1']);
    assert.deepEqual(names(result), []);
    assert.deepEqual(reasons(result), [
      'a: : could not be put in force: out of sockets',
      'b: : could not be put in force: out of sockets',
    ]);
    assert.deepEqual([...store.snapshot().sources[0]!.clusters.keys()], ['a']);
    refuse = false;
    assert.deepEqual(names(await file.apply(update([cluster('b')], { version: '3' }))), ['b']);
  });
});

describe('what the store tells of its sources', () => {
  it('shows a field without effect until its resource is replaced', async () => {
    const { store, file } = fixture();
    const unhonoured = [{ key: { kind: 'cluster', name: 'a' } as const, path: 'filters[0]', reason: 'no such filter here' }];
    const result = await file.apply(update([cluster('a'), cluster('b')], { unhonoured }));
    assert.deepEqual(result.unhonoured, unhonoured);
    await file.apply(update([cluster('b', { connectTimeoutMs: 1 })]));
    assert.deepEqual(store.status()[0]!.unhonoured, unhonoured);
    await file.apply(update([badCluster('a')]));
    assert.deepEqual(store.status()[0]!.unhonoured, unhonoured, 'a refused version says nothing about the one in force');
    const ofRefused = [{ ...unhonoured[0]!, path: 'other' }];
    const refused = await file.apply(update([badCluster('a')], { unhonoured: ofRefused }));
    assert.deepEqual(refused.unhonoured, ofRefused);
    assert.deepEqual(store.status()[0]!.unhonoured, unhonoured, 'nor does what was reported with it');
    await file.apply(update([cluster('a')]));
    assert.deepEqual(store.status()[0]!.unhonoured, []);
  });

  it('reports a condition and an action that cannot be said, accepts them, and goes on reporting when they are sent again', async () => {
    const { store, file } = fixture();
    const odd = (): Resource => ({
      kind: 'route-table',
      name: 't',
      value: {
        name: 't',
        virtualHosts: [
          {
            name: 'h',
            domains: ['*'],
            routes: [
              { name: 'a', match: { unsupported: ['dynamicMetadata'] }, action: { kind: 'respond', status: 200 } },
              { name: 'b', match: {}, action: { kind: 'unsupported', reason: 'nonForwardingAction' } },
            ],
          },
        ],
      },
    });
    for (const version of ['1', '2']) {
      const result = await file.apply(update([odd()], { version }));
      assert.deepEqual(names(result), ['t']);
      const expected = [
        ['virtualHosts[0].routes[0].match', 'dynamicMetadata: not supported, so the route never matches'],
        ['virtualHosts[0].routes[1].action', 'nonForwardingAction: requests that reach this route fail'],
      ];
      assert.deepEqual(
        result.unhonoured.map(({ path, reason }) => [path, reason]),
        expected,
      );
      assert.deepEqual(
        store.status()[0]!.unhonoured.map(({ path, reason }) => [path, reason]),
        expected,
      );
    }
  });

  it('accepts a route whose cluster is not there yet and lists it as dangling until it comes', async () => {
    const { store, file, consul } = fixture();
    const result = await file.apply(update([table('t', 'orders')]));
    assert.deepEqual(names(result), ['t']);
    assert.deepEqual(store.status()[0]!.dangling, [
      {
        key: { kind: 'route-table', name: 't' },
        path: 'virtualHosts[0].routes[0].action.to[0]',
        reason: 'there is no cluster orders',
      },
    ]);
    await consul.apply(update([cluster('orders')]));
    assert.deepEqual(store.status()[0]!.dangling, []);
  });

  it('lists dangling endpoints, members, fallbacks, subsets and tables', async () => {
    const { store, file } = fixture();
    const subset = table('t', 'a');
    const breaker = { errorThresholdPercent: 50, minimumRequests: 1, openMs: 1, windowMs: 1 };
    await file.apply(
      update([
        cluster('a', { discovery: { kind: 'endpoints', name: 'slices' }, subsets: { v1: { version: 'v1' } } }),
        cluster('b', { discovery: { kind: 'aggregate', clusters: ['a', 'gone'] } }),
        cluster('c', {
          circuitBreaker: { ...breaker, scope: 'cluster', fallback: { kind: 'cluster', cluster: 'standby' } },
        }),
        {
          ...subset,
          value: {
            name: 't',
            virtualHosts: [
              {
                name: 'h',
                domains: ['*'],
                routes: [{ name: 'r', match: {}, action: { kind: 'forward', to: [{ cluster: 'a', subset: 'v2', weight: 1 }] } }],
              },
            ],
          },
        } as Resource,
        { kind: 'listener', name: 'out', value: { direction: 'outbound', name: 'out', routes: 'no-such-table' } },
      ]),
    );
    assert.deepEqual(
      store.status()[0]!.dangling.map(({ key, path, reason }) => `${key.name} ${path}: ${reason}`),
      [
        't virtualHosts[0].routes[0].action.to[0]: the cluster a has no subset v2; it has v1',
        'out routes: there is no route table no-such-table',
        'a discovery.name: there are no endpoints slices',
        'b discovery.clusters[1]: there is no cluster gone',
        'c circuitBreaker.fallback.cluster: there is no cluster standby',
      ],
    );
  });

  it('counts resources and remembers when an update was put in force', async () => {
    const { store, file } = fixture();
    assert.equal(store.status()[0]!.lastUpdateMs, undefined);
    await file.apply(update([cluster('a'), table('t', 'a')]));
    const { resources, lastUpdateMs, state } = store.status()[0]!;
    assert.deepEqual(resources, { listener: 0, 'route-table': 1, cluster: 1, endpoints: 0 });
    assert.equal(lastUpdateMs, Date.UTC(2026, 0, 1)); // where a virtual clock starts
    assert.equal(state, 'connecting');
  });

  it('passes on states, verdicts and absences', async () => {
    const { store, file, told } = fixture();
    file.status({ state: 'disconnected', error: 'refused; start it', problems: [] });
    await file.apply(update([badCluster('a')], { version: '9' }));
    file.absent({ kind: 'cluster', name: 'x' }, 'not found');
    assert.deepEqual(told, [
      ['status', 'file', 'disconnected'],
      ['applied', 'file', '9', 1],
      ['absent', 'file', { kind: 'cluster', name: 'x' }, 'not found'],
    ]);
    assert.equal(store.status()[0]!.error, 'refused; start it');
  });

  const absences = [
    { name: 'exact-domain', domain: 'Orders', forgotten: true },
    { name: 'with-port', domain: 'orders:80', forgotten: true },
    { name: 'other-port', domain: 'orders:81', forgotten: false },
    { name: 'catch-all', domain: '*', forgotten: true },
    { name: 'suffix', domain: '*ders', forgotten: true },
    { name: 'prefix', domain: 'ord*', forgotten: true },
    { name: 'other-host', domain: 'billing', forgotten: false },
  ];
  for (const { name, domain, forgotten } of absences) {
    it(`${forgotten ? 'forgets' : 'keeps'} that a host is absent when routes come: ${name}`, async () => {
      const { store, file } = fixture();
      const want = { kind: 'authority', host: 'orders', port: 80 } as const;
      file.absent(want, 'no such service');
      assert.equal(store.isAbsent('file', want), true);
      assert.equal(store.absenceReason('file', want), 'no such service');
      assert.equal(store.isAbsent('consul', want), false);
      await file.apply(update([table('t', 'a', domain)]));
      assert.equal(store.isAbsent('file', want), !forgotten);
    });
  }

  it('forgets that a cluster is absent when its endpoints come', async () => {
    const { store, file } = fixture();
    const want = { kind: 'cluster', name: 'a' } as const;
    file.absent(want, 'no');
    await file.apply(update([{ kind: 'endpoints', name: 'a', value: { name: 'a', localities: [] } }]));
    assert.equal(store.isAbsent('file', want), false);
  });

  it('waits for the first update of a source, even an empty one, but not for one that was refused', async () => {
    const { store, file } = fixture();
    let known = false;
    const first = store.firstUpdate('file').then(() => (known = true));
    await file.apply(update([badCluster('a')]));
    assert.equal(known, false);
    await file.apply(update([]));
    await first;
    await store.firstUpdate('file');
  });

  it('rejects the wait for a source that fails before its first update', async () => {
    const { store, file } = fixture();
    const first = store.firstUpdate('file');
    file.status({ state: 'failed', error: 'mesh.yaml:3: unknown key' });
    await assert.rejects(first, { code: 'MESH_CONTROL_PLANE', message: /mesh\.yaml:3: unknown key/ });
    await assert.rejects(store.firstUpdate('file'), { code: 'MESH_CONTROL_PLANE' });
  });

  it('throws for a source that it was not told of, and for two of one name', () => {
    const { store } = fixture();
    assert.throws(() => store.sink('kubernetes'), /there is no source "kubernetes"; there are file, consul/);
    assert.throws(() => fixture({ sources: ['a', 'a'] }), RangeError);
  });
});

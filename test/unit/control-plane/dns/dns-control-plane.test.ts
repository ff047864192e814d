import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { seededRandom, yieldToLoop } from '../../../../src/base/runtime.ts';
import { dnsControlPlane, type DnsControlPlane, type DnsControlPlaneOptions } from '../../../../src/control-plane/dns/index.ts';
import { safeDefaults, safeLoadBalancing, safeRetry, type HostDefaults } from '../../../../src/control-plane/safe-defaults.ts';
import { createConfigStore } from '../../../../src/control-plane/store.ts';
import type { ConfigSink, ConfigUpdate, Demand, Problem } from '../../../../src/model/contracts.ts';
import type { RouteTableConfig } from '../../../../src/model/route.ts';
import { createVirtualClock } from '../../../../src/testing/virtual-clock.ts';

interface Running {
  readonly plane: DnsControlPlane;
  readonly updates: ConfigUpdate[];
  readonly absences: { readonly want: Demand; readonly reason: string }[];
  /** Asks for a host, and returns what ends the interest in it. */
  readonly want: (host: string, port?: number) => AbortController;
  readonly settled: () => Promise<void>;
}

function start(
  t: TestContext,
  options: DnsControlPlaneOptions = {},
  reject: (update: ConfigUpdate) => Problem[] = () => [],
): Running {
  const plane = dnsControlPlane(options);
  const updates: ConfigUpdate[] = [];
  const absences: { want: Demand; reason: string }[] = [];
  const sink: ConfigSink = {
    async apply(update) {
      updates.push(update);
      return { accepted: [], rejected: reject(update), unhonoured: [] };
    },
    absent: (want, reason) => void absences.push({ want, reason }),
    status: () => undefined,
  };
  const stop = new AbortController();
  const run = plane.run({ sink, clock: createVirtualClock(), random: seededRandom(1), signal: stop.signal });
  t.after(async () => {
    stop.abort();
    await run;
  });
  return {
    plane,
    updates,
    absences,
    want(host, port = 80) {
      const controller = new AbortController();
      plane.demand({ kind: 'authority', host, port }, controller.signal);
      return controller;
    },
    settled: async () => {
      await yieldToLoop();
      await yieldToLoop();
    },
  };
}

function tableOf(update: ConfigUpdate | undefined): RouteTableConfig {
  const table = update?.set.find(({ kind }) => kind === 'route-table');
  assert.ok(table?.kind === 'route-table');
  return table.value;
}

function domainsOf(update: ConfigUpdate | undefined): readonly string[] {
  return tableOf(update).virtualHosts.flatMap(({ domains }) => domains);
}

function clustersOf(update: ConfigUpdate | undefined) {
  return update?.set.flatMap((resource) => (resource.kind === 'cluster' ? [resource.value] : [])) ?? [];
}

describe('the DNS control plane', () => {
  it('answers an authority with a listener, a virtual host and a cluster that is found by DNS', async (t) => {
    const { updates, want, settled } = start(t);
    want('orders', 8080);
    await settled();
    const update = updates.at(-1)!;
    assert.deepEqual(
      update.set.find(({ kind }) => kind === 'listener'),
      { kind: 'listener', name: 'dns', value: { direction: 'outbound', name: 'dns', routes: 'dns' } },
    );
    assert.deepEqual(tableOf(update), {
      name: 'dns',
      policy: safeDefaults.policy,
      virtualHosts: [
        {
          name: 'dns:orders:8080',
          domains: ['orders:8080'],
          routes: [
            { name: 'dns:orders:8080', match: {}, action: { kind: 'forward', to: [{ cluster: 'dns:orders:8080', weight: 1 }] } },
          ],
        },
      ],
    });
    assert.deepEqual(clustersOf(update), [
      {
        ...safeDefaults.cluster,
        name: 'dns:orders:8080',
        discovery: { kind: 'dns', hostname: 'orders', port: 8080, use: 'all' },
      },
    ]);
  });

  it('gives its hosts the safe defaults', () => {
    assert.equal(safeDefaults.cluster.loadBalancing, safeLoadBalancing);
    assert.equal(safeDefaults.policy.retry, safeRetry);
  });

  for (const row of [
    {
      name: 'https-name',
      host: 'api.example',
      port: 443,
      hostname: 'api.example',
      tls: { mode: 'simple', peers: [], sni: 'api.example' },
    },
    {
      name: 'https-absolute-name',
      host: 'api.example.',
      port: 443,
      hostname: 'api.example.',
      tls: { mode: 'simple', peers: [], sni: 'api.example' },
    },
    {
      name: 'https-address-has-no-server-name',
      host: '192.0.2.1',
      port: 443,
      hostname: '192.0.2.1',
      tls: { mode: 'simple', peers: [] },
    },
    { name: 'ipv6-without-its-brackets', host: '[2001:db8::1]', port: 8080, hostname: '2001:db8::1', tls: undefined },
    { name: 'https-ipv6', host: '[2001:db8::1]', port: 443, hostname: '2001:db8::1', tls: { mode: 'simple', peers: [] } },
    { name: 'upper-case', host: 'Orders', port: 80, hostname: 'orders', tls: undefined },
    { name: 'other-port-leaves-tls-to-the-url', host: 'api.example', port: 8443, hostname: 'api.example', tls: undefined },
  ]) {
    it(`translates an authority: ${row.name}`, async (t) => {
      const { updates, want, settled } = start(t);
      want(row.host, row.port);
      await settled();
      const [cluster] = clustersOf(updates.at(-1));
      assert.deepEqual(cluster!.discovery, { kind: 'dns', hostname: row.hostname, port: row.port, use: 'all' });
      assert.deepEqual(cluster!.tls, row.tls);
      assert.deepEqual(domainsOf(updates.at(-1)), [`${row.host.toLowerCase()}:${row.port}`]);
    });
  }

  for (const host of ['*', '*.example', 'orders.*', '', 'a b', 'a..b', 'x'.repeat(64)]) {
    it(`has nothing for the host "${host.slice(0, 20)}", which as a domain could catch requests for others`, async (t) => {
      const { updates, absences, want, settled } = start(t);
      want(host);
      await settled();
      assert.equal(absences.length, 1);
      assert.match(absences[0]!.reason, /not a host that DNS can name/);
      assert.deepEqual(domainsOf(updates.at(-1)), []);
    });
  }

  it('puts demands of one turn into one update, and sends only new clusters', async (t) => {
    const { updates, want, settled } = start(t);
    await settled();
    for (let index = 0; index < 50; index += 1) want(`host-${index}`);
    await settled();
    want('last');
    await settled();
    assert.equal(updates.length, 3); // at start, the fifty, the last
    assert.deepEqual(
      updates.map((update) => clustersOf(update).length),
      [0, 50, 1],
    );
    assert.equal(domainsOf(updates.at(-1)).length, 51);
    assert.equal(new Set(updates.map(({ version }) => version)).size, 3);
  });

  it('answers demands that came before it ran', async (t) => {
    const plane = dnsControlPlane();
    plane.demand({ kind: 'authority', host: 'orders', port: 80 }, new AbortController().signal);
    plane.demand({ kind: 'authority', host: '*', port: 80 }, new AbortController().signal);
    const updates: ConfigUpdate[] = [];
    const absences: Demand[] = [];
    const stop = new AbortController();
    const run = plane.run({
      sink: {
        apply: async (update) => (updates.push(update), { accepted: [], rejected: [], unhonoured: [] }),
        absent: (want) => void absences.push(want),
        status: () => undefined,
      },
      clock: createVirtualClock(),
      random: seededRandom(1),
      signal: stop.signal,
    });
    t.after(() => stop.abort());
    await yieldToLoop();
    assert.deepEqual(domainsOf(updates.at(-1)), ['orders:80']);
    assert.deepEqual(absences, [{ kind: 'authority', host: '*', port: 80 }]);
    stop.abort();
    await run;
  });

  it('has no clusters but those of its hosts', async (t) => {
    const { plane, absences, want, settled } = start(t);
    want('orders');
    for (const name of ['dns:orders:80', 'dns:cart:80']) plane.demand({ kind: 'cluster', name }, new AbortController().signal);
    await settled();
    assert.deepEqual(
      absences.map((absence) => absence.want),
      [{ kind: 'cluster', name: 'dns:cart:80' }],
    );
  });

  it('keeps what nobody wants any more while there is room, and drops it first', async (t) => {
    const { updates, absences, want, settled } = start(t, { maxAuthorities: 2 });
    want('a');
    const b = want('b');
    b.abort();
    await settled();
    assert.deepEqual(domainsOf(updates.at(-1)), ['a:80', 'b:80']);
    want('c');
    await settled();
    assert.deepEqual(updates.at(-1)!.remove, [{ kind: 'cluster', name: 'dns:b:80' }]);
    assert.deepEqual(new Set(domainsOf(updates.at(-1))), new Set(['a:80', 'c:80']));
    assert.deepEqual(absences, []);
  });

  it('keeps what was asked for again after it was given up', async (t) => {
    const { updates, want, settled } = start(t, { maxAuthorities: 2 });
    const first = want('a');
    want('a');
    first.abort();
    want('b').abort();
    want('c');
    await settled();
    assert.deepEqual(new Set(domainsOf(updates.at(-1))), new Set(['a:80', 'c:80']));
  });

  it('says of a wanted host that had to go why it is absent, so that its requests do not wait', async (t) => {
    const { updates, absences, want, settled } = start(t, { maxAuthorities: 2 });
    for (const host of ['a', 'b', 'c']) want(host);
    await settled();
    assert.deepEqual(absences[0]!.want, { kind: 'authority', host: 'a', port: 80 });
    assert.match(absences[0]!.reason, /more than 2 hosts.*raise maxAuthorities/);
    assert.equal(domainsOf(updates.at(-1)).length, 2);
  });

  it('never holds more than its bound, whatever is asked', async (t) => {
    const { updates, want, settled } = start(t);
    for (let index = 0; index < 1500; index += 1) want(`host-${index}`).abort();
    await settled();
    assert.equal(domainsOf(updates.at(-1)).length, 1000);
  });

  it('drops a host that the store refused, and says why', async (t) => {
    const refused = { kind: 'cluster', name: 'dns:bad:80' } as const;
    const { updates, absences, want, settled } = start(t, {}, (update) =>
      clustersOf(update).some(({ name }) => name === refused.name)
        ? [{ key: refused, path: 'discovery', reason: 'no good' }]
        : [],
    );
    want('good');
    want('bad');
    await settled();
    assert.deepEqual(absences, [{ want: { kind: 'authority', host: 'bad', port: 80 }, reason: 'discovery: no good' }]);
    assert.deepEqual(domainsOf(updates.at(-1)), ['good:80']);
  });

  it('gives every host the new defaults when they change', async (t) => {
    let defaults = safeDefaults;
    const { plane, updates, want, settled } = start(t, { defaults: () => defaults });
    want('a');
    want('b');
    await settled();
    defaults = { cluster: { ...safeDefaults.cluster, connectTimeoutMs: 250 }, policy: { timeoutMs: 100 } };
    plane.defaultsChanged();
    await settled();
    assert.deepEqual(
      clustersOf(updates.at(-1)).map(({ connectTimeoutMs }) => connectTimeoutMs),
      [250, 250],
    );
    assert.deepEqual(tableOf(updates.at(-1)).policy, { timeoutMs: 100 });
  });

  it('says nothing when defaults come that say the same, or no host is known', async (t) => {
    let defaults: HostDefaults = safeDefaults;
    const { plane, updates, want, settled } = start(t, { defaults: () => defaults });
    await settled();
    defaults = { ...safeDefaults, policy: { timeoutMs: 100 } };
    plane.defaultsChanged();
    await settled();
    assert.equal(updates.length, 1);
    want('a');
    await settled();
    assert.deepEqual(tableOf(updates.at(-1)).policy, { timeoutMs: 100 });
    defaults = { ...safeDefaults, policy: { timeoutMs: 100 } };
    plane.defaultsChanged();
    await settled();
    assert.equal(updates.length, 2);
  });

  it('delivers what the configuration store accepts, host by host', async (t) => {
    const problems: unknown[] = [];
    const clock = createVirtualClock();
    const store = createConfigStore({
      sources: ['dns'],
      clock,
      policyNames: ['least-request'],
      onSnapshot: () => undefined,
      onApplied: (_source, { rejected, unhonoured }) => void problems.push(...rejected, ...unhonoured),
    });
    const plane = dnsControlPlane();
    const stop = new AbortController();
    const run = plane.run({ sink: store.sink('dns'), clock, random: seededRandom(1), signal: stop.signal });
    t.after(async () => {
      stop.abort();
      await run;
    });
    const hosts = ['orders', 'orders.example.', '_x.example', '192.0.2.1', '[2001:db8::1]', 'xn--bcher-kva.example'];
    for (const host of hosts) for (const port of [80, 443, 65_535]) plane.demand({ kind: 'authority', host, port }, stop.signal);
    await store.firstUpdate('dns');
    while ((store.snapshot().sources[0]?.clusters.size ?? 0) < 18) await yieldToLoop();
    assert.deepEqual(problems, []);
    assert.equal(store.snapshot().sources[0]!.routeTables.get('dns')!.virtualHosts.length, 18);
  });

  it('refuses a bound that makes no sense, and to run twice', async (t) => {
    for (const maxAuthorities of [0, -1, 1.5, Number.NaN]) assert.throws(() => dnsControlPlane({ maxAuthorities }), RangeError);
    const { plane } = start(t);
    const sink: ConfigSink = { apply: () => assert.fail(), absent: () => undefined, status: () => undefined };
    await assert.rejects(
      plane.run({ sink, clock: createVirtualClock(), random: seededRandom(1), signal: new AbortController().signal }),
      TypeError,
    );
  });
});

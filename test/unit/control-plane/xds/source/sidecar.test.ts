import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RouteTableConfig } from '../../../../../src/model/route.ts';
import { assignment, edsCluster, routeTable, sidecarListener, virtualHost } from '../../../../support/envoy-samples.ts';
import { sourceOnStore, type SourceOnStore } from '../../../../support/xds-source.ts';

/** Domains in force of a listener, with the clusters of their routes. */
function served(source: SourceOnStore, listener: string): Record<string, string[]> {
  const value = source.value('listener', listener);
  if (value?.direction !== 'outbound') return {};
  const { virtualHosts } = value.routes as RouteTableConfig;
  return Object.fromEntries(
    virtualHosts.flatMap(({ domains, routes }) =>
      domains.map((domain) => [
        domain,
        routes.flatMap(({ action }) => (action.kind === 'forward' ? action.to.map(({ cluster }) => cluster) : [])),
      ]),
    ),
  );
}

describe('a source as a sidecar', () => {
  it('subscribes to all clusters and listeners, and to the rest when it is needed', async () => {
    await using source = await sourceOnStore();
    const { client } = source;
    assert.deepEqual(client.history, ['+cluster *', '+listener *']);
    await client.push('cluster', [edsCluster('orders'), edsCluster('cart')]);
    await client.push('listener', [sidecarListener(80), sidecarListener(9080)]);
    await source.settled();
    assert.deepEqual(client.history, ['+cluster *', '+listener *'], 'nobody has asked for anything');

    source.ask('orders:80');
    await source.settled();
    assert.deepEqual(client.history.slice(2), ['+routeConfiguration 80']);
    await client.push('routeConfiguration', [routeTable('80', { orders: 'orders', cart: 'cart' })]);
    await source.settled();
    assert.deepEqual(client.history.slice(3), ['+endpoints orders']);
  });

  it('builds and delivers what is asked for and nothing else', async () => {
    await using source = await sourceOnStore();
    const { client } = source;
    source.ask('orders:80');
    await client.push('cluster', [edsCluster('orders'), edsCluster('cart')]);
    await client.push('listener', [sidecarListener(80), sidecarListener(9080)]);
    await client.push('routeConfiguration', [routeTable('80', { orders: 'orders', cart: 'cart' })]);
    await client.push('endpoints', [assignment('orders', 8001)]);

    const { listeners, clusters, endpoints } = source.snapshot();
    assert.deepEqual([...listeners.keys()], ['0.0.0.0_80']);
    assert.deepEqual([...clusters.keys()], ['orders']);
    assert.deepEqual([...endpoints.keys()], ['orders']);
    assert.deepEqual(Object.keys(served(source, '0.0.0.0_80')), ['orders', 'orders:80']);
  });

  it('ends the subscriptions of a demand that ended, and takes what it needed out of force', async () => {
    await using source = await sourceOnStore();
    const { client } = source;
    await client.push('cluster', [edsCluster('orders'), edsCluster('cart')]);
    await client.push('listener', [sidecarListener(80)]);
    const end = source.ask('orders:80');
    source.ask('cart:80');
    await source.settled();
    await client.push('routeConfiguration', [routeTable('80', { orders: 'orders', cart: 'cart' })]);
    await client.push('endpoints', [assignment('orders', 8001), assignment('cart', 8002)]);
    end();
    await source.settled();

    assert.deepEqual([...source.snapshot().clusters.keys()], ['cart']);
    assert.deepEqual([...source.snapshot().endpoints.keys()], ['cart']);
    assert.deepEqual(Object.keys(served(source, '0.0.0.0_80')), ['cart', 'cart:80']);
    assert.equal(client.subscribed.has('endpoints orders'), false);
    assert.equal(client.subscribed.has('routeConfiguration 80'), true);
  });

  it('has again what was dropped and is wanted once more, though the server sends nothing', async () => {
    await using source = await sourceOnStore();
    const { client } = source;
    await client.push('cluster', [edsCluster('orders|'), edsCluster('cart|')]);
    source.ask('cart|');
    const end = source.ask('orders|');
    await source.settled();
    await client.push('endpoints', [assignment('orders|', 8001)]);
    end();
    await source.settled();
    assert.equal(source.value('endpoints', 'orders|'), undefined);
    source.ask('orders|');
    await source.settled();

    assert.notEqual(source.value('endpoints', 'orders|'), undefined);
  });

  it('says nothing more of what is gone when nobody wants it', async () => {
    await using source = await sourceOnStore();
    const { client } = source;
    const end = source.ask('orders|');
    await client.push('cluster', [edsCluster('orders|')]);
    await source.settled();
    await client.push('endpoints', [assignment('orders|', 8001)]);
    client.absent('endpoints', 'orders|', 'the server has none');
    await source.settled();
    assert.match(source.store.status()[0]!.problems[0]!.reason, /last good version stays/);
    end();
    await source.settled();

    assert.deepEqual(source.store.status()[0]!.problems, []);
  });

  it('does not keep what was judged while its subscription ended', async () => {
    await using source = await sourceOnStore();
    const end = source.ask('orders|');
    await source.client.push('cluster', [edsCluster('orders|')]);
    await source.settled();
    const pushed = source.client.push('endpoints', [assignment('orders|', 8001)]);
    end();
    await pushed;
    source.ask('orders|');
    await source.settled();

    assert.equal(source.value('endpoints', 'orders|'), undefined);
  });

  it('asks for the members of an aggregate, and for endpoints under the name that the cluster gives them', async () => {
    await using source = await sourceOnStore();
    const { client } = source;
    source.ask('all|');
    await client.push('cluster', [
      {
        name: 'all|',
        connect_timeout: '1s',
        lb_policy: 'CLUSTER_PROVIDED',
        cluster_type: {
          name: 'envoy.clusters.aggregate',
          typed_config: {
            '@type': 'type.googleapis.com/envoy.extensions.clusters.aggregate.v3.ClusterConfig',
            clusters: ['near', 'far'],
          },
        },
      },
      edsCluster('near'),
      edsCluster('far', { eds_cluster_config: { eds_config: { ads: {} }, service_name: 'far-endpoints' } }),
      edsCluster('other'),
    ]);

    assert.deepEqual([...source.snapshot().clusters.keys()].toSorted(), ['all|', 'far', 'near']);
    assert.equal(client.subscribed.has('endpoints near'), true);
    assert.equal(client.subscribed.has('endpoints far-endpoints'), true);
  });

  it('says what it looked at when nothing serves an authority', async () => {
    await using source = await sourceOnStore();
    const { client } = source;
    await client.push('listener', [sidecarListener(80), sidecarListener(9080)]);
    source.ask('orders:81');
    source.ask('orders:80');
    await source.settled();
    await client.push('routeConfiguration', [routeTable('80', { cart: 'cart' })]);
    source.absences.sort((a, b) => a.reason.localeCompare(b.reason));

    assert.deepEqual(
      source.absences.map(({ reason }) => reason),
      [
        'no HTTP listener for port 81 serves orders; there are listeners for 80, 9080',
        'no virtual host of route table "80" (listener 0.0.0.0_80) serves orders:80',
      ],
    );
  });

  it('says of a port of raw TCP that it is one', async () => {
    await using source = await sourceOnStore();
    await source.client.push('listener', [
      sidecarListener(80),
      {
        name: '0.0.0.0_9000',
        address: { socket_address: { address: '0.0.0.0', port_value: 9000 } },
        filter_chains: [
          {
            filters: [
              {
                name: 'envoy.filters.network.tcp_proxy',
                typed_config: {
                  '@type': 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
                  stat_prefix: 'outbound|9000||orders',
                  cluster: 'outbound|9000||orders',
                },
              },
            ],
          },
        ],
      },
    ]);
    source.ask('orders:9000');
    await source.settled();
    assert.deepEqual(
      source.absences.map(({ reason }) => reason),
      [
        'port 9000 of orders is one of raw TCP to the mesh (listener 0.0.0.0_9000), to which requests are bytes: declare its protocol as HTTP',
      ],
    );
  });

  it('hears of a host that a later version of a table serves', async () => {
    await using source = await sourceOnStore();
    const { client } = source;
    const want = { kind: 'authority', host: 'orders', port: 80 } as const;
    await client.push('listener', [sidecarListener(80)]);
    source.ask('orders:80');
    await source.settled();
    await client.push('routeConfiguration', [routeTable('80', { cart: 'cart' })]);
    assert.equal(source.store.isAbsent('xds', want), true);

    await client.push('routeConfiguration', [routeTable('80', { cart: 'cart', orders: 'orders' })]);

    assert.equal(source.store.isAbsent('xds', want), false);
    assert.deepEqual(served(source, '0.0.0.0_80')['orders'], ['orders']);

    await client.push('routeConfiguration', [routeTable('80', { cart: 'cart' })]);
    assert.equal(source.store.isAbsent('xds', want), true, 'and when it serves it no longer');
    assert.equal(source.value('listener', '0.0.0.0_80'), undefined);
  });

  it('says why a cluster that is asked for by name is not there', async () => {
    await using source = await sourceOnStore();
    source.ask('nobody|');
    await source.settled();
    assert.equal(source.absences.length, 0, 'the server has not said which there are');
    await source.client.push('cluster', [edsCluster('orders')]);

    assert.match(source.absences[0]!.reason, /has 1 clusters, and none has this name/);
  });

  it('takes the listener that is bound to the address of the authority before one for all addresses', async () => {
    await using source = await sourceOnStore();
    const { client } = source;
    await client.push('listener', [
      sidecarListener(80),
      sidecarListener(80, { address: '10.1.2.3', routes: 'orders.shop.svc.cluster.local:80' }),
    ]);
    source.ask('10.1.2.3:80');
    await source.settled();
    await client.push('routeConfiguration', [
      routeTable('80', { '*': 'anything' }),
      routeTable('orders.shop.svc.cluster.local:80', { '*': 'orders' }),
    ]);

    assert.deepEqual(served(source, '10.1.2.3_80'), { '10.1.2.3': ['orders'], '10.1.2.3:80': ['orders'] });
    assert.equal(source.value('listener', '0.0.0.0_80'), undefined);
  });

  for (const { name, host } of [
    { name: 'the full name', host: 'orders.shop.svc.cluster.local' },
    { name: 'a name that its resolver completes', host: 'orders' },
    { name: 'a name with its namespace', host: 'orders.shop' },
  ]) {
    it(`finds a listener that is bound to an address by ${name}`, async () => {
      await using source = await sourceOnStore({
        searchDomains: ['shop.svc.cluster.local', 'svc.cluster.local', 'cluster.local'],
      });
      const { client } = source;
      await client.push('listener', [
        sidecarListener(8080, { address: '10.1.2.4', routes: 'cart.shop.svc.cluster.local:8080' }),
        sidecarListener(8080, { address: '10.1.2.3', routes: 'orders.shop.svc.cluster.local:8080' }),
      ]);
      source.ask(`${host}:8080`);
      await source.settled();
      assert.deepEqual(client.history.slice(2), ['+routeConfiguration orders.shop.svc.cluster.local:8080']);
      await client.push('routeConfiguration', [routeTable('orders.shop.svc.cluster.local:8080', { '*': 'orders' })]);

      assert.deepEqual(served(source, '10.1.2.3_8080'), { [`${host}:8080`]: ['orders'] });
    });
  }

  for (const { name, hosts, cluster } of [
    { name: 'a domain with the default port means the host', hosts: { '*': 'rest', 'orders:80': 'orders' }, cluster: 'orders' },
    { name: 'one without it is asked first', hosts: { 'orders:80': 'other', orders: 'orders' }, cluster: 'orders' },
    { name: 'a star serves what nothing else does', hosts: { '*': 'rest', cart: 'cart' }, cluster: 'rest' },
  ]) {
    it(`chooses the virtual host as Envoy does: ${name}`, async () => {
      await using source = await sourceOnStore();
      source.ask('orders:80');
      await source.client.push('listener', [sidecarListener(80)]);
      await source.settled();
      await source.client.push('routeConfiguration', [routeTable('80', hosts)]);

      assert.deepEqual(served(source, '0.0.0.0_80'), { orders: [cluster], 'orders:80': [cluster] });
    });
  }

  it('keeps the routes of a listener in force until those of its next version have come', async () => {
    await using source = await sourceOnStore();
    const { client } = source;
    await client.push('listener', [sidecarListener(80)]);
    source.ask('orders:80');
    await source.settled();
    await client.push('routeConfiguration', [routeTable('80', { orders: 'old' })]);
    await client.push('listener', [sidecarListener(80, { routes: 'next' })]);
    await source.settled();
    assert.deepEqual(served(source, '0.0.0.0_80')['orders'], ['old']);
    assert.equal(client.subscribed.has('routeConfiguration next'), true);

    await client.push('routeConfiguration', [routeTable('next', { orders: 'new' })]);

    assert.deepEqual(served(source, '0.0.0.0_80')['orders'], ['new']);
  });

  it('sets no listener when clusters change, and nothing when a cluster does that nobody calls', async () => {
    await using source = await sourceOnStore();
    const { client } = source;
    source.ask('orders:80');
    await client.push('cluster', [edsCluster('orders'), edsCluster('cart')]);
    await client.push('listener', [sidecarListener(80)]);
    await client.push('routeConfiguration', [routeTable('80', { orders: 'orders', cart: 'cart' })]);
    const before = source.value('listener', '0.0.0.0_80');
    const updates = source.applied.length;
    await client.push('cluster', [edsCluster('orders'), edsCluster('cart', { connect_timeout: '2s' })]);
    assert.equal(source.applied.length, updates);
    await client.push('cluster', [edsCluster('orders', { connect_timeout: '2s' }), edsCluster('cart')]);

    assert.equal(source.applied.length, updates + 1);
    assert.equal(source.value('listener', '0.0.0.0_80'), before);
  });

  it('takes a cluster that comes while it is being found out that it is wanted', async () => {
    await using source = await sourceOnStore();
    const { client } = source;
    await client.push('listener', [sidecarListener(80)]);
    await client.push('cluster', [edsCluster('cart')]);
    source.ask('orders:80');
    await source.settled();
    const tables = client.push('routeConfiguration', [routeTable('80', { orders: 'orders' })]);
    const clusters = client.push('cluster', [edsCluster('cart'), edsCluster('orders')]);
    await Promise.all([tables, clusters]);
    await source.settled();

    assert.notEqual(source.value('cluster', 'orders'), undefined);
  });

  it('keeps the object of what did not change', async () => {
    await using source = await sourceOnStore();
    const { client } = source;
    source.ask('orders:80');
    source.ask('cart:80');
    await client.push('cluster', [edsCluster('orders'), edsCluster('cart')]);
    await client.push('listener', [sidecarListener(80)]);
    await client.push('routeConfiguration', [routeTable('80', { orders: 'orders', cart: 'cart' })]);
    const hosts = (): RouteTableConfig['virtualHosts'] => {
      const listener = source.value('listener', '0.0.0.0_80');
      return listener?.direction === 'outbound' ? (listener.routes as RouteTableConfig).virtualHosts : [];
    };
    const [orders, cart] = hosts();
    const cluster = source.value('cluster', 'orders');
    await client.push('cluster', [edsCluster('orders'), edsCluster('cart', { connect_timeout: '2s' })]);
    await client.push('routeConfiguration', [
      { name: '80', virtual_hosts: [virtualHost('orders', 'orders'), virtualHost('cart', 'cart-v2')] },
    ]);

    assert.equal(source.value('cluster', 'orders'), cluster);
    assert.equal(hosts()[0]!.routes, orders!.routes);
    assert.notEqual(hosts()[1]!.routes, cart!.routes);
  });
});

describe('a port that no listener is for', () => {
  const catchAll = (cluster: string): object => ({
    name: 'virtualOutbound',
    address: { socket_address: { address: '0.0.0.0', port_value: 15001 } },
    traffic_direction: 'OUTBOUND',
    use_original_dst: true,
    filter_chains: [
      {
        name: 'rest',
        filters: [
          {
            name: 'envoy.filters.network.tcp_proxy',
            typed_config: {
              '@type': 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
              stat_prefix: 'rest',
              cluster,
            },
          },
        ],
      },
    ],
  });
  const passThrough = { name: 'PassthroughCluster', type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED', connect_timeout: '1s' };
  const blackHole = { name: 'BlackHoleCluster', type: 'STATIC', connect_timeout: '1s' };

  it('is for the next source where the mesh lets everything through', async () => {
    await using source = await sourceOnStore();
    source.ask('elsewhere:8443');
    await source.client.push('cluster', [passThrough, blackHole]);
    await source.client.push('listener', [sidecarListener(80), catchAll('PassthroughCluster')]);

    assert.match(source.absences[0]!.reason, /no HTTP listener for port 8443/);
  });

  it('leads nowhere where the mesh lets nothing through that it does not know', async () => {
    await using source = await sourceOnStore();
    source.ask('elsewhere:8443');
    await source.client.push('cluster', [passThrough, blackHole]);
    await source.client.push('listener', [sidecarListener(80), catchAll('BlackHoleCluster')]);

    assert.equal(source.absences.length, 0);
    assert.deepEqual(served(source, 'virtualOutbound:8443'), {
      'elsewhere:8443': ['BlackHoleCluster'],
    });
    assert.notEqual(source.value('cluster', 'BlackHoleCluster'), undefined);
  });
});

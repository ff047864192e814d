import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RouteTableConfig } from '../../../../../src/model/route.ts';
import { apiListener, assignment, edsCluster, routeTable } from '../../../../support/envoy-samples.ts';
import { sourceOnStore } from '../../../../support/xds-source.ts';

const proxyless = { mode: 'proxyless' } as const;

describe('a source without a proxy', () => {
  it('asks for everything by its name', async () => {
    await using source = await sourceOnStore(proxyless);
    const { client } = source;
    assert.deepEqual(client.history, []);
    source.ask('orders:80');
    await source.settled();
    assert.deepEqual(client.history, ['+listener orders:80', '+listener orders']);
    await client.push('listener', [apiListener('orders:80', 'routes')]);
    await source.settled();
    await client.push('routeConfiguration', [routeTable('routes', { '*': 'orders' })]);
    await source.settled();
    await client.push('cluster', [edsCluster('orders')]);
    await source.settled();
    assert.deepEqual(client.history.slice(2), ['+routeConfiguration routes', '+cluster orders', '+endpoints orders']);
    await client.push('endpoints', [assignment('orders', 8001)]);

    assert.deepEqual([...source.snapshot().endpoints.keys()], ['orders']);
  });

  it('takes the listener of the host where there is none with the port', async () => {
    await using source = await sourceOnStore(proxyless);
    const { client } = source;
    source.ask('orders:8080');
    source.ask('orders:8081');
    await source.settled();
    await client.push('listener', [apiListener('orders', 'routes')]);
    await source.settled();
    await client.push('routeConfiguration', [routeTable('routes', { '*': 'orders' })]);

    const { listeners } = source.snapshot();
    assert.deepEqual([...listeners.keys()], ['orders:8080', 'orders:8081']);
    assert.deepEqual(
      Array.from(listeners.values(), (listener) => listener.port),
      [8080, 8081],
    );
  });

  it('gives a service the routes of its own listener alone, whatever domains they name', async () => {
    await using source = await sourceOnStore(proxyless);
    const { client } = source;
    source.ask('orders:80');
    source.ask('cart:80');
    await source.settled();
    await client.push('listener', [apiListener('orders:80', 'orders-routes'), apiListener('cart:80', 'cart-routes')]);
    await source.settled();
    await client.push('routeConfiguration', [
      routeTable('orders-routes', { '*': 'orders' }),
      routeTable('cart-routes', { '*': 'cart' }),
    ]);

    const domains = Array.from(source.snapshot().listeners.values(), (listener) =>
      listener.direction === 'outbound' ? (listener.routes as RouteTableConfig).virtualHosts.map((host) => host.domains) : [],
    );
    assert.deepEqual(domains, [[['orders', 'orders:80']], [['cart', 'cart:80']]]);
  });

  it('asks for the listener by a template where there is one', async () => {
    await using source = await sourceOnStore({
      ...proxyless,
      listenerNames: ({ host, port }) => [`mesh/${host}:${port}`],
    });
    source.ask('orders:80');
    await source.settled();

    assert.deepEqual(source.client.history, ['+listener mesh/orders:80']);
  });

  it('says why there is no listener when the server said so of every name', async () => {
    await using source = await sourceOnStore(proxyless);
    source.ask('orders:80');
    await source.settled();
    source.client.absent('listener', 'orders:80', 'not sent within 15 s');
    await source.settled();
    assert.equal(source.absences.length, 0);
    source.client.absent('listener', 'orders', 'not sent within 15 s');
    await source.settled();

    assert.equal(
      source.absences[0]!.reason,
      'listener "orders:80": not sent within 15 s; listener "orders": not sent within 15 s',
    );
  });

  it('keeps a listener that the server has no longer, and says so', async () => {
    await using source = await sourceOnStore(proxyless);
    const { client } = source;
    source.ask('orders:80');
    source.ask('cart:80');
    await source.settled();
    await client.push('listener', [apiListener('orders:80', 'routes'), apiListener('cart:80', 'routes')]);
    await source.settled();
    await client.push('routeConfiguration', [routeTable('routes', { '*': 'orders' })]);
    await client.push('listener', [apiListener('cart:80', 'routes')]);

    assert.deepEqual([...source.snapshot().listeners.keys()], ['orders:80', 'cart:80']);
    const [problem] = source.store.status()[0]!.problems;
    assert.deepEqual(problem, {
      key: { kind: 'listener', name: 'orders:80' },
      path: '',
      reason: 'the server has it no longer; the last good version stays in force',
    });

    await client.push('listener', [apiListener('orders:80', 'routes'), apiListener('cart:80', 'routes')]);
    assert.deepEqual(source.store.status()[0]!.problems, []);

    await client.push('listener', [apiListener('orders:80', 'routes')]);
    assert.equal(source.store.status()[0]!.problems.length, 1);
    await client.push('listener', [apiListener('orders:80', 'routes'), apiListener('cart:80', 'others')]);
    assert.deepEqual(source.store.status()[0]!.problems, [], 'another version is there again too');
  });

  it('drops it where data errors are to be seen', async () => {
    await using source = await sourceOnStore({ ...proxyless, failOnDataErrors: true });
    const { client } = source;
    source.ask('orders:80');
    await source.settled();
    await client.push('listener', [apiListener('orders:80', 'routes')]);
    await source.settled();
    await client.push('routeConfiguration', [routeTable('routes', { '*': 'orders' })]);
    assert.equal(source.snapshot().listeners.size, 1);
    await client.push('listener', []);

    assert.equal(source.snapshot().listeners.size, 0);
  });
});

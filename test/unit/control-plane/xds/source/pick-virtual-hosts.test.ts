import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom, systemClock } from '../../../../../src/base/runtime.ts';
import { Pace } from '../../../../../src/control-plane/xds/source/pace.ts';
import { pickVirtualHosts } from '../../../../../src/control-plane/xds/source/pick-virtual-hosts.ts';
import {
  boundAddresses,
  namesOfVirtualHost,
  routeTableParts,
  tableOfOne,
} from '../../../../../src/control-plane/xds/source/route-table-bytes.ts';
import { createVirtualHostTable } from '../../../../../src/data-plane/routing/virtual-hosts.ts';
import { envoyBytes } from '../../../../support/envoy-bytes.ts';
import { routeTable, sidecarListener, virtualHost } from '../../../../support/envoy-samples.ts';

const routeType = 'envoy.config.route.v3.RouteConfiguration';
const pace = new Pace(systemClock);

function bytesOf(domains: readonly (readonly string[])[]): readonly Uint8Array[] {
  const hosts = domains.map((list, index) => ({ ...virtualHost(`host-${index}`, 'cluster'), domains: list }));
  return routeTableParts(envoyBytes({ name: '80', virtual_hosts: hosts }, routeType))!.hosts;
}

async function picked(domains: readonly (readonly string[])[], text: string, ignoresPort = false): Promise<string | undefined> {
  const choice = (await pickVirtualHosts(bytesOf(domains), new Set([text]), ignoresPort, pace)).get(text);
  return choice && namesOfVirtualHost(choice.host)?.name;
}

describe('the virtual host of an authority, found in the bytes of its table', () => {
  for (const { name, domains, text, host, ignoresPort } of [
    { name: 'exact-before-wildcards', domains: [['*'], ['*.shop'], ['orders.shop']], text: 'orders.shop', host: 'host-2' },
    { name: 'longest-suffix', domains: [['*.shop'], ['*.eu.shop']], text: 'orders.eu.shop', host: 'host-1' },
    { name: 'suffix-before-prefix', domains: [['orders.*'], ['*.shop']], text: 'orders.shop', host: 'host-1' },
    { name: 'longest-prefix', domains: [['o*'], ['orders.*']], text: 'orders.shop', host: 'host-1' },
    { name: 'star-last', domains: [['*'], ['cart']], text: 'orders', host: 'host-0' },
    { name: 'star-is-never-empty', domains: [['*.shop']], text: '.shop', host: undefined },
    { name: 'any-case', domains: [['Orders.Shop']], text: 'orders.shop', host: 'host-0' },
    { name: 'first-of-equal', domains: [['*.shop'], ['*.shop']], text: 'orders.shop', host: 'host-0' },
    { name: 'a-port-is-part-of-it', domains: [['orders:81'], ['orders']], text: 'orders:80', host: undefined },
    { name: 'any-port-as-a-prefix', domains: [['orders:*']], text: 'orders:80', host: 'host-0' },
    { name: 'nobody', domains: [['cart']], text: 'orders', host: undefined },
    { name: 'ports-that-are-ignored', domains: [['orders:80'], ['orders']], text: 'orders', host: 'host-1', ignoresPort: true },
  ]) {
    it(name, async () => {
      assert.equal(await picked(domains, text, ignoresPort), host);
    });
  }

  it('is the one that the data plane would choose in the whole table', async () => {
    const random = seededRandom(7);
    const any = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
    const names = ['a', 'b', 'a.b', 'b.a', 'a.b.a', 'b.b', 'a.a.b'];
    for (let round = 0; round < 300; round++) {
      const domains = new Set(
        Array.from({ length: 8 }, () => any([any(names), `*.${any(names)}`, `${any(names)}.*`, `${any(names)}:80`, '*'])),
      );
      const list = [...domains].map((domain) => [domain]);
      const table = createVirtualHostTable(
        list.map((own, index) => ({ domains: own, value: `host-${index}`, arePortsExact: true })),
      );
      const host = any(names);
      const authority = any([host, `${host}:80`]);
      assert.equal(await picked(list, authority), table.find(host, 80, authority), `${authority} in ${[...domains].join(', ')}`);
    }
  });
});

describe('the bytes of a route table', () => {
  const table = { ...routeTable('80', { orders: 'orders', cart: 'cart' }), ignore_port_in_host_matching: true };

  it('are what stands around the virtual hosts, and each of these', () => {
    const { head, hosts } = routeTableParts(envoyBytes(table, routeType))!;
    assert.deepEqual(Buffer.from(head), Buffer.from(envoyBytes({ name: '80', ignore_port_in_host_matching: true }, routeType)));
    assert.deepEqual(hosts.map(namesOfVirtualHost), [
      { name: 'orders', domains: ['orders'] },
      { name: 'cart', domains: ['cart'] },
    ]);
  });

  it('make a table of one virtual host', () => {
    const { head, hosts } = routeTableParts(envoyBytes(table, routeType))!;
    const one = routeTableParts(tableOfOne(head, hosts[1]!))!;
    assert.deepEqual(one.hosts.map(namesOfVirtualHost), [{ name: 'cart', domains: ['cart'] }]);
    assert.deepEqual(Buffer.from(one.head), Buffer.from(head));
  });

  it('are none where they are cut off or garbage', () => {
    const bytes = envoyBytes(table, routeType);
    assert.equal(routeTableParts(bytes.subarray(0, bytes.length - 3)), undefined);
    assert.equal(routeTableParts(Uint8Array.of(0xff, 0xff, 0xff)), undefined);
  });

  it('say where a listener is bound', () => {
    const type = 'envoy.config.listener.v3.Listener';
    const listener = {
      ...sidecarListener(80, { address: '10.1.2.3' }),
      additional_addresses: [{ address: { socket_address: { address: 'fd00::1', port_value: 80 } } }],
    };
    assert.deepEqual(boundAddresses(envoyBytes(listener, type)), ['10.1.2.3', 'fd00::1']);
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FindingsPool, KeptResources } from '../../../../../src/control-plane/xds/source/kept-resources.ts';
import { ReadTables } from '../../../../../src/control-plane/xds/source/read-tables.ts';
import { EndpointsReader } from '../../../../../src/control-plane/xds/source/wanted-clusters.ts';
import { endpointsFromWire } from '../../../../../src/control-plane/xds/wire/endpoints-from-wire.ts';
import { envoyBytes } from '../../../../support/envoy-bytes.ts';
import { assignment, routeTable } from '../../../../support/envoy-samples.ts';

const nothing = { problems: [], unhonoured: [], notes: [] };

describe('what is read of a resource', () => {
  it('does not hold the earlier versions of a table that its virtual hosts came in first', () => {
    const kept = new KeptResources('route-table', new FindingsPool());
    const tables = new ReadTables(kept, { mode: 'sidecar' });
    const version = (cart: string): ArrayBufferLike => {
      const bytes = envoyBytes(routeTable('80', { orders: 'orders', cart }), 'envoy.config.route.v3.RouteConfiguration');
      return kept.keep('80', cart, bytes, nothing).bytes!.buffer;
    };
    const read = (): readonly unknown[] => {
      const table = tables.get('80')!;
      return table.hosts.map((host) => tables.virtualHost(table, host));
    };
    version('one');
    const [orders] = read();
    const latest = version('two');
    assert.equal(read()[0], orders, 'the object stays');

    for (const { bytes } of tables.get('80')!.built.values()) assert.equal(bytes.buffer, latest);
  });

  it('does not hold the response that endpoints came in', () => {
    const kept = new KeptResources('endpoints', new FindingsPool());
    const reader = new EndpointsReader(kept);
    const type = 'envoy.config.endpoint.v3.ClusterLoadAssignment';
    const one = envoyBytes(assignment('orders', 8001, 8002), type);
    const response = Buffer.concat([Buffer.alloc(100_000), one]);
    const within = response.subarray(100_000);
    const { value, memo } = endpointsFromWire(within);
    const { bytes } = kept.keep('orders', '1', within, nothing);
    reader.note('orders', bytes!, value!, memo);
    assert.equal(reader.memoOf('orders')!.bytes.buffer, bytes!.buffer);

    const next = endpointsFromWire(envoyBytes(assignment('orders', 8001, 8003), type), reader.memoOf('orders')).value!;
    assert.equal(next.localities[0]!.endpoints[0], value!.localities[0]!.endpoints[0], 'the object stays');
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../../../../src/base/runtime.ts';
import { endpointsFrom } from '../../../../../src/control-plane/xds/translate/endpoints.ts';
import { Findings, type Finding } from '../../../../../src/control-plane/xds/translate/message.ts';
import { translated, type Translated } from '../../../../../src/control-plane/xds/translate/translated.ts';
import { endpointsFromWire } from '../../../../../src/control-plane/xds/wire/endpoints-from-wire.ts';
import { messageFromWire } from '../../../../../src/control-plane/xds/wire/message-from-wire.ts';
import type { EndpointConfig, EndpointsConfig } from '../../../../../src/model/cluster.ts';
import { envoyBytes } from '../../../../support/envoy-bytes.ts';

const type = 'envoy.config.endpoint.v3.ClusterLoadAssignment';

function bytesOf(endpoints: readonly object[], more: object = {}): Uint8Array {
  return envoyBytes({ cluster_name: 'cart', endpoints, ...more }, type);
}

function endpointAt(address: string, more: object = {}, inEndpoint: object = {}): object {
  const socket = { socket_address: { address, port_value: 8080 } };
  return { endpoint: { address: socket, ...inEndpoint }, health_status: 'HEALTHY', ...more };
}

/** The slow way: message by message. */
function overMessages(bytes: Uint8Array): Translated<EndpointsConfig> {
  const findings = new Findings();
  const message = messageFromWire(bytes, type, '', findings);
  if (message !== undefined && message.name('cluster_name') === undefined) message.problem('cluster_name', 'must not be empty');
  return translated(message && endpointsFrom(message, ''), findings);
}

function sorted(findings: readonly Finding[]): readonly string[] {
  return findings.map(({ path, reason }) => `${path}: ${reason}`).toSorted();
}

function assertSame(actual: Translated<EndpointsConfig>, expected: Translated<EndpointsConfig>): void {
  assert.deepEqual(actual.value, expected.value);
  assert.deepEqual(sorted(actual.problems), sorted(expected.problems));
  assert.deepEqual(sorted(actual.unhonoured), sorted(expected.unhonoured));
}

const flatten = (value: EndpointsConfig | undefined): readonly EndpointConfig[] =>
  value!.localities.flatMap(({ endpoints }) => endpoints);

const workload = { filter_metadata: { istio: { workload: 'cart;shop;;;eu' }, 'envoy.lb': { version: 'v1', canary: true } } };

const rows: readonly { name: string; endpoint: object }[] = [
  { name: 'plain', endpoint: endpointAt('192.0.2.1') },
  { name: 'ipv6', endpoint: endpointAt('2001:db8::1') },
  { name: 'weight-and-metadata', endpoint: endpointAt('192.0.2.1', { load_balancing_weight: 7, metadata: workload }) },
  { name: 'weight-of-zero', endpoint: endpointAt('192.0.2.1', { load_balancing_weight: 0 }) },
  { name: 'hostname', endpoint: endpointAt('192.0.2.1', {}, { hostname: 'cart-1' }) },
  { name: 'hostname-in-utf8', endpoint: endpointAt('192.0.2.1', {}, { hostname: 'kärt' }) },
  { name: 'health-check-port', endpoint: endpointAt('192.0.2.1', {}, { health_check_config: { port_value: 9000 } }) },
  { name: 'draining', endpoint: endpointAt('192.0.2.1', { health_status: 'DRAINING' }) },
  { name: 'health-that-nobody-knows', endpoint: endpointAt('192.0.2.1', { health_status: 77 }) },
  {
    name: 'typed-metadata',
    endpoint: endpointAt('192.0.2.1', { metadata: { typed_filter_metadata: { a: { '@type': 'a/b' } } } }),
  },
  {
    name: 'metadata-of-numbers-and-lists',
    endpoint: endpointAt('192.0.2.1', { metadata: { filter_metadata: { x: { a: [1, null, { b: 0.5 }] } } } }),
  },
  { name: 'empty-metadata', endpoint: endpointAt('192.0.2.1', { metadata: {} }) },
  { name: 'unix-socket', endpoint: { endpoint: { address: { pipe: { path: '/run/cart.sock' } } } } },
  {
    name: 'udp',
    endpoint: { endpoint: { address: { socket_address: { address: '192.0.2.1', port_value: 1, protocol: 'UDP' } } } },
  },
  { name: 'named-port', endpoint: { endpoint: { address: { socket_address: { address: '192.0.2.1', named_port: 'http' } } } } },
  {
    name: 'port-that-is-none',
    endpoint: { endpoint: { address: { socket_address: { address: '192.0.2.1', port_value: 65_536 } } } },
  },
  { name: 'address-that-is-empty', endpoint: endpointAt('') },
  { name: 'no-address', endpoint: { endpoint: {} } },
  { name: 'no-endpoint', endpoint: { health_status: 'HEALTHY' } },
  { name: 'endpoint-by-name', endpoint: { endpoint_name: 'other' } },
  {
    name: 'additional-addresses',
    endpoint: endpointAt('192.0.2.1', {}, { additional_addresses: [{ address: { pipe: { path: '/a' } } }] }),
  },
];

describe('endpoints from their bytes', () => {
  for (const { name, endpoint } of rows)
    it(`are what they are over messages: ${name}`, () => {
      const bytes = bytesOf([
        { locality: { region: 'eu', zone: 'a' }, load_balancing_weight: 3, lb_endpoints: [endpointAt('192.0.2.9'), endpoint] },
      ]);
      assertSame(endpointsFromWire(bytes), overMessages(bytes));
      const again = endpointsFromWire(bytes, endpointsFromWire(bytesOf([{ lb_endpoints: [endpoint] }])).memo);
      assertSame(again, overMessages(bytes));
    });

  it('have the policies of the whole, and what is wrong with them', () => {
    for (const more of [
      { policy: { overprovisioning_factor: 120, drop_overloads: [{ category: 'lb', drop_percentage: { numerator: 5 } }] } },
      { policy: { endpoint_stale_after: '5s' }, named_endpoints: { a: {} } },
      { cluster_name: '' },
      { endpoints: [{ priority: 200, proximity: 3, lb_endpoints: [] }] },
    ]) {
      const bytes = bytesOf([], more);
      assertSame(endpointsFromWire(bytes), overMessages(bytes));
    }
  });

  it('that have the same bytes as before are the same objects, wherever they stand', () => {
    const [a, b, c, d] = ['1', '2', '3', '4'].map((last) => endpointAt(`192.0.2.${last}`, { metadata: workload }));
    const first = endpointsFromWire(bytesOf([{ lb_endpoints: [a!, b!, c!] }, { priority: 1, lb_endpoints: [d!] }]));
    const second = endpointsFromWire(
      bytesOf([{ lb_endpoints: [d!, c!] }, { lb_endpoints: [b!, endpointAt('192.0.2.5')] }]),
      first.memo,
    );
    const [oldA, oldB, oldC, oldD] = flatten(first.value);
    const [newD, newC, newB, other] = flatten(second.value);
    assert.ok(newB === oldB && newC === oldC && newD === oldD && other !== oldA);
    assert.equal(oldA!.metadata, oldB!.metadata);
  });

  it('of a locality that has the same bytes as before are the same locality', () => {
    const zone = (name: string, ...lb_endpoints: readonly object[]) => ({ locality: { zone: name }, lb_endpoints });
    const [a, b, c] = ['1', '2', '3'].map((last) => endpointAt(`192.0.2.${last}`));
    const first = endpointsFromWire(bytesOf([zone('a', a!), zone('b', b!)]));
    const second = endpointsFromWire(bytesOf([zone('a', a!, c!), zone('b', b!)]), first.memo);
    assert.equal(second.value!.localities[1], first.value!.localities[1]);
    assert.notEqual(second.value!.localities[0], first.value!.localities[0]);
    const third = endpointsFromWire(bytesOf([zone('b', b!)]), second.memo);
    assert.equal(third.value!.localities[0], first.value!.localities[1]);
  });

  it('are reported in every version, by the place where they stand in it', () => {
    const odd = endpointAt('192.0.2.1', { endpoint: { address: { socket_address: { address: '192.0.2.1', named_port: 'x' } } } });
    const first = endpointsFromWire(bytesOf([{ lb_endpoints: [odd] }]));
    const second = endpointsFromWire(bytesOf([{ lb_endpoints: [endpointAt('192.0.2.2'), odd] }]), first.memo);
    assert.deepEqual(
      [first, second].map(({ unhonoured }) => unhonoured[0]!.path),
      [
        'endpoints[0].lb_endpoints[0].endpoint.address.socket_address.named_port',
        'endpoints[0].lb_endpoints[1].endpoint.address.socket_address.named_port',
      ],
    );
  });

  it('that are no message are refused', () => {
    for (const hex of ['ff', '0a05', '0a0161120a', '0a01611203120aff'].map((text) => Buffer.from(text, 'hex'))) {
      assertSame(endpointsFromWire(hex), overMessages(hex));
      assert.equal(endpointsFromWire(hex).problems.length, 1);
    }
  });

  it('are the same over any history of changes as when they are read anew', () => {
    const random = seededRandom(11);
    const pick = (count: number): number => Math.floor(random() * count);
    let zones: object[][] = [[], [], []];
    let memo: ReturnType<typeof endpointsFromWire>['memo'] | undefined;
    for (let round = 0; round < 400; round++) {
      zones = zones.map((zone) => zone.filter(() => random() > 0.1));
      for (let add = pick(4); add > 0; add--) {
        const zone = zones[pick(3)]!;
        const endpoint = { ...endpointAt(`192.0.2.${pick(250)}`), ...rows[pick(rows.length * 2)]?.endpoint };
        zone.splice(pick(zone.length + 1), 0, endpoint);
      }
      if (random() < 0.1) zones.reverse();
      const bytes = bytesOf(zones.map((lb_endpoints, priority) => ({ priority, lb_endpoints })));
      const result = endpointsFromWire(bytes, memo);
      assertSame(result, overMessages(bytes));
      ({ memo } = result);
    }
  });

  it('are what they are over messages, whatever happened to the bytes', () => {
    const random = seededRandom(5);
    const pick = (count: number): number => Math.floor(random() * count);
    const all = rows.map(({ endpoint }) => endpoint);
    const seeds = [all, all.slice(0, 3), [endpointAt('192.0.2.1', { metadata: workload, load_balancing_weight: 3 })]].map(
      (lb_endpoints) => bytesOf([{ lb_endpoints }]),
    );
    let memo: ReturnType<typeof endpointsFromWire>['memo'] | undefined;
    for (let round = 0; round < 8000; round++) {
      const bytes = Buffer.from(seeds[pick(2) === 0 ? 2 : pick(3)]!);
      for (let changes = 1 + pick(3); changes > 0; changes--) bytes[pick(bytes.length)] = pick(4) === 0 ? pick(256) : pick(40);
      const result = endpointsFromWire(bytes, memo);
      assertSame(result, overMessages(bytes));
      if (pick(10) === 0) ({ memo } = result);
    }
  });
});

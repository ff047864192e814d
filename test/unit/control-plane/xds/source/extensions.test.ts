import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RouteTableConfig } from '../../../../../src/model/route.ts';
import { edsCluster, routeTable, sidecarListener } from '../../../../support/envoy-samples.ts';
import { sourceOnStore, type SourceOnStore } from '../../../../support/xds-source.ts';

const types = 'type.googleapis.com/envoy.extensions';
const faultType = `${types}.filters.http.fault.v3.HTTPFault`;
const rbacType = `${types}.filters.http.rbac.v3.RBAC`;

const discovered = (name: string, type: string): object => ({
  name,
  config_discovery: { config_source: { ads: {} }, type_urls: [type] },
});
const fault = (config: object): object => ({ name: 'faults', typed_config: { '@type': faultType, ...config } });
const abort = (status: number): object => fault({ abort: { http_status: status, percentage: { numerator: 100 } } });
const deny = (permissions: readonly object[]): object => ({
  name: 'rules',
  typed_config: {
    '@type': rbacType,
    rules: { action: 'DENY', policies: { p: { permissions, principals: [{ any: true }] } } },
  },
});
const admin = { url_path: { path: { prefix: '/admin' } } };

/** A way out whose faults are delivered apart. */
async function wayOut(): Promise<SourceOnStore> {
  const source = await sourceOnStore();
  source.ask('orders:80');
  await source.client.push('cluster', [edsCluster('orders'), edsCluster('cart')]);
  await source.client.push('listener', [sidecarListener(80, { filters: [discovered('faults', faultType)] })]);
  await source.settled();
  await source.client.push('routeConfiguration', [routeTable('80', { orders: 'orders' })]);
  await source.settled();
  return source;
}

function statusOfAbort(source: SourceOnStore): number | undefined {
  const listener = source.value('listener', '0.0.0.0_80');
  const policy = listener?.direction === 'outbound' ? listener.policy : undefined;
  return policy?.fault === undefined ? undefined : policy.fault.abort?.httpStatus;
}

/** A way in whose access rules are delivered apart. */
async function wayIn(): Promise<SourceOnStore> {
  const source = await sourceOnStore();
  const routes = [{ match: { prefix: '/' }, route: { cluster: 'inbound|8080||' } }];
  const manager = {
    '@type': `${types}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'in',
    route_config: { name: 'in', virtual_hosts: [{ name: 'all', domains: ['*'], routes }] },
    http_filters: [
      discovered('rules', rbacType),
      { name: 'router', typed_config: { '@type': `${types}.filters.http.router.v3.Router` } },
    ],
  };
  await source.client.push('listener', [
    {
      name: 'virtualInbound',
      address: { socket_address: { address: '0.0.0.0', port_value: 8080 } },
      traffic_direction: 'INBOUND',
      filter_chains: [{ filters: [{ name: 'http', typed_config: manager }] }],
    },
  ]);
  await source.settled();
  return source;
}

function rules(source: SourceOnStore): unknown {
  const [listener] = source.snapshot().listeners.values();
  return listener?.direction === 'inbound' ? listener.filterChains[0]?.authorization : undefined;
}

describe('the configuration of a filter that is delivered apart', () => {
  it('is refused for what a chain would be refused for, and the last good one stays', async () => {
    await using source = await wayOut();
    assert.deepEqual(await source.client.push('extension', [abort(503)]), []);
    assert.equal(statusOfAbort(source), 503);

    const [refused] = await source.client.push('extension', [abort(999)]);
    assert.match(refused!.reason, /^typed_config\.abort\.http_status: must be a whole number from 200 to 599/);
    assert.equal(statusOfAbort(source), 503);
    assert.match(source.store.status()[0]!.error ?? '', /extension faults" typed_config\.abort\.http_status/);
  });

  it('keeps nothing else from being in force when it is bad', async () => {
    await using source = await wayOut();
    await source.client.push('extension', [abort(503)]);
    await source.client.push('extension', [abort(999)]);
    assert.deepEqual(await source.client.push('routeConfiguration', [routeTable('80', { orders: 'cart' })]), []);

    const listener = source.value('listener', '0.0.0.0_80');
    const [host] = listener?.direction === 'outbound' ? (listener.routes as RouteTableConfig).virtualHosts : [];
    assert.equal(host?.routes[0]?.name, 'to cart');
  });

  it('is reported with its listener as far as it has no effect, and no longer as missing', async () => {
    await using source = await wayOut();
    const found = (): readonly string[] =>
      source.findings().unhonoured.map(({ key, path, reason }) => `${key.name} ${path}: ${reason}`);
    assert.equal(found().length, 1);
    assert.match(found()[0]!, /^0\.0\.0\.0_80 .*config_discovery: has not been delivered/);
    await source.client.push('extension', [fault({ response_rate_limit: { header_limit: {}, percentage: { numerator: 100 } } })]);

    assert.deepEqual(found(), [
      '0.0.0.0_80 extension "faults".typed_config.response_rate_limit.header_limit: a limit that a header names is not carried out',
    ]);
  });

  for (const { name, bad, reason } of [
    { name: 'without-permissions', bad: deny([]), reason: /permissions: must have at least one/ },
    { name: 'empty-and', bad: deny([{ and_rules: {} }]), reason: /and_rules\.rules: must have at least one/ },
    { name: 'empty-or', bad: deny([{ or_rules: {} }]), reason: /or_rules\.rules: must have at least one/ },
    { name: 'any-that-is-false', bad: deny([{ any: false }]), reason: /any: must be true/ },
    { name: 'bad-regex', bad: deny([{ url_path: { path: { safe_regex: { regex: '(' } } } }]), reason: /regex/ },
    { name: 'garbled', bad: { name: 'rules', bytes: Buffer.from('0a0572756c65731202ffff', 'hex') }, reason: /typed_config/ },
    { name: 'empty', bad: { name: 'rules' }, reason: /typed_config: must be there/ },
  ]) {
    it(`takes no access rule out of force when it is bad: ${name}`, async () => {
      await using source = await wayIn();
      assert.deepEqual(await source.client.push('extension', [deny([admin])]), []);
      const before = rules(source);
      assert.match(JSON.stringify(before), /\/admin/);
      const refused = await source.client.push('extension', [bad]);

      assert.match(refused[0]?.reason ?? 'taken', reason);
      assert.deepEqual(rules(source), before);
    });
  }

  it('lets nobody in while none is there, or the first one was bad', async () => {
    await using source = await wayIn();
    const before = rules(source);
    assert.match(JSON.stringify(before), /"deny".*"any"/);
    assert.equal((await source.client.push('extension', [deny([])])).length, 1);
    assert.deepEqual(rules(source), before);
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { InboundListenerConfig } from '../../../../../src/model/listener.ts';
import { edsCluster, sidecarListener } from '../../../../support/envoy-samples.ts';
import { sourceOnStore, type SourceOnStore } from '../../../../support/xds-source.ts';

const types = 'type.googleapis.com/envoy.extensions';
const rbac = `${types}.filters.http.rbac.v3`;
const router = { name: 'router', typed_config: { '@type': `${types}.filters.http.router.v3.Router` } };
const denyAdmin = { permissions: [{ url_path: { path: { prefix: '/admin' } } }], principals: [{ any: true }] };
const rules = (policies: object, action = 'DENY'): object => ({ action, policies });

/** Name of the listener of port 8080, as a gRPC server asks for it. */
const name = 'server/[::]:8080';
const serverListenerName = ({ address, port }: { readonly address: string; readonly port: number }): string =>
  `server/[${address}]:${port}`;
const proxyless = { mode: 'proxyless', serverListenerName } as const;

interface Chain {
  readonly filters?: readonly object[];
  readonly direction?: 'INBOUND';
}

/** A way in whose routes are the table `in`, delivered apart. */
function wayIn({ filters = [], direction }: Chain = {}): object {
  const manager = {
    '@type': `${types}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'in',
    rds: { route_config_name: 'in', config_source: { ads: {} } },
    http_filters: [...filters, router],
  };
  return {
    name,
    address: { socket_address: { address: '::', port_value: 8080 } },
    ...(direction !== undefined && { traffic_direction: direction }),
    filter_chains: [{ filters: [{ name: 'http', typed_config: manager }] }],
  };
}

const chainRules = {
  name: 'rules',
  typed_config: { '@type': `${rbac}.RBAC`, rules: rules({ chain: denyAdmin }) },
};

function table(perRoute?: object): object {
  const route = {
    match: { prefix: '/' },
    non_forwarding_action: {},
    ...(perRoute !== undefined && {
      typed_per_filter_config: { rules: { '@type': `${rbac}.RBACPerRoute`, rbac: { rules: perRoute } } },
    }),
  };
  return { name: 'in', virtual_hosts: [{ name: 'all', domains: ['*'], routes: [route] }] };
}

function listen(source: SourceOnStore, port = 8080): () => void {
  const end = new AbortController();
  source.plane.listening!({ address: '::', port }, end.signal);
  return () => end.abort();
}

function inForce(source: SourceOnStore): InboundListenerConfig | undefined {
  const value = source.value('listener', name);
  return value?.direction === 'inbound' ? value : undefined;
}

/** Names of the rules of the only route. */
function rulesOfRoute(source: SourceOnStore): readonly string[] | undefined {
  const routes = inForce(source)?.filterChains[0]?.routes;
  if (typeof routes !== 'object') return undefined;
  const policies = routes.virtualHosts[0]?.routes[0]?.policy?.authorization ?? [];
  return policies.flatMap((policy) => policy.rules.map((rule) => rule.name));
}

describe('a way in without a proxy', () => {
  it('is asked for by the address that is listened on, until the port is closed', async () => {
    await using source = await sourceOnStore(proxyless);
    const close = listen(source);
    await source.settled();
    assert.deepEqual(source.client.history, [`+listener ${name}`]);

    await source.client.push('listener', [wayIn()]);
    await source.client.push('routeConfiguration', [table()]);
    assert.deepEqual(source.client.history, [`+listener ${name}`, '+routeConfiguration in']);

    close();
    await source.settled();
    assert.deepEqual(source.client.history.slice(2).toSorted(), [`-listener ${name}`, '-routeConfiguration in']);
    assert.equal(inForce(source), undefined);
  });

  it('is one for the listener that was asked for, whatever that says of itself', async () => {
    await using source = await sourceOnStore(proxyless);
    listen(source);
    await source.settled();
    await source.client.push('listener', [wayIn()]);
    await source.client.push('routeConfiguration', [table()]);
    assert.equal(inForce(source)?.port, 8080);
  });

  it('is not asked for where the server has no name for it', async () => {
    await using source = await sourceOnStore({ mode: 'proxyless' });
    assert.equal('listening' in source.plane, false);
    assert.equal(source.plane.guardsInbound, false);
  });

  it('guards its ports from the start, where the server has a name for it', async () => {
    await using source = await sourceOnStore(proxyless);
    assert.equal(source.plane.guardsInbound, true);
  });
});

describe('the route table of a way in that is delivered apart', () => {
  it('is waited for: its rules may refuse what the listener does not', async () => {
    await using source = await sourceOnStore(proxyless);
    listen(source);
    await source.settled();
    await source.client.push('listener', [wayIn()]);
    assert.equal(inForce(source), undefined);
    await source.client.push('routeConfiguration', [table()]);
    assert.deepEqual(rulesOfRoute(source), []);
  });

  it('is read together with the filters that its rules belong to', async () => {
    await using source = await sourceOnStore(proxyless);
    listen(source);
    await source.settled();
    await source.client.push('listener', [wayIn({ filters: [chainRules] })]);
    const answers = await source.client.push('routeConfiguration', [table(rules({ 'of-the-route': denyAdmin }))]);

    assert.deepEqual(answers, []);
    assert.deepEqual(rulesOfRoute(source), ['of-the-route']);
    assert.deepEqual(source.findings().unhonoured, []);
  });

  it('is in force as soon as it changes', async () => {
    await using source = await sourceOnStore(proxyless);
    listen(source);
    await source.settled();
    await source.client.push('listener', [wayIn({ filters: [chainRules] })]);
    await source.client.push('routeConfiguration', [table(rules({ before: denyAdmin }))]);
    await source.client.push('routeConfiguration', [table(rules({ after: denyAdmin }))]);
    assert.deepEqual(rulesOfRoute(source), ['after']);
  });

  it('is refused for what the chain would be refused for, and the last good one stays', async () => {
    await using source = await sourceOnStore(proxyless);
    listen(source);
    await source.settled();
    await source.client.push('listener', [wayIn({ filters: [chainRules] })]);
    await source.client.push('routeConfiguration', [table(rules({ good: denyAdmin }))]);
    const bad = rules({ bad: { permissions: [], principals: [{ any: true }] } });
    const [refused] = await source.client.push('routeConfiguration', [table(bad)]);

    assert.equal(refused?.name, 'in');
    assert.match(refused.reason, /permissions/);
    assert.deepEqual(rulesOfRoute(source), ['good']);
  });

  it('stays as it was while the table of a later version of the listener has yet to come', async () => {
    await using source = await sourceOnStore(proxyless);
    listen(source);
    await source.settled();
    await source.client.push('listener', [wayIn()]);
    await source.client.push('routeConfiguration', [table()]);
    const first = inForce(source);
    const other = JSON.parse(JSON.stringify(wayIn()).replace('"in","config_source"', '"other","config_source"')) as object;
    await source.client.push('listener', [other]);
    assert.equal(inForce(source), first);
    await source.client.push('routeConfiguration', [{ ...table(), name: 'other' }]);
    const { routes } = inForce(source)!.filterChains[0]!;
    assert.equal(typeof routes === 'object' && routes.name, 'other');
  });
});

describe('a way in of a sidecar', () => {
  it('is its business until the server has told all of its listeners and none is one', async () => {
    await using source = await sourceOnStore();
    assert.equal(source.plane.guardsInbound, true);
    await source.client.push('listener', [sidecarListener(80)]);
    assert.equal(source.plane.guardsInbound, false);
    await source.client.push('listener', [wayIn({ direction: 'INBOUND' })]);
    assert.equal(source.plane.guardsInbound, true);
  });

  it('brings the clusters that it asks along', async () => {
    await using source = await sourceOnStore();
    const authorizer = {
      name: 'ask',
      typed_config: {
        '@type': `${types}.filters.http.ext_authz.v3.ExtAuthz`,
        transport_api_version: 'V3',
        grpc_service: { envoy_grpc: { cluster_name: 'opa' }, timeout: '1s' },
      },
    };
    await source.client.push('cluster', [edsCluster('opa'), edsCluster('orders')]);
    await source.client.push('listener', [wayIn({ filters: [authorizer], direction: 'INBOUND' })]);
    await source.settled();
    await source.client.push('routeConfiguration', [table()]);
    await source.settled();
    assert.deepEqual([...source.snapshot().clusters.keys()], ['opa']);
  });
});

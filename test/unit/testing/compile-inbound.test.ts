/** What `compileEnvoy` takes besides routes and clusters. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compileEnvoy } from 'meshfetch/testing';

const types = 'type.googleapis.com/envoy.extensions.filters';
const manager = (filters: readonly object[]): object => ({
  name: 'http',
  typed_config: {
    '@type': `${types}.network.http_connection_manager.v3.HttpConnectionManager`,
    http_filters: [...filters, { name: 'router', typed_config: { '@type': `${types}.http.router.v3.Router` } }],
    route_config: {
      virtual_hosts: [{ name: 'v', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'app' } }] }],
    },
  },
});
const listener = (name: string, direction: string, filters: readonly object[] = []): object => ({
  name,
  traffic_direction: direction,
  address: { socket_address: { address: '0.0.0.0', port_value: 8080 } },
  filter_chains: [{ filters: [manager(filters)] }],
});

describe('compileEnvoy', () => {
  it('gives the ways out and in', () => {
    const { listeners, tables } = compileEnvoy([listener('out', 'OUTBOUND'), listener('in', 'INBOUND')]);
    assert.deepEqual(
      listeners.map(({ name, direction }) => [name, direction]),
      [
        ['out', 'outbound'],
        ['in', 'inbound'],
      ],
    );
    assert.equal(tables.length, 1, 'the table of a way in is for no request of ours');
  });

  it('takes the configuration of a filter that comes apart, wherever it stands', () => {
    const apart = { name: 'rules', config_discovery: { config_source: { ads: {} }, type_urls: [`${types}.http.rbac.v3.RBAC`] } };
    const extension = { name: 'rules', typed_config: { '@type': `${types}.http.rbac.v3.RBAC`, rules: { action: 'ALLOW' } } };
    const { listeners, problems } = compileEnvoy([listener('in', 'INBOUND', [apart]), extension]);
    const [inbound] = listeners;
    assert.ok(inbound?.direction === 'inbound');
    assert.deepEqual(inbound.filterChains[0]?.authorization, [{ name: 'rules', action: 'allow', rules: [] }]);
    assert.deepEqual(
      problems.map(({ path }) => path),
      ['filterChains[0].policy.idleTimeoutMs', 'filterChains[0].routes.virtualHosts[0].routes[0].policy.timeoutMs'],
    );
  });

  it('takes secrets, and what stands in TLS contexts', () => {
    const roots = '-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n';
    const { secrets } = compileEnvoy({ name: 'ROOTCA', validation_context: { trusted_ca: { inline_string: roots } } });
    assert.deepEqual(secrets, [{ trustBundle: { name: 'ROOTCA', certificates: roots } }]);
  });

  it('never shows a key of a secret', () => {
    const certificate = { certificate_chain: { inline_string: 'chain' }, private_key: { inline_string: 'very secret' } };
    const compiled = compileEnvoy({ name: 'default', tls_certificate: certificate });
    assert.equal(compiled.secrets.length, 1);
    assert.ok(!JSON.stringify(compiled).includes('very secret'));
  });

  it('takes what a proxy says about itself', () => {
    const configs = [
      {
        '@type': 'type.googleapis.com/envoy.admin.v3.ListenersConfigDump',
        dynamicListeners: [{ activeState: { listener: listener('in', 'INBOUND') } }],
      },
      {
        '@type': 'type.googleapis.com/envoy.admin.v3.ClustersConfigDump',
        staticClusters: [{ cluster: { name: 'app', type: 'STATIC' } }],
      },
    ];
    const { listeners, clusters } = compileEnvoy({ configs });
    assert.deepEqual([listeners[0]?.name, [...clusters.keys()]], ['in', ['app']]);
  });
});

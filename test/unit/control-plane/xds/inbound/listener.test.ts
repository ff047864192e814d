/** Ways in: which port, which mode, which chain, who is verified how. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FilterChainConfig } from '../../../../../src/model/listener.ts';
import { httpFilter, manager, socket, tlsSocket, wayIn, withFilters, type Json } from './way-in.ts';

const pem = '-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n';
const sds = (name: string): Json => ({ name, sds_config: { ads: {} } });
const ours = { tls_certificate_sds_secret_configs: [sds('default')] };
const roots = { validation_context_sds_secret_config: sds('ROOTCA') };
const capture = [{ name: 'envoy.filters.listener.original_dst' }];

function chain(match: Json | undefined, secured: boolean, name: string): Json {
  return {
    name,
    ...(match !== undefined && { filter_chain_match: match }),
    ...(secured && { transport_socket: tlsSocket({ ...ours, ...roots }, { require_client_certificate: true }) }),
    filters: [manager([])],
  };
}

describe('a listener', () => {
  const rows: readonly { readonly name: string; readonly listener: Json; readonly isIn: boolean }[] = [
    { name: 'by-direction', listener: {}, isIn: true },
    { name: 'by-number', listener: { traffic_direction: 1 }, isIn: true },
    {
      name: 'server-of-grpc',
      listener: { traffic_direction: undefined, name: 'grpc/server?xds.resource.listening_address=0.0.0.0:80' },
      isIn: true,
    },
    {
      name: 'agent-of-istio',
      listener: { traffic_direction: undefined, name: 'xds.istio.io/grpc/lds/inbound/0.0.0.0:80' },
      isIn: true,
    },
    { name: 'without-a-direction', listener: { traffic_direction: undefined }, isIn: false },
    { name: 'way-out', listener: { traffic_direction: 'OUTBOUND' }, isIn: false },
  ];
  for (const { name, listener, isIn } of rows) {
    it(`is told to be a way in: ${name}`, async () => {
      const { isInbound } = await import('../../../../../src/control-plane/xds/translate/inbound/listener.ts');
      const { Findings } = await import('../../../../../src/control-plane/xds/translate/message.ts');
      const message = new Findings().message({ name: 'in', traffic_direction: 'INBOUND', ...listener }, '')!;
      assert.equal(isInbound(message), isIn);
    });
  }

  it('that takes what was meant for other ports is one for each port with chains of its own, and one for the others', () => {
    const { listeners, problems } = wayIn({
      address: socket(15_006),
      listener_filters: capture,
      filter_chains: [
        chain({ destination_port: 8080, transport_protocol: 'tls' }, true, 'a'),
        chain({ destination_port: 8080, transport_protocol: 'raw_buffer' }, false, 'b'),
        chain({ destination_port: 9000 }, true, 'c'),
        chain({ destination_port: 15_006 }, false, 'self'),
        chain({ transport_protocol: 'raw_buffer' }, false, 'd'),
      ],
    });
    assert.deepEqual(problems, []);
    assert.deepEqual(
      listeners.map(({ name, port, mode, filterChains }) => [name, port, mode, filterChains.map((each) => each.name).join(' ')]),
      [
        ['in/8080', 8080, 'permissive', 'a b'],
        ['in/9000', 9000, 'strict', 'c'],
        ['in', undefined, 'disabled', 'd'],
      ],
    );
  });

  it('has the port that it is bound to, and falls back on its default chain', () => {
    const { listeners } = wayIn({
      address: { socket_address: { address: '192.0.2.1', port_value: 8080 } },
      filter_chains: [chain({ server_names: ['a.example'] }, true, 'a')],
      default_filter_chain: chain(undefined, false, 'rest'),
    });
    const [{ port, address, mode, filterChains } = assert.fail()] = listeners;
    assert.deepEqual([listeners.length, port, address, mode], [1, 8080, '192.0.2.1', 'permissive']);
    assert.deepEqual(
      filterChains.map(({ name }) => name),
      ['a', 'rest'],
    );
  });

  it('marks the default chain, which takes what no other does', () => {
    const named = { server_names: ['A.example'], application_protocols: ['h2'] };
    const { listeners } = wayIn({
      filter_chains: [chain(named, true, 'a'), chain(undefined, false, 'open')],
      default_filter_chain: chain(undefined, true, 'default'),
    });
    assert.deepEqual(
      listeners[0]?.filterChains.map(({ name, match, isFallback }) => [name, match, isFallback]),
      [
        ['a', { serverNames: ['a.example'], alpn: ['h2'] }, undefined],
        ['open', {}, undefined],
        ['default', {}, true],
      ],
    );
  });

  it('refuses every request of a chain whose conditions cannot be tested, rather than let another chain have it', () => {
    const { chain: read, unhonoured } = wayIn({ filter_chains: [chain({ source_ports: [1234] }, false, 'a')] });
    assert.equal(read.authorization[0]?.action, 'deny');
    assert.match(
      unhonoured.map(({ path, reason }) => `${path}: ${reason}`).join('\n'),
      /source_ports: is not tested, so that the chain refuses/,
    );
  });

  it('reads the PROXY protocol of whoever connects, and asks for it unless it need not be there', () => {
    const type = 'type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol';
    const read = (config: object): unknown => {
      const filter = { name: 'envoy.filters.listener.proxy_protocol', typed_config: { '@type': type, ...config } };
      return wayIn({ listener_filters: [filter], ...withFilters([]) }).listeners[0]?.proxyProtocol;
    };
    const from = ['0.0.0.0/0', '::/0'];
    assert.deepEqual(read({}), { from, isRequired: true });
    assert.deepEqual(read({ allow_requests_without_proxy_protocol: true }), { from });
  });

  it('names the route table that comes apart', () => {
    const { chain: read } = wayIn(
      withFilters([], { route_config: undefined, rds: { route_config_name: 'table', config_source: { ads: {} } } }),
    );
    assert.equal(read.routes, 'table');
  });
});

describe('TLS of a way in', () => {
  const secured = (common: Json, rest: Json = {}) => {
    const result = wayIn({ filter_chains: [{ transport_socket: tlsSocket(common, rest), filters: [manager([])] }] });
    return { ...result, used: result.chain.tls as NonNullable<FilterChainConfig['tls']> };
  };

  it('names what SDS delivers', () => {
    const { used, tls } = secured({ ...ours, ...roots, alpn_protocols: ['h2'] }, { require_client_certificate: true });
    assert.deepEqual(used, { identity: 'default', trust: 'ROOTCA', requireClientCertificate: true, peers: [], alpn: ['h2'] });
    assert.deepEqual(tls.names, ['default', 'ROOTCA']);
  });

  it('hands on what stands in it, under names made from it', () => {
    const { used, tls, problems } = secured({
      tls_certificates: [{ certificate_chain: { inline_string: pem }, private_key: { inline_string: 'key' } }],
      validation_context: { trusted_ca: { inline_string: pem } },
    });
    assert.deepEqual(problems, []);
    assert.match(used.identity, /^inline:[0-9a-f]{16}$/);
    assert.equal(used.trust, used.identity);
    assert.equal(used.requireClientCertificate, false);
    assert.equal(tls.names.length, 0);
    assert.ok(tls.secrets.length > 0);
  });

  const closed: readonly { readonly name: string; readonly common: Json; readonly rest?: Json }[] = [
    { name: 'a-certificate-without-roots', common: ours, rest: { require_client_certificate: true } },
    { name: 'server-name-required', common: { ...ours, ...roots }, rest: { require_sni: true } },
    {
      name: 'pinned-key',
      common: { ...ours, validation_context: { trusted_ca: { inline_string: pem }, verify_certificate_spki: ['x'] } },
    },
    {
      name: 'revocation-list',
      common: { ...ours, validation_context: { trusted_ca: { inline_string: pem }, crl: { inline_string: pem } } },
    },
    {
      name: 'unknown-validator',
      common: { ...ours, validation_context: { custom_validator_config: { name: 'x', typed_config: {} } } },
    },
  ];
  for (const { name, common, rest } of closed) {
    it(`lets nobody in by a validation that is not carried out: ${name}`, () => {
      const { used, unhonoured } = secured(common, rest);
      assert.match(used.trust ?? '', /^not carried out: /);
      assert.equal(used.requireClientCertificate, true);
      assert.match(unhonoured.map(({ reason }) => reason).join('\n'), /every connection fails/);
    });
  }

  it('is refused without a certificate, and with files that a control plane names', () => {
    assert.match(secured({}).problems[0]?.reason ?? '', /must name a certificate/);
    const files = {
      tls_certificates: [{ certificate_chain: { filename: '/etc/passwd' }, private_key: { filename: '/etc/passwd' } }],
    };
    assert.match(secured(files).problems[0]?.reason ?? '', /files of this machine are not read/);
  });
});

describe('a connection manager of a way in', () => {
  const read = (rest: Json): FilterChainConfig => wayIn(withFilters([], rest)).chain;

  const rows: readonly {
    readonly name: string;
    readonly written: Json;
    readonly becomes: { readonly [K in keyof FilterChainConfig]?: FilterChainConfig[K] | undefined };
  }[] = [
    {
      name: 'paths-as-they-are',
      written: {},
      becomes: { pathNormalization: { normalize: false, mergeSlashes: false, escapedSlashes: 'keep' } },
    },
    {
      name: 'paths-normalized',
      written: { normalize_path: true, merge_slashes: true, path_with_escaped_slashes_action: 'UNESCAPE_AND_REDIRECT' },
      becomes: { pathNormalization: { normalize: true, mergeSlashes: true, escapedSlashes: 'redirect' } },
    },
    { name: 'peer-names-the-caller', written: { use_remote_address: false }, becomes: { trustedHops: 1 } },
    { name: 'peer-is-the-caller', written: { use_remote_address: true }, becomes: { trustedHops: undefined } },
    { name: 'two-proxies-in-front', written: { use_remote_address: true, xff_num_trusted_hops: 2 }, becomes: { trustedHops: 2 } },
    { name: 'server-header', written: { server_name: 'mesh' }, becomes: { serverHeader: 'mesh' } },
    { name: 'server-header-of-envoy', written: {}, becomes: { serverHeader: 'envoy' } },
    {
      name: 'server-header-of-the-app',
      written: { server_header_transformation: 'PASS_THROUGH' },
      becomes: { serverHeader: undefined },
    },
    { name: 'http2-alone', written: { codec_type: 'HTTP2' }, becomes: { protocol: 'http2' } },
    {
      name: 'client-certificate',
      written: { forward_client_cert_details: 'SANITIZE_SET', set_current_client_cert_details: { uri: true, subject: false } },
      becomes: { forwardClientCertificate: { mode: 'sanitize-set', fields: ['uri'] } },
    },
  ];
  for (const { name, written, becomes } of rows) {
    it(`says ${name}`, () => {
      const found = read(written);
      for (const [key, value] of Object.entries(becomes)) assert.deepEqual(found[key as keyof FilterChainConfig], value);
    });
  }

  const limit = httpFilter('local_ratelimit', 'LocalRateLimit', {
    token_bucket: { max_tokens: 5, fill_interval: '1s' },
    filter_enabled: { default_value: { numerator: 100 } },
    filter_enforced: { default_value: { numerator: 100 } },
  });

  it('has one rate limit for all of its requests, unless a route has a word on it', () => {
    assert.equal(wayIn(withFilters([limit])).chain.rateLimit?.maxTokens, 5);
    const off = { '@type': 'type.googleapis.com/envoy.config.route.v3.FilterConfig', disabled: true };
    const routes = [
      {
        name: 'free',
        match: { path: '/free' },
        route: { cluster: 'app' },
        typed_per_filter_config: { 'envoy.filters.http.local_ratelimit': off },
      },
      { name: 'all', match: { prefix: '/' }, route: { cluster: 'app' } },
    ];
    const { chain: found } = wayIn(
      withFilters([limit], { route_config: { virtual_hosts: [{ name: 'v', domains: ['*'], routes }] } }),
    );
    assert.equal(found.rateLimit, undefined);
    assert.ok(typeof found.routes === 'object');
    assert.deepEqual(
      found.routes.virtualHosts[0]?.routes.map(({ policy }) => policy?.rateLimit?.maxTokens),
      [undefined, 5],
    );
  });

  it('answers other origins where a route allows them', () => {
    const cors = {
      '@type': 'type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy',
      allow_origin_string_match: [{ exact: 'https://a.example' }],
      allow_methods: 'GET, PUT',
      max_age: '60',
    };
    const routes = [
      { match: { prefix: '/' }, route: { cluster: 'app' }, typed_per_filter_config: { 'envoy.filters.http.cors': cors } },
    ];
    const { chain: found, unhonoured } = wayIn(
      withFilters([httpFilter('cors', 'Cors', {})], { route_config: { virtual_hosts: [{ name: 'v', domains: ['*'], routes }] } }),
    );
    assert.deepEqual(unhonoured, []);
    assert.ok(typeof found.routes === 'object');
    assert.deepEqual(found.routes.virtualHosts[0]?.routes[0]?.policy?.cors, {
      allowOrigins: [{ kind: 'exact', value: 'https://a.example' }],
      allowMethods: ['GET', 'PUT'],
      maxAgeMs: 60_000,
    });
  });

  it('takes no address of the caller for that of this machine', () => {
    const header = { header: { key: 'x-from', value: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%' } };
    const { chain: found, unhonoured } = wayIn(
      withFilters([], {
        route_config: { virtual_hosts: [{ name: 'v', domains: ['*'], routes: [], request_headers_to_add: [header] }] },
      }),
    );
    assert.ok(!JSON.stringify(found).includes('127.0.0.1'));
    assert.match(unhonoured[0]?.reason ?? '', /the header is left out/);
  });

  it('serves its handler by a route that forwards nothing, as servers of gRPC do', () => {
    const { chain: found, problems } = wayIn(
      withFilters([], {
        route_config: { virtual_hosts: [{ domains: ['*'], routes: [{ match: { prefix: '/' }, non_forwarding_action: {} }] }] },
      }),
    );
    assert.deepEqual(problems, []);
    assert.ok(typeof found.routes === 'object');
    assert.equal(found.routes.virtualHosts[0]?.routes[0]?.action.kind, 'forward');
  });
});

/** What other xDS clients have done wrong with resources that are right. Each test is named for what went wrong there. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compileEnvoy, route } from 'meshfetch/testing';

type Json = Readonly<Record<string, unknown>>;

const extension = 'type.googleapis.com/envoy.extensions';

function compileRoutes(...routes: readonly Json[]) {
  return compileEnvoy([{ name: 'r', virtual_hosts: [{ name: 'v', domains: ['*'], routes }] }]);
}

function decide(compiled: ReturnType<typeof compileEnvoy>, path: string) {
  const { kind, cluster, status, reason } = route(compiled, { host: 'shop', path });
  return { kind, ...(cluster !== undefined && { cluster }), ...(status !== undefined && { status }), ...(reason && { reason }) };
}

const stable = { match: { prefix: '/' }, route: { cluster: 'stable' } };
const toStable = { kind: 'forward', cluster: 'stable' };

describe('a route with conditions', () => {
  it('took every request where it asks for a query parameter', () => {
    const canary = {
      match: { prefix: '/', query_parameters: [{ name: 'canary', present_match: true }] },
      route: { cluster: 'canary' },
    };
    const compiled = compileRoutes(canary, stable);
    assert.deepEqual(compiled.problems, []);
    assert.deepEqual(decide(compiled, '/?canary'), { kind: 'forward', cluster: 'canary' });
    assert.deepEqual(decide(compiled, '/'), toStable);
    assert.deepEqual(decide(compiled, '/?other=canary'), toStable);
  });

  it('took every request where it asks for something that cannot be tested', () => {
    const conditions: readonly Json[] = [
      { tls_context: { presented: true } },
      { filter_state: [{ key: 'k', string_match: { exact: 'x' } }] },
      { headers: [{ name: 'a', string_match: { custom: { name: 'other' } } }] },
      { path_match_policy: { name: 'other', typed_config: { '@type': `${extension}.path.match.other.v3.Other` } } },
      { safe_regex: { regex: `/${'a'.repeat(2000)}` } },
      { headers: [{ name: 'a', string_match: { safe_regex: { regex: '(?:ab){1,600}' } } }] },
    ];
    for (const condition of conditions) {
      const match = 'path_match_policy' in condition || 'safe_regex' in condition ? condition : { prefix: '/', ...condition };
      const compiled = compileRoutes({ match, route: { cluster: 'canary' } }, stable);
      assert.deepEqual(decide(compiled, '/'), toStable);
      assert.equal(compiled.problems.length, 1, JSON.stringify(condition));
      assert.match(compiled.problems[0]!.reason, /so the route never matches/);
    }
  });
});

describe('a route that is no route to a cluster', () => {
  const cases: readonly { name: string; special: Json; path: string; does: Json }[] = [
    {
      name: 'redirect',
      special: { match: { path: '/old' }, redirect: { path_redirect: '/new', response_code: 'FOUND' } },
      path: '/old',
      does: { kind: 'redirect', status: 302 },
    },
    {
      name: 'direct-response',
      special: { match: { path: '/tea' }, direct_response: { status: 418 } },
      path: '/tea',
      does: { kind: 'respond', status: 418 },
    },
    {
      name: 'path-separated-prefix',
      special: { match: { path_separated_prefix: '/api' }, route: { cluster: 'api' } },
      path: '/api/1',
      does: { kind: 'forward', cluster: 'api' },
    },
    {
      name: 'cluster-specifier-plugin',
      special: { match: { path: '/plug' }, route: { cluster_specifier_plugin: 'p' } },
      path: '/plug',
      does: { kind: 'unsupported', reason: 'cluster_specifier_plugin is not carried out by this version' },
    },
    {
      name: 'unknown-filter',
      special: {
        match: { path: '/lua' },
        route: { cluster: 'lua' },
        typed_per_filter_config: { 'envoy.filters.http.lua': { '@type': `${extension}.filters.http.lua.v3.LuaPerRoute` } },
      },
      path: '/lua',
      does: {
        kind: 'unsupported',
        reason:
          'the filter envoy.filters.http.lua (envoy.extensions.filters.http.lua.v3.LuaPerRoute) is not carried out by this version',
      },
    },
    {
      name: 'body-in-a-file',
      special: { match: { path: '/file' }, direct_response: { status: 200, body: { filename: '/etc/passwd' } } },
      path: '/file',
      does: { kind: 'unsupported', reason: 'the body of its answer is a file or variable of this machine' },
    },
  ];
  for (const { name, special, path, does } of cases) {
    it(`made the whole table be refused: ${name}`, () => {
      const compiled = compileRoutes(special, stable);
      assert.deepEqual(decide(compiled, path), does);
      assert.deepEqual(decide(compiled, '/else'), toStable);
    });
  }
});

describe('a filter that is not known', () => {
  const listener = (name: string, table: string, filter: Json): Json => ({
    name,
    address: { socket_address: { address: '0.0.0.0', port_value: 80 } },
    filter_chains: [
      {
        filters: [
          {
            name: 'hcm',
            typed_config: {
              '@type': `${extension}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
              rds: { route_config_name: table, config_source: { ads: {} } },
              http_filters: [filter],
            },
          },
        ],
      },
    ],
  });
  const table = (name: string): Json => ({ name, virtual_hosts: [{ name, domains: [name], routes: [stable] }] });

  it('made every listener be refused, and not the requests of its own one', () => {
    const lua = { name: 'lua', typed_config: { '@type': `${extension}.filters.http.lua.v3.Lua` } };
    const compiled = compileEnvoy([
      listener('with', 'checked', lua),
      listener('optional', 'shop', { ...lua, is_optional: true }),
      table('checked'),
      table('shop'),
    ]);
    const { kind, reason } = route(compiled, { host: 'checked', path: '/' });
    assert.equal(kind, 'unsupported');
    assert.match(reason!, /^the filter lua \(.*\) is not carried out by this version$/);
    assert.deepEqual(decide(compiled, '/'), toStable);
  });
});

describe('a connection manager', () => {
  const listener = (manager: Json): Json => ({
    name: 'l',
    api_listener: {
      api_listener: {
        '@type': `${extension}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
        route_config: {
          name: 'r',
          virtual_hosts: [{ name: 'v', domains: ['*'], routes: [{ ...stable, route: { cluster: 'c', timeout: '0s' } }] }],
        },
        http_filters: [{ name: 'router', typed_config: { '@type': `${extension}.filters.http.router.v3.Router` } }],
        ...manager,
      },
    },
  });

  it('whose idle connections end after a second ended requests after a second', () => {
    const compiled = compileEnvoy(
      listener({ common_http_protocol_options: { idle_timeout: '1s', max_connection_duration: '2s' } }),
    );
    const { policy, timeoutMs } = route(compiled, { host: 'shop', path: '/' });
    assert.deepEqual(
      { timeoutMs, maxStreamDurationMs: policy.maxStreamDurationMs, idleTimeoutMs: policy.idleTimeoutMs },
      {
        timeoutMs: 0,
        maxStreamDurationMs: undefined,
        idleTimeoutMs: 300_000, // Envoy's stream_idle_timeout
      },
    );
    assert.deepEqual(compiled.problems, []);
  });

  it('that bounds streams did not bound requests', () => {
    const compiled = compileEnvoy(listener({ common_http_protocol_options: { max_stream_duration: '7s' } }));
    assert.equal(route(compiled, { host: 'shop', path: '/' }).policy.maxStreamDurationMs, 7000);
  });
});

describe('a retry policy', () => {
  const retryOf = (policy: Json) => {
    const compiled = compileRoutes({ match: { prefix: '/' }, route: { cluster: 'c', retry_policy: policy } });
    assert.deepEqual(compiled.problems, []);
    return route(compiled, { host: 'shop', path: '/' }).retry!;
  };

  it('that waits a second waited ten', () => {
    assert.deepEqual(retryOf({ retry_on: 'unavailable', retry_back_off: { base_interval: '1s' } }).backoff, {
      baseMs: 1000,
      maxMs: 10_000,
    });
    const written = { base_interval: { seconds: 1 }, max_interval: { seconds: '1', nanos: 500_000_000 } };
    assert.deepEqual(retryOf({ retry_on: 'unavailable', retry_back_off: written }).backoff, { baseMs: 1000, maxMs: 1500 });
  });

  it('whose conditions have spaces between them lost all but the first', () => {
    assert.deepEqual(retryOf({ retry_on: 'cancelled, unavailable ,\tdeadline-exceeded,' }).on, [
      'cancelled',
      'unavailable',
      'deadline-exceeded',
    ]);
  });
});

describe('a cluster', () => {
  const assignment = { endpoints: [{ lb_endpoints: [endpoint('127.0.0.1')] }] };
  const named = { endpoints: [{ lb_endpoints: [endpoint('orders.example')] }] };
  const rows: readonly { name: string; cluster: Json }[] = [
    { name: 'least-request', cluster: { type: 'EDS', lb_policy: 'LEAST_REQUEST' } },
    { name: 'maglev', cluster: { type: 'EDS', lb_policy: 'MAGLEV' } },
    { name: 'random', cluster: { type: 'EDS', lb_policy: 'RANDOM' } },
    { name: 'static', cluster: { type: 'STATIC', load_assignment: assignment } },
    { name: 'strict-dns', cluster: { type: 'STRICT_DNS', load_assignment: named } },
    { name: 'original-destination', cluster: { type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED' } },
  ];
  for (const { name, cluster } of rows) {
    it(`was refused: ${name}`, () => {
      const compiled = compileEnvoy([{ name: 'c', ...cluster }]);
      assert.deepEqual([...compiled.clusters.keys()], ['c']);
      assert.deepEqual(
        compiled.problems.filter(({ path }) => path !== 'discovery.kind'),
        [],
      );
    });
  }

  it('had no endpoints when one of them had a host name', () => {
    const { resources } = compileEnvoy([
      { cluster_name: 'c', endpoints: [{ lb_endpoints: [endpoint('orders.example'), endpoint('192.0.2.1')] }] },
    ]);
    const [only] = resources;
    assert.ok(only?.kind === 'endpoints');
    assert.deepEqual(
      only.value.localities[0]!.endpoints.map(({ address }) => address),
      ['orders.example', '192.0.2.1'],
    );
  });

  function endpoint(address: string): Json {
    return { endpoint: { address: { socket_address: { address, port_value: 80 } } } };
  }
});

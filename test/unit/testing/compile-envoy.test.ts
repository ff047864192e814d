import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compileEnvoy, route, type CompiledEnvoy } from '../../../src/testing/index.ts';

const table = {
  name: 'table',
  virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ name: 'r', match: { prefix: '/' }, route: { cluster: 'c' } }] }],
};
const yaml = `
name: table
virtual_hosts:
  - { name: all, domains: ['*'], routes: [{ name: r, match: { prefix: / }, route: { cluster: c } }] }
`;
const manager = {
  '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
};
const listenerWith = (more: object): object => ({
  name: 'out',
  filter_chains: [
    { filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: { ...manager, ...more } }] },
  ],
});

function clusterOf(compiled: CompiledEnvoy, tableName?: string): string | undefined {
  return route(compiled, { url: 'http://orders/' }, tableName === undefined ? {} : { table: tableName }).cluster;
}

describe('resources of Envoy', () => {
  const forms: readonly { readonly name: string; readonly resources: Parameters<typeof compileEnvoy>[0] }[] = [
    { name: 'object', resources: table },
    { name: 'list-of-objects', resources: [table, { name: 'c', type: 'EDS' }] },
    { name: 'json', resources: JSON.stringify(table) },
    { name: 'json-with-trailing-commas', resources: JSON.stringify(table).replaceAll('}', ',}') },
    { name: 'yaml', resources: yaml },
    { name: 'yaml-of-two-documents', resources: `# the routes\n---${yaml}\n---\nname: c\ntype: EDS\n` },
    { name: 'list-of-texts', resources: [yaml, '{ "name": "c", "type": "EDS" }'] },
    { name: 'with-type', resources: { '@type': 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration', ...table } },
    { name: 'camel-case', resources: { name: 'table', virtualHosts: table.virtual_hosts } },
    { name: 'discovery-response', resources: { version_info: '1', resources: [table] } },
    { name: 'listener', resources: listenerWith({ route_config: table }) },
    { name: 'listener-and-routes-by-name', resources: [listenerWith({ rds: { route_config_name: 'table' } }), table] },
    { name: 'bootstrap', resources: { static_resources: { listeners: [listenerWith({ route_config: table })], clusters: [] } } },
    { name: 'static-resources', resources: { listeners: [listenerWith({ route_config: table })] } },
  ];
  for (const { name, resources } of forms) {
    it(`are compiled: ${name}`, () => {
      const compiled = compileEnvoy(resources);
      assert.deepEqual(compiled.problems, []);
      assert.deepEqual(
        compiled.tables.map((each) => each.name),
        ['table'],
      );
      assert.equal(clusterOf(compiled), 'c');
    });
  }

  it('are compiled with their clusters', () => {
    const { clusters } = compileEnvoy([table, { name: 'c', type: 'STATIC', connect_timeout: '0.25s' }]);
    assert.equal(clusters.get('c')?.connectTimeoutMs, 250);
  });

  it('have what the listener says around the routes that it names', () => {
    const compiled = compileEnvoy([listenerWith({ rds: { route_config_name: 'table' }, stream_idle_timeout: '7s' }), table]);
    assert.equal(route(compiled, { url: 'http://orders/' }).policy.idleTimeoutMs, 7000);
  });

  it('know the name of the machine and its environment when they are told', () => {
    const withHeaders = {
      ...table,
      request_headers_to_add: [{ header: { key: 'x-from', value: '%HOSTNAME%/%ENVIRONMENT(ZONE)%' } }],
    };
    const compiled = compileEnvoy(withHeaders, { hostname: 'pod-1', environment: { ZONE: 'eu' } });
    assert.deepEqual(route(compiled, { url: 'http://orders/' }).headers, [['x-from', 'pod-1/eu']]);
    assert.equal(compileEnvoy(withHeaders).problems.length, 1);
  });

  it('name by path what has no effect', () => {
    const { problems } = compileEnvoy({ ...table, vhds: { config_source: { ads: {} } } });
    assert.deepEqual(
      problems.map(({ key, path }) => `${key.kind} ${key.name} ${path}`),
      ['route-table table vhds'],
    );
  });
});

describe('a plugin that chooses the cluster', () => {
  it('is reported once, by the path that was written', () => {
    const { problems } = compileEnvoy({
      virtual_hosts: [
        { name: 'v', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster_specifier_plugin: 'p' } }] },
      ],
    });
    assert.deepEqual(
      problems.map(({ path }) => path),
      ['virtual_hosts[0].routes[0].route.cluster_specifier_plugin'],
    );
  });
});

describe('resources without routes', () => {
  const rows = [
    { name: 'empty-text', resources: '', reason: /^there is no route table: give compileEnvoy a RouteConfiguration/ },
    {
      name: 'cluster-alone',
      resources: { name: 'c', type: 'STATIC', load_assignment: { cluster_name: 'c', endpoints: [] } },
      reason: /^there is no route table/,
    },
    {
      name: 'empty-table',
      resources: { '@type': 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration', name: 'x' },
      reason: /^the route table "x" has no virtual hosts$/,
    },
  ];
  for (const { name, resources, reason } of rows) {
    it(`say so when they are asked for one: ${name}`, () => {
      assert.match(route(compileEnvoy(resources), { url: 'http://a/' }).reason!, reason);
    });
  }
});

describe('resources that cannot be used', () => {
  const rows: readonly { readonly name: string; readonly resources: unknown; readonly told: RegExp }[] = [
    { name: 'number', resources: 5, told: /YAML or JSON text, an object, or a list/ },
    { name: 'nothing', resources: null, told: /YAML or JSON text, an object, or a list/ },
    { name: 'text-that-is-no-yaml', resources: 'a: [', told: /neither YAML nor JSON\n {2}line 1/ },
    { name: 'text-without-a-resource', resources: '42', told: /no resource of Envoy/ },
    { name: 'unknown-kind', resources: { name: 'x' }, told: /none of RouteConfiguration, Cluster/ },
    {
      name: 'impossible-duration',
      resources: withRoute({ timeout: '5 minutes' }),
      told: /virtual_hosts\[0\]\.routes\[0\]\.route\.timeout: "5 minutes" is no duration/,
    },
    { name: 'negative-duration', resources: withRoute({ timeout: '-1s' }), told: /is a negative duration/ },
    { name: 'duration-of-centuries', resources: withRoute({ timeout: '9999999999s' }), told: /timeoutMs/ },
    {
      name: 'overlapping-domains',
      resources: { virtual_hosts: [host('a', ['A.example']), host('b', ['a.example'])] },
      told: /belongs to the virtual host "a" already/,
    },
    {
      name: 'two-hosts-of-one-name',
      resources: { virtual_hosts: [host('a', ['a']), host('a', ['b'])] },
      told: /two virtual hosts named "a"/,
    },
    { name: 'no-weights', resources: withWeights([0, 0]), told: /all weights are 0/ },
    { name: 'no-clusters', resources: withWeights([]), told: /must have at least one cluster/ },
    { name: 'weights-that-overflow', resources: withWeights([4_294_967_295, 1]), told: /the weights add up to 4294967296/ },
    { name: 'regex-that-explodes', resources: withRegex('((a{100}){100}){100}'), told: /\(\(a\{100\}\)/ },
    { name: 'regex-that-is-none', resources: withRegex('a('), told: /not a pattern in RE2 syntax/ },
    {
      name: 'misspelt-field',
      resources: { virtual_hosts: [{ name: 'v', domains: ['*'], routes: [{ match: { prefx: '/' }, route: { cluster: 'a' } }] }] },
      told: /match: must have one of prefix[^]*match\.prefx: is not carried out: unknown/,
    },
    {
      name: 'regex-beside-another-mistake',
      resources: {
        virtual_hosts: [
          {
            name: 'v',
            domains: ['*'],
            routes: [{ match: { safe_regex: { regex: 'a(' } }, route: { cluster: 'a', timeout: 'x' } }],
          },
        ],
      },
      told: /route\.timeout: "x" is no duration[^]*match\.safe_regex\.regex: "a\(" is not a pattern/,
    },
    {
      name: 'resource-of-istio',
      resources: {
        apiVersion: 'networking.istio.io/v1',
        kind: 'VirtualService',
        metadata: { name: 'a' },
        spec: { hosts: ['a'] },
      },
      told: /is a VirtualService of Kubernetes \(networking\.istio\.io\/v1\), which is not supported here; .* istioctl proxy-config routes/,
    },
    { name: 'back-reference', resources: withRegex(String.raw`(a)\1`), told: /not a pattern in RE2 syntax/ },
    {
      name: 'status-of-a-response',
      resources: { virtual_hosts: [host('a', ['*'], { direct_response: { status: 42 } })] },
      told: /direct_response\.status: must be a whole number from 200 to 599/,
    },
    {
      name: 'body-length-by-hand',
      resources: {
        virtual_hosts: [{ ...host('a', ['*']), request_headers_to_add: [{ header: { key: 'content-length', value: '1' } }] }],
      },
      told: /frames the message/,
    },
  ];
  for (const { name, resources, told } of rows) {
    it(`are a TypeError: ${name}`, () => {
      assert.throws(
        () => compileEnvoy(resources as object),
        (error) => error instanceof TypeError && told.test(error.message),
      );
    });
  }

  it('are told all at once', () => {
    const mistakes = { virtual_hosts: [{ name: '', domains: [], routes: [{ match: {}, route: {} }] }] };
    assert.throws(
      () => compileEnvoy(mistakes),
      (error: Error) => error.message.split('\n').length === 5,
    );
  });

  it('do not include an unknown word of a retry policy, which Envoy takes and which is reported', () => {
    const { problems } = compileEnvoy(withRoute({ retry_policy: { retry_on: '5xx,sometimes' } }));
    assert.deepEqual(
      problems.map(({ path }) => path),
      ['virtual_hosts[0].routes[0].route.retry_policy.retry_on'],
    );
  });
});

function host(name: string, domains: readonly string[], action: object = { route: { cluster: 'c' } }): object {
  return { name, domains, routes: [{ match: { prefix: '/' }, ...action }] };
}

function withRoute(more: object): object {
  return { virtual_hosts: [host('all', ['*'], { route: { cluster: 'c', ...more } })] };
}

function withWeights(weights: readonly number[]): object {
  const clusters = weights.map((weight, index) => ({ name: `c${index}`, weight }));
  return { virtual_hosts: [host('all', ['*'], { route: { weighted_clusters: { clusters } } })] };
}

function withRegex(regex: string): object {
  return {
    virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { safe_regex: { regex } }, route: { cluster: 'c' } }] }],
  };
}

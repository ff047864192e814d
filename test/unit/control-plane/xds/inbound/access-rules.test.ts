/** Access rules: what they become, and that nobody comes in because one of them is not known here. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { httpFilter, route, wayIn, withFilters, type Json } from './way-in.ts';

const any = { kind: 'any' };
const never = { kind: 'not', of: any };

function rbac(action: string, permission: Json, principal: Json = { any: true }, policy: Json = {}): Json {
  const policies = { p: { permissions: [permission], principals: [principal], ...policy } };
  return httpFilter('rbac', 'RBAC', { rules: { action, policies } });
}

const tokens = httpFilter('jwt_authn', 'JwtAuthentication', {
  providers: {
    one: { issuer: 'a', local_jwks: { inline_string: '{"keys":[]}' }, payload_in_metadata: 'shared' },
    two: { issuer: 'b', local_jwks: { inline_string: '{"keys":[]}' }, payload_in_metadata: 'shared' },
    three: { issuer: 'c', local_jwks: { inline_string: '{"keys":[]}' }, payload_in_metadata: 'own' },
  },
});

function metadata(keys: readonly string[], value: Json, rest: Json = {}): Json {
  return { metadata: { filter: 'envoy.filters.http.jwt_authn', path: keys.map((key) => ({ key })), value, ...rest } };
}

describe('a condition of a rule', () => {
  const permissions: readonly { readonly name: string; readonly written: Json; readonly becomes: unknown }[] = [
    { name: 'any', written: { any: true }, becomes: any },
    { name: 'port', written: { destination_port: 80 }, becomes: { kind: 'port', start: 80, end: 80 } },
    {
      name: 'port-range',
      written: { destination_port_range: { start: 80, end: 90 } },
      becomes: { kind: 'port', start: 80, end: 89 },
    },
    { name: 'port-range-of-none', written: { destination_port_range: { start: 80, end: 80 } }, becomes: never },
    {
      name: 'destination-ip',
      written: { destination_ip: { address_prefix: '10.0.0.0', prefix_len: 8 } },
      becomes: { kind: 'destination-ip', cidr: '10.0.0.0/8' },
    },
    {
      name: 'destination-ip-without-length-is-all',
      written: { destination_ip: { address_prefix: '10.0.0.0' } },
      becomes: { kind: 'destination-ip', cidr: '10.0.0.0/0' },
    },
    {
      name: 'path',
      written: { url_path: { path: { suffix: '.json', ignore_case: true } } },
      becomes: { kind: 'path', match: { kind: 'suffix', value: '.json', ignoreCase: true } },
    },
    {
      name: 'template',
      written: { uri_template: { name: 't', typed_config: { path_template: '/a/*' } } },
      becomes: { kind: 'path', match: { kind: 'template', value: '/a/*' } },
    },
    {
      name: 'method',
      written: { header: { name: ':method', string_match: { exact: 'GET' } } },
      becomes: { kind: 'method', match: { kind: 'exact', value: 'GET' } },
    },
    {
      name: 'not-method',
      written: { header: { name: ':method', string_match: { exact: 'GET' }, invert_match: true } },
      becomes: { kind: 'not', of: { kind: 'method', match: { kind: 'exact', value: 'GET' } } },
    },
    {
      name: 'header-in-lower-case',
      written: { header: { name: 'X-Tenant', present_match: true } },
      becomes: { kind: 'header', header: { name: 'x-tenant', match: { kind: 'present' } } },
    },
    {
      name: 'server-name',
      written: { requested_server_name: { exact: 'a.example' } },
      becomes: { kind: 'sni', match: { kind: 'exact', value: 'a.example' } },
    },
    {
      name: 'lists',
      written: { and_rules: { rules: [{ or_rules: { rules: [{ any: true }] } }, { not_rule: { any: true } }] } },
      becomes: { kind: 'all', of: [any, never] },
    },
  ];
  for (const { name, written, becomes } of permissions) {
    it(`on what is asked for: ${name}`, () => {
      const { chain, problems, unhonoured } = wayIn(withFilters([rbac('ALLOW', written)]));
      assert.deepEqual([problems, unhonoured], [[], []]);
      assert.deepEqual(chain.authorization[0]?.rules[0]?.permissions, [becomes]);
    });
  }

  const claim = (rest: Json) => ({ kind: 'claim', path: ['role'], ...rest });
  const exact = { kind: 'exact', value: 'a' };
  const principals: readonly { readonly name: string; readonly written: Json; readonly becomes: unknown }[] = [
    { name: 'tls', written: { authenticated: {} }, becomes: { kind: 'tls' } },
    {
      name: 'identity',
      written: { authenticated: { principal_name: { exact: 'a' } } },
      becomes: { kind: 'identity', match: exact },
    },
    {
      name: 'identity-of-istio',
      written: { filter_state: { key: 'io.istio.peer_principal', string_match: { exact: 'a' } } },
      becomes: { kind: 'identity', match: exact },
    },
    {
      name: 'source-ip',
      written: { source_ip: { address_prefix: '10.0.0.1', prefix_len: 32 } },
      becomes: { kind: 'source-ip', which: 'connection', cidr: '10.0.0.1/32' },
    },
    {
      name: 'direct-remote-ip',
      written: { direct_remote_ip: { address_prefix: '10.0.0.1', prefix_len: 32 } },
      becomes: { kind: 'source-ip', which: 'direct', cidr: '10.0.0.1/32' },
    },
    {
      name: 'remote-ip',
      written: { remote_ip: { address_prefix: 'fd00::', prefix_len: 8 } },
      becomes: { kind: 'source-ip', which: 'remote', cidr: 'fd00::/8' },
    },
    {
      name: 'method-as-a-header',
      written: { header: { name: ':method', string_match: { exact: 'a' } } },
      becomes: { kind: 'header', header: { name: ':method', match: exact } },
    },
    {
      name: 'claim-of-the-only-provider-with-the-key',
      written: metadata(['own', 'role'], { string_match: { exact: 'a' } }),
      becomes: claim({ provider: 'three', match: exact, elements: 'never' }),
    },
    {
      name: 'claim-of-several-providers',
      written: metadata(['shared', 'role'], { string_match: { exact: 'a' } }),
      becomes: {
        kind: 'some',
        of: [
          claim({ provider: 'one', match: exact, elements: 'never' }),
          claim({ provider: 'two', match: exact, elements: 'never' }),
        ],
      },
    },
    {
      name: 'claim-in-a-list',
      written: metadata(['own', 'role'], { list_match: { one_of: { string_match: { exact: 'a' } } } }),
      becomes: claim({ provider: 'three', match: exact, elements: 'only' }),
    },
    {
      name: 'claim-in-a-list-or-by-itself',
      written: metadata(['own', 'role'], {
        or_match: {
          value_matchers: [{ string_match: { exact: 'a' } }, { list_match: { one_of: { string_match: { exact: 'a' } } } }],
        },
      }),
      becomes: claim({ provider: 'three', match: exact }),
    },
    {
      name: 'no-such-claim',
      written: metadata(['own', 'role'], { present_match: true }, { invert: true }),
      becomes: { kind: 'not', of: claim({ provider: 'three', match: { kind: 'present' } }) },
    },
    {
      name: 'flag',
      written: { sourced_metadata: { metadata_matcher: metadata(['own', 'role'], { bool_match: true })['metadata'] } },
      becomes: claim({ provider: 'three', match: { kind: 'bool', value: true }, elements: 'never' }),
    },
  ];
  for (const { name, written, becomes } of principals) {
    it(`on who calls: ${name}`, () => {
      const { chain, problems, unhonoured } = wayIn(withFilters([tokens, rbac('ALLOW', { any: true }, written)]));
      assert.deepEqual([problems, unhonoured], [[], []]);
      assert.deepEqual(chain.authorization[0]?.rules[0]?.principals, [becomes]);
    });
  }

  it('on a claim never holds before the filter that reads tokens, as in Envoy', () => {
    const rule = rbac('DENY', { any: true }, metadata(['own', 'role'], { string_match: { exact: 'a' } }));
    const { chain, unhonoured } = wayIn(withFilters([rule, tokens]));
    assert.deepEqual(chain.authorization[0]?.rules[0]?.principals, [never]);
    assert.match(unhonoured[0]?.reason ?? '', /no token is noted under "own" before this filter/);
  });
});

describe('what cannot be evaluated', () => {
  const unknown: readonly { readonly name: string; readonly filter: (action: string) => Json }[] = [
    { name: 'permission-extension', filter: (action) => rbac(action, { matcher: { name: 'x', typed_config: {} } }) },
    {
      name: 'inside-of-lists',
      filter: (action) => rbac(action, { not_rule: { and_rules: { rules: [{ any: true }, { matcher: { name: 'x' } }] } } }),
    },
    {
      name: 'filter-state',
      filter: (action) => rbac(action, { any: true }, { filter_state: { key: 'k', string_match: { exact: 'a' } } }),
    },
    { name: 'custom-principal', filter: (action) => rbac(action, { any: true }, { custom: { name: 'x' } }) },
    { name: 'expression', filter: (action) => rbac(action, { any: true }, { any: true }, { condition: { const_expr: {} } }) },
    {
      name: 'metadata-of-others',
      filter: (action) => rbac(action, { metadata: { filter: 'x', path: [{ key: 'k' }], value: { present_match: true } } }),
    },
    {
      name: 'metadata-of-the-route',
      filter: (action) => rbac(action, { sourced_metadata: { metadata_source: 'ROUTE', metadata_matcher: {} } }),
    },
    { name: 'test-for-null', filter: (action) => rbac(action, { any: true }, metadata(['own', 'k'], { null_match: {} })) },
    { name: 'no-condition', filter: (action) => rbac(action, {}) },
  ];
  for (const { name, filter } of unknown) {
    it(`refuses every request in a DENY rule, and is told: ${name}`, () => {
      const { chain, unhonoured, problems } = wayIn(withFilters([tokens, filter('DENY')]));
      assert.deepEqual(problems, []);
      assert.deepEqual(chain.authorization, [
        { name: 'envoy.filters.http.rbac', action: 'deny', rules: [{ name: 'p', principals: [any], permissions: [any] }] },
      ]);
      assert.match(
        unhonoured.map(({ reason }) => reason).join('\n'),
        /cannot be evaluated, so that the rule matches every request/,
      );
    });

    it(`allows nobody in an ALLOW rule, and is told: ${name}`, () => {
      const { chain, unhonoured } = wayIn(withFilters([tokens, filter('ALLOW')]));
      assert.deepEqual(chain.authorization[0]?.rules, [{ name: 'p', principals: [never], permissions: [any] }]);
      assert.match(unhonoured.map(({ reason }) => reason).join('\n'), /cannot be evaluated, so that the rule matches none/);
    });
  }

  it('refuses everything when it is a tree of matchers', () => {
    const { chain, unhonoured } = wayIn(withFilters([httpFilter('rbac', 'RBAC', { matcher: { matcher_list: {} } })]));
    assert.equal(chain.authorization[0]?.action, 'deny');
    assert.match(unhonoured[0]?.reason ?? '', /matcher API .* every request is refused/);
  });

  for (const [name, filter] of [
    ['an unknown filter', httpFilter('basic_auth', 'BasicAuth', { users: {} })],
    [
      'a filter whose configuration has not come',
      { name: 'later', config_discovery: { type_urls: ['type.googleapis.com/x.Y'] } },
    ],
    ['a second filter for tokens', httpFilter('jwt_authn', 'JwtAuthentication', {})],
    [
      'an authorizer without a cluster',
      httpFilter('ext_authz', 'ExtAuthz', { grpc_service: { google_grpc: { target_uri: 'x' } } }),
    ],
  ] as const) {
    it(`refuses everything when it is ${name}`, () => {
      const { chain, unhonoured } = wayIn(withFilters([tokens, filter]));
      assert.equal(chain.authorization[0]?.action, 'deny');
      assert.deepEqual(chain.authorization[0].rules[0]?.principals, [any]);
      assert.match(unhonoured.map(({ reason }) => reason).join('\n'), /every request is refused/);
    });
  }

  it('is left out where it may be', () => {
    const { chain } = wayIn(withFilters([{ ...httpFilter('basic_auth', 'BasicAuth', {}), is_optional: true }]));
    assert.deepEqual(chain.authorization, []);
  });
});

describe('several filters of rules', () => {
  it('have to allow a request each, and deny by any of them', () => {
    const { chain } = wayIn(
      withFilters([rbac('ALLOW', { any: true }), rbac('DENY', { any: true }), rbac('ALLOW', { any: true })]),
    );
    assert.deepEqual(
      chain.authorization.map(({ action, stage }) => [action, stage]),
      [
        ['allow', undefined],
        ['deny', undefined],
        ['allow', 1],
      ],
    );
  });

  it('do nothing without rules, and allow nobody with an empty list of them', () => {
    const { chain } = wayIn(
      withFilters([httpFilter('rbac', 'RBAC', {}), httpFilter('rbac', 'RBAC', { rules: { action: 'DENY' } })]),
    );
    assert.deepEqual(chain.authorization, []);
    const empty = wayIn(withFilters([httpFilter('rbac', 'RBAC', { rules: {} })])).chain.authorization;
    assert.deepEqual(empty, [{ name: 'envoy.filters.http.rbac', action: 'allow', rules: [] }]);
  });

  it('are replaced for a route by the rules that it has for one of them, and no others', () => {
    const named = (name: string, action: string): Json => ({ ...rbac(action, { any: true }), name });
    const own = {
      '@type': 'type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute',
      rbac: { rules: { action: 'DENY', policies: { own: { permissions: [{ any: true }], principals: [{ any: true }] } } } },
    };
    const off = { '@type': 'type.googleapis.com/envoy.config.route.v3.FilterConfig', disabled: true };
    const routes = [
      route({ name: 'own', match: { prefix: '/own' }, typed_per_filter_config: { first: own } }),
      route({ name: 'off', match: { prefix: '/off' }, typed_per_filter_config: { second: off } }),
      route(),
    ];
    const { chain, problems } = wayIn(
      withFilters([named('first', 'ALLOW'), named('second', 'ALLOW')], {
        route_config: { virtual_hosts: [{ name: 'v', domains: ['*'], routes }] },
      }),
    );
    assert.deepEqual(problems, []);
    assert.ok(typeof chain.routes === 'object');
    const names = chain.routes.virtualHosts[0]?.routes.map(({ name, policy }) => [
      name,
      policy?.authorization?.map((each) => [each.name, each.action]),
    ]);
    assert.deepEqual(names, [
      [
        'own',
        [
          ['second', 'allow'],
          ['first', 'deny'],
        ],
      ],
      ['off', [['first', 'allow']]],
      ['all', undefined],
    ]);
  });
});

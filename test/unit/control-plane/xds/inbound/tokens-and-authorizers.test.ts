/** Tokens that requests need, and services that are asked about them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Findings } from '../../../../../src/control-plane/xds/translate/message.ts';
import { httpFilter, wayIn, withFilters, type Json } from './way-in.ts';

const keys = { local_jwks: { inline_string: '{"keys":[]}' } };
const jwt = (rest: Json): Json => httpFilter('jwt_authn', 'JwtAuthentication', rest);
const one = { one: { issuer: 'https://a.example', ...keys } };
const two = { ...one, two: { issuer: 'https://b.example', ...keys } };
const every = (requires: Json): Json => ({ match: { prefix: '/' }, requires });
const provider = (name: string): Json => ({ provider_name: name });

describe('a token', () => {
  const rows: readonly {
    readonly name: string;
    readonly written: Json;
    readonly allowMissing?: true;
    readonly rules?: unknown;
  }[] = [
    { name: 'of-the-only-provider', written: { providers: one, rules: [every(provider('one'))] } },
    {
      name: 'or-none',
      written: { providers: one, rules: [every({ requires_any: { requirements: [provider('one'), { allow_missing: {} }] } })] },
      allowMissing: true,
    },
    { name: 'of-nobody', written: { providers: one }, rules: [] },
    {
      name: 'for-a-part-of-the-requests',
      written: { providers: one, rules: [{ match: { prefix: '/open' } }, every(provider('one'))] },
      rules: [
        { match: { path: { kind: 'prefix', value: '/open' } } },
        { match: { path: { kind: 'prefix', value: '/' } }, requires: { kind: 'provider', provider: 'one' } },
      ],
    },
    {
      name: 'of-all-of-several',
      written: {
        providers: two,
        rules: [every({ requires_all: { requirements: [provider('one'), { allow_missing_or_failed: {} }] } })],
      },
      rules: [
        {
          match: { path: { kind: 'prefix', value: '/' } },
          requires: { kind: 'all', of: [{ kind: 'provider', provider: 'one' }, { kind: 'missing-or-failed' }] },
        },
      ],
    },
    {
      name: 'by-the-name-of-a-requirement',
      written: {
        providers: two,
        rules: [{ match: { prefix: '/' }, requirement_name: 'r' }],
        requirement_map: { r: { provider_and_audiences: { provider_name: 'two', audiences: ['x'] } } },
      },
      rules: [
        { match: { path: { kind: 'prefix', value: '/' } }, requires: { kind: 'provider', provider: 'two', audiences: ['x'] } },
      ],
    },
  ];
  for (const { name, written, allowMissing, rules } of rows) {
    it(`is needed as it is written: ${name}`, () => {
      const { chain, problems, unhonoured } = wayIn(withFilters([jwt(written)]));
      assert.deepEqual([problems, unhonoured], [[], []]);
      assert.equal(chain.jwt?.[0]?.allowMissing, allowMissing);
      assert.deepEqual(chain.jwtRules, rules);
    });
  }

  it('is looked for where Envoy looks, with its clock skew', () => {
    const [found] = wayIn(withFilters([jwt({ providers: one })])).chain.jwt ?? [];
    assert.deepEqual(found, {
      name: 'one',
      issuer: 'https://a.example',
      audiences: [],
      jwks: { kind: 'inline', document: '{"keys":[]}' },
      fromHeaders: [{ name: 'authorization', prefix: 'Bearer ' }],
      fromQuery: ['access_token'],
      clockSkewMs: 60_000,
      forward: false,
    });
  });

  it('has keys that are fetched from a cluster', () => {
    const remote = {
      remote_jwks: { http_uri: { uri: 'https://a.example/keys', cluster: 'issuer', timeout: '5s' }, cache_duration: '60s' },
    };
    const [found] = wayIn(withFilters([jwt({ providers: { one: { issuer: 'a', ...remote } } })])).chain.jwt ?? [];
    assert.deepEqual(found?.jwks, {
      kind: 'remote',
      url: 'https://a.example/keys',
      cluster: 'issuer',
      timeoutMs: 5000,
      cacheMs: 60_000,
    });
  });

  it('is needed by every request when it cannot be told which of them need it', () => {
    const rules = [{ match: { prefix: '/', filter_state: [{ key: 'k' }] }, requires: provider('one') }];
    const { chain, unhonoured } = wayIn(withFilters([jwt({ providers: one, rules })]));
    assert.equal(chain.authorization[0]?.action, 'deny');
    assert.match(unhonoured.map(({ reason }) => reason).join('\n'), /every request is refused/);
  });

  it('that is not verified is as good as none', () => {
    const { chain, unhonoured } = wayIn(
      withFilters([jwt({ providers: two, rules: [every({ extract_only_without_validation: {} })] })]),
    );
    assert.deepEqual(chain.jwtRules?.[0]?.requires, { kind: 'missing-or-failed' });
    assert.equal(unhonoured.length, 1);
  });
});

describe('an authorizer', () => {
  const shadow = httpFilter('rbac', 'RBAC', {
    shadow_rules: {
      action: 'DENY',
      policies: {
        'ask-a': { permissions: [{ any: true }], principals: [{ any: true }] },
        dry: { permissions: [{ any: true }], principals: [{ any: true }] },
      },
    },
    shadow_rules_stat_prefix: 'x_',
  });
  const grpc = (rest: Json = {}): Json =>
    httpFilter('ext_authz', 'ExtAuthz', { grpc_service: { envoy_grpc: { cluster_name: 'checker' } }, ...rest });
  const when = (rest: Json = {}): Json => ({
    filter_enabled_metadata: {
      filter: 'envoy.filters.http.rbac',
      path: [{ key: 'x_shadow_effective_policy_id' }],
      value: { string_match: { prefix: 'ask-' } },
      ...rest,
    },
  });

  it('is asked about every request, and refuses while it does not answer', () => {
    const { chain, unhonoured } = wayIn(withFilters([grpc()]));
    assert.deepEqual(unhonoured, []);
    assert.deepEqual(chain.externalAuthorizers, [
      { name: 'checker', protocol: 'grpc', cluster: 'checker', timeoutMs: 200, failOpen: false },
    ]);
    const [policy] = chain.authorization;
    assert.deepEqual([policy?.action, policy?.provider, policy?.rules[0]?.principals], ['custom', 'checker', [{ kind: 'any' }]]);
  });

  it('is asked about what shadow rules note, and the other shadow rules are a dry run', () => {
    const { chain } = wayIn(withFilters([shadow, grpc(when())]));
    assert.deepEqual(
      chain.authorization.map(({ action, dryRun = false, rules }) => [action, dryRun, rules.map(({ name }) => name).join()]),
      [
        ['custom', false, 'ask-a'],
        ['deny', true, 'dry'],
      ],
    );
  });

  for (const [name, rest] of [
    ['a condition on something else', when({ filter: 'envoy.filters.http.lua' })],
    ['a condition that is turned around', when({ invert: true })],
    ['a share of the requests', { filter_enabled: { default_value: { numerator: 50 } } }],
  ] as const) {
    it(`is rather asked about every request: ${name}`, () => {
      const { chain, unhonoured } = wayIn(withFilters([shadow, grpc(rest)]));
      assert.deepEqual(chain.authorization.find(({ action }) => action === 'custom')?.rules[0]?.permissions, [{ kind: 'any' }]);
      assert.match(unhonoured.map(({ reason }) => reason).join('\n'), /asked about (every request|all of them)/);
    });
  }

  it('is not asked when it is switched off', () => {
    const { chain } = wayIn(withFilters([grpc({ filter_enabled: { default_value: { numerator: 0 } } })]));
    assert.deepEqual([chain.authorization, chain.externalAuthorizers], [[], undefined]);
  });

  it('may come apart (ECDS)', () => {
    const filter = {
      name: 'apart',
      config_discovery: {
        config_source: { ads: {} },
        type_urls: ['type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz'],
      },
    };
    const extension = new Findings().message({ name: 'apart', typed_config: grpc()['typed_config'] }, '')!;
    const { chain } = wayIn(withFilters([filter]), { extension: (name) => (name === 'apart' ? extension : undefined) });
    assert.equal(chain.authorization[0]?.action, 'custom');
    assert.equal(wayIn(withFilters([filter])).chain.authorization[0]?.action, 'deny');
  });
});

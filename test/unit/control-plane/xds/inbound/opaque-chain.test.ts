/** Chains without HTTP: which of them lead to the app, and what becomes of the others. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { wayIn, type Json } from './way-in.ts';

const types = 'type.googleapis.com/envoy.extensions.filters.network';
const filter = (kind: string, type: string, config: Json): Json => ({
  name: `envoy.filters.network.${kind}`,
  typed_config: { '@type': `${types}.${kind}.v3.${type}`, ...config },
});
const proxyTo = (cluster: string): Json => filter('tcp_proxy', 'TcpProxy', { stat_prefix: 'x', cluster });
const named = (actions: readonly { readonly name: string; readonly action: string }[] | undefined): unknown =>
  actions?.map(({ name, action }) => `${action} ${name}`);

describe('a filter chain without HTTP', () => {
  it('is served where it leads the bytes to the app, without a word', () => {
    const { chain, unhonoured } = wayIn({ filter_chains: [{ name: 'c', filters: [proxyTo('inbound|7000||')] }] });
    assert.deepEqual([chain.protocol, chain.authorization, chain.connectionAuthorization], ['opaque', [], undefined]);
    assert.deepEqual(unhonoured, []);
  });

  const rows: readonly { readonly name: string; readonly filters: readonly Json[]; readonly isTold: boolean }[] = [
    { name: 'leads-nowhere', filters: [proxyTo('BlackHoleCluster')], isTold: false },
    {
      name: 'answers-itself',
      filters: [filter('direct_response', 'Config', { response: { inline_string: 'x' } })],
      isTold: true,
    },
    { name: 'echoes', filters: [filter('echo', 'Echo', {})], isTold: true },
    { name: 'has-no-filter', filters: [], isTold: true },
    {
      name: 'has-a-filter-that-is-not-run',
      filters: [filter('ratelimit', 'RateLimit', { stat_prefix: 'x', domain: 'x' }), proxyTo('inbound|7000||')],
      isTold: true,
    },
  ];
  for (const { name, filters, isTold } of rows)
    it(`refuses every connection where it ${name.replaceAll('-', ' ')}`, () => {
      const { chain, unhonoured } = wayIn({ filter_chains: [{ name: 'c', filters }] });
      assert.equal(chain.connectionAuthorization?.[0]?.action, 'deny', String(named(chain.connectionAuthorization)));
      assert.deepEqual(chain.connectionAuthorization[0]?.rules[0]?.principals, [{ kind: 'any' }]);
      assert.equal(unhonoured.length > 0, isTold, JSON.stringify(unhonoured));
    });

  it('refuses every connection where its conditions cannot be tested', () => {
    const chains = [{ name: 'c', filters: [proxyTo('inbound|7000||')], use_proxy_proto: true }];
    const { connectionAuthorization } = wayIn({ filter_chains: chains }).chain;
    assert.deepEqual(named(connectionAuthorization), ['deny c']);
  });
});

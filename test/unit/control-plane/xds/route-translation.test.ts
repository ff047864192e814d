/** Fields of Envoy's routes in the words of the model. What they do to requests is compared with a real Envoy by test/oracle. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { translateRouteConfiguration } from '../../../../src/control-plane/xds/translate/route-configuration.ts';
import type { RequestPolicy, RouteAction, RouteConfig, VirtualHostConfig } from '../../../../src/model/route.ts';

type Json = Readonly<Record<string, unknown>>;

function translated({ action = {}, route = {}, host = {} }: { action?: Json; route?: Json; host?: Json }) {
  const only = { match: { prefix: '/' }, route: { cluster: 'up', ...action }, ...route };
  return translateRouteConfiguration({ name: 'r', virtual_hosts: [{ name: 'v', domains: ['*'], routes: [only], ...host }] });
}

function hostOf(json: Parameters<typeof translated>[0]): VirtualHostConfig {
  const { value, problems, unhonoured } = translated(json);
  assert.deepEqual([problems, unhonoured], [[], []]);
  return value!.virtualHosts[0]!;
}

describe('the action of a route', () => {
  const rows: readonly { readonly name: string; readonly action: Json; readonly becomes: Partial<RouteAction> }[] = [
    { name: 'forwarded-host', action: { append_x_forwarded_host: true }, becomes: { appendForwardedHost: true } },
    { name: 'no-forwarded-host', action: { append_x_forwarded_host: false }, becomes: {} },
    { name: 'no-cluster-default', action: { cluster_not_found_response_code: 0 }, becomes: { clusterNotFoundStatus: 503 } },
    { name: 'no-cluster-404', action: { clusterNotFoundResponseCode: 'NOT_FOUND' }, becomes: { clusterNotFoundStatus: 404 } },
    { name: 'no-cluster-500', action: { cluster_not_found_response_code: 2 }, becomes: { clusterNotFoundStatus: 500 } },
  ];
  for (const { name, action, becomes } of rows) {
    it(`says ${name}`, () => {
      const expected = { kind: 'forward', to: [{ cluster: 'up', weight: 1 }], ...becomes };
      assert.deepEqual(hostOf({ action }).routes[0]!.action, expected);
    });
  }

  it('refuses a status for missing clusters that Envoy does not know', () => {
    const { problems } = translated({ action: { cluster_not_found_response_code: 'TEAPOT' } });
    assert.equal(problems[0]?.path, 'virtual_hosts[0].routes[0].route.cluster_not_found_response_code');
  });
});

describe('a virtual host', () => {
  it('counts attempts in requests and in responses apart', () => {
    const policyOf = (host: Json): RequestPolicy | undefined => hostOf({ host }).policy;
    assert.deepEqual(policyOf({ include_attempt_count_in_response: true }), {
      includeAttemptCount: false,
      includeAttemptCountInResponse: true,
    });
    assert.deepEqual(policyOf({ include_request_attempt_count: true }), { includeAttemptCount: true });
  });

  it('has its virtual clusters, and its routes their operation', () => {
    const headers = [{ name: ':path', string_match: { prefix: '/orders' } }];
    const host = hostOf({ host: { virtual_clusters: [{ name: 'orders', headers }] }, route: { decorator: { operation: 'o' } } });
    const expected: VirtualHostConfig['virtualClusters'] = [
      { name: 'orders', headers: [{ name: ':path', match: { kind: 'prefix', value: '/orders' } }] },
    ];
    assert.deepEqual(host.virtualClusters, expected);
    assert.equal((host.routes[0] as RouteConfig).operation, 'o');
  });
});

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

describe('an internal redirect policy', () => {
  const previous = { '@type': 'type.googleapis.com/envoy.extensions.internal_redirect.previous_routes.v3.PreviousRoutesConfig' };
  const safe = { '@type': 'type.googleapis.com/envoy.extensions.internal_redirect.safe_cross_scheme.v3.SafeCrossSchemeConfig' };
  const listed = (...names: string[]): Json => ({
    '@type': 'type.googleapis.com/envoy.extensions.internal_redirect.allow_listed_routes.v3.AllowListedRoutesConfig',
    allowed_route_names: names,
  });
  const rows: readonly { readonly name: string; readonly policy: Json; readonly becomes: RequestPolicy['internalRedirect'] }[] = [
    { name: 'empty', policy: {}, becomes: { maxRedirects: 1 } },
    { name: 'none', policy: { max_internal_redirects: 0 }, becomes: { maxRedirects: 0 } },
    {
      name: 'whole',
      policy: {
        max_internal_redirects: 3,
        redirect_response_codes: [301, 308],
        allow_cross_scheme_redirect: true,
        response_headers_to_copy: ['X-Copied'],
        predicates: [{ typed_config: previous }, { typed_config: safe }, { typed_config: listed('a', 'b') }],
      },
      becomes: {
        maxRedirects: 3,
        statuses: [301, 308],
        crossScheme: 'safe',
        responseHeadersToCopy: ['x-copied'],
        avoidPreviousRoutes: true,
        allowedRoutes: ['a', 'b'],
      },
    },
    { name: 'any-scheme', policy: { allow_cross_scheme_redirect: true }, becomes: { maxRedirects: 1, crossScheme: 'always' } },
    {
      name: 'two-lists',
      policy: { predicates: [{ typed_config: listed('a', 'b') }, { typed_config: listed('b', 'c') }] },
      becomes: { maxRedirects: 1, allowedRoutes: ['b'] },
    },
  ];
  for (const { name, policy, becomes } of rows) {
    it(`is read: ${name}`, () => {
      const host = hostOf({ action: { internal_redirect_policy: policy } });
      assert.deepEqual(host.routes[0]!.policy?.internalRedirect, becomes);
    });
  }

  it('follows nothing under a predicate that is not known, and says so', () => {
    const { value, unhonoured } = translated({ action: { internal_redirect_policy: { predicates: [{ name: 'moon' }] } } });
    assert.deepEqual(value!.virtualHosts[0]!.routes[0]!.policy?.internalRedirect, { maxRedirects: 0 });
    assert.match(unhonoured[0]!.reason, /redirects are not followed/);
  });

  it('ignores statuses that are no redirects, and says so', () => {
    const { value, unhonoured } = translated({ action: { internal_redirect_policy: { redirect_response_codes: [302, 200] } } });
    assert.deepEqual(value!.virtualHosts[0]!.routes[0]!.policy?.internalRedirect?.statuses, [302]);
    assert.match(unhonoured[0]!.reason, /200 is none of/);
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

describe('a policy for some requests only, of which we cannot tell which', () => {
  const unsayable = {
    name: 'x',
    string_match: { custom: { name: 'z', typed_config: { '@type': 'type.googleapis.com/google.protobuf.Empty' } } },
  };
  const faultOf = (more: Json) =>
    translated({
      route: {
        typed_per_filter_config: {
          'envoy.filters.http.fault': {
            '@type': 'type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault',
            abort: { http_status: 503, percentage: { numerator: 100 } },
            ...more,
          },
        },
      },
    });

  for (const [name, more] of Object.entries<Json>({
    'upstream-cluster': { upstream_cluster: 'only-this' },
    'downstream-nodes': { downstream_nodes: ['other'] },
    'headers-one-of-which-cannot-be-tested': { headers: [{ name: 'y', present_match: true }, unsayable] },
  }))
    it(`is no fault for all of them, and is told of: ${name}`, () => {
      const { value, problems, unhonoured } = faultOf(more);
      assert.deepEqual(problems, []);
      assert.equal(value!.virtualHosts[0]!.routes[0]!.policy?.fault || undefined, undefined);
      assert.ok(
        unhonoured.some(({ reason }) => /no request gets/.test(reason)),
        JSON.stringify(unhonoured),
      );
    });

  it('is a fault when the fields are there and empty', () => {
    const { value } = faultOf({ upstream_cluster: '', downstream_nodes: [], headers: [{ name: 'y', present_match: true }] });
    assert.notEqual(value!.virtualHosts[0]!.routes[0]!.policy?.fault || undefined, undefined);
  });

  const retryOf = (...headers: Json[]) =>
    translated({ action: { retry_policy: { retry_on: '5xx', retriable_request_headers: headers } } });

  it('is no retry of all of them', () => {
    const { value, problems, unhonoured } = retryOf(unsayable);
    assert.deepEqual(problems, []);
    const { requestHeaders } = value!.virtualHosts[0]!.routes[0]!.policy!.retry!;
    assert.deepEqual(requestHeaders, [{ name: 'x', match: { kind: 'exact', value: '\n' } }]);
    assert.ok(unhonoured.some(({ reason }) => /no request is tried again/.test(reason)));
  });

  it('is a retry of those that meet another of the tests, of which one is enough', () => {
    const { value } = retryOf(unsayable, { name: 'y', present_match: true });
    const { requestHeaders } = value!.virtualHosts[0]!.routes[0]!.policy!.retry!;
    assert.deepEqual(requestHeaders, [{ name: 'y', match: { kind: 'present' } }]);
  });
});

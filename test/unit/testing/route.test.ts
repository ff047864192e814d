import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compileEnvoy, route, seededRandom, type RouteOptions, type RouteRequest } from '../../../src/testing/index.ts';

const compiled = compileEnvoy(`
name: table
virtual_hosts:
  - name: orders
    domains: [orders, 'orders:8080']
    virtual_clusters: [{ name: item, headers: [{ name: ':path', string_match: { prefix: /items/ } }] }]
    routes:
      - name: canary
        match: { prefix: /canary, runtime_fraction: { default_value: { numerator: 20 }, runtime_key: orders.canary } }
        route: { cluster: canary }
      - name: split
        match: { prefix: /split }
        route: { weighted_clusters: { clusters: [{ name: one, weight: 75 }, { name: two, weight: 25 }] } }
      - name: rewrite
        match: { prefix: /api }
        route:
          cluster: api
          prefix_rewrite: /v2
          host_rewrite_literal: api.internal
          timeout: 3s
          retry_policy: { retry_on: 5xx, num_retries: 2 }
          hash_policy: [{ header: { header_name: x-user } }]
          request_mirror_policies: [{ cluster: shadow, runtime_fraction: { default_value: { numerator: 50 } } }]
        request_headers_to_add: [{ header: { key: x-added, value: 'yes' } }]
        request_headers_to_remove: [x-secret]
        response_headers_to_remove: [x-powered-by]
      - { name: moved, match: { path: /moved }, redirect: { host_redirect: new.example, response_code: FOUND } }
      - { name: closed, match: { path: /closed }, direct_response: { status: 503, body: { inline_string: closed } } }
      - { name: broken, match: { path: /broken }, route: { cluster: c, regex_rewrite: { pattern: { regex: ^/ }, substitution: x } } }
      - { name: plugin, match: { path: /plugin }, route: { cluster_specifier_plugin: p } }
      - { name: tenant, match: { prefix: /tenant }, route: { cluster_header: x-tenant } }
      - { match: { prefix: /items }, route: { cluster: items, auto_host_rewrite: true } }
  - { name: secure, domains: [secure.example], require_tls: ALL, routes: [{ match: { prefix: / }, route: { cluster: secure } }] }
`);

function ask(path: string, more: Partial<RouteRequest> = {}, options: RouteOptions = {}) {
  return route(compiled, { host: 'orders', path, ...more }, options);
}

describe('where a request goes', () => {
  it('is said with all that is rewritten', () => {
    const result = ask('/api/items?x=1', {
      method: 'POST',
      headers: { 'x-secret': 'a', 'x-user': ['b', 'c'] },
      responseHeaders: { 'X-Powered-By': 'php', vary: 'origin' },
    });
    const { policy: _policy, retry, ...rest } = result;
    assert.equal(retry?.maxAttempts, 3);
    assert.deepEqual(rest, {
      kind: 'forward',
      table: 'table',
      virtualHost: 'orders',
      route: 'rewrite',
      virtualCluster: 'other',
      cluster: 'api',
      method: 'POST',
      scheme: 'http',
      path: '/v2/items?x=1',
      host: 'api.internal',
      url: 'http://api.internal/v2/items?x=1',
      headers: [
        ['x-user', 'b'],
        ['x-user', 'c'],
        ['x-added', 'yes'],
        ['x-envoy-original-host', 'orders'],
        ['x-envoy-original-path', '/api/items?x=1'],
      ],
      responseHeaders: [['vary', 'origin']],
      timeoutMs: 3000,
      mirrors: [{ cluster: 'shadow', share: 0.5, host: 'api.internal-shadow' }],
      hashPolicies: [{ kind: 'header', name: 'x-user' }],
    });
  });

  it('is a redirect with its location', () => {
    const { kind, status, location, url, route: name } = ask('/moved');
    assert.deepEqual(
      { kind, status, location, url, name },
      {
        kind: 'redirect',
        status: 302,
        location: 'http://new.example/moved',
        url: 'http://new.example/moved',
        name: 'moved',
      },
    );
  });

  it('is a response with its body and headers', () => {
    const { kind, status, body, responseHeaders } = ask('/closed');
    assert.deepEqual({ kind, status, body }, { kind: 'respond', status: 503, body: 'closed' });
    assert.deepEqual(responseHeaders, [
      ['content-length', '6'],
      ['content-type', 'text/plain'],
    ]);
  });

  it('is https where the virtual host wants TLS', () => {
    const secure = { host: 'secure.example', path: '/a' };
    assert.equal(route(compiled, secure).location, 'https://secure.example/a');
    assert.equal(route(compiled, { ...secure, scheme: 'https' }).cluster, 'secure');
  });

  it('is nowhere when no route matches, or no virtual host', () => {
    for (const result of [ask('/nothing'), route(compiled, { host: 'unknown', path: '/' })]) {
      assert.deepEqual([result.kind, result.status, result.cluster], ['no-route', 404, undefined]);
      assert.match(result.reason!, /no (route|virtual host)/);
    }
  });

  it('is told when the route asks for what is not done', () => {
    const { kind, reason } = ask('/plugin');
    assert.equal(kind, 'unsupported');
    assert.match(reason!, /cluster_specifier_plugin/);
  });

  it('has the status that servers give a path without its slash', () => {
    const { kind, status, path } = ask('/broken');
    assert.deepEqual([kind, status, path], ['forward', 400, 'xbroken']);
  });

  it('is the cluster that a header names, or none', () => {
    assert.equal(ask('/tenant', { headers: [['X-Tenant', 'blue']] }).cluster, 'blue');
    assert.equal(ask('/tenant').cluster, '');
  });

  it('leaves the host to the endpoint where the route says so, and names a route without a name', () => {
    const { host, url, route: name, virtualCluster } = ask('/items/1');
    assert.deepEqual(
      { host, url, name, virtualCluster },
      {
        host: undefined,
        url: 'http://items/items/1',
        name: 'orders.routes[8]',
        virtualCluster: 'item',
      },
    );
  });
});

describe('the request of a policy test', () => {
  const forms: readonly { readonly name: string; readonly request: RouteRequest }[] = [
    { name: 'url', request: { url: 'http://orders/split?x=1' } },
    { name: 'url-object', request: { url: new URL('http://orders/split?x=1') } },
    { name: 'host-and-path', request: { host: 'orders', path: '/split?x=1' } },
    { name: 'authority', request: { authority: 'ORDERS', path: '/split?x=1' } },
    { name: 'host-header', request: { path: '/split?x=1', headers: { Host: 'orders' } } },
    { name: 'host-instead-of-that-of-the-url', request: { url: 'http://127.0.0.1:1/split?x=1', host: 'orders:8080' } },
    { name: 'headers-object', request: { url: 'http://orders/split?x=1', headers: new Headers({ accept: 'a' }) } },
  ];
  for (const { name, request } of forms) {
    it(`may be written as ${name}`, () => {
      const result = route(compiled, request);
      assert.equal(result.cluster, 'one');
      assert.equal(result.path, '/split?x=1');
      assert.equal(result.method, 'GET');
    });
  }

  it('is refused when it says not where it goes', () => {
    for (const request of [
      {},
      { path: '/' },
      { url: 'orders' },
      { host: 'orders', headers: 'a: b' },
      { host: 'a', headers: [['a']] },
      null,
    ]) {
      assert.throws(() => route(compiled, request as RouteRequest), TypeError, JSON.stringify(request));
    }
  });

  it('is refused for a table that does not exist', () => {
    assert.throws(() => ask('/', {}, { table: 'other' }), /there is no table "other"; there are "table"/);
  });

  it('has the values of a header that can be there only once in one', () => {
    const headers = [
      ['accept', 'a'],
      ['x-many', '1'],
      ['Accept', 'b'],
      ['x-many', '2'],
      ['accept', ''],
    ] as const;
    assert.deepEqual(ask('/split', { headers }).headers, [
      ['accept', 'a,b'],
      ['x-many', '1'],
      ['x-many', '2'],
    ]);
  });

  it('changes its timeout and its retries by its own headers, which are not sent on', () => {
    const { timeoutMs, retry, headers } = ask('/api', {
      headers: { 'x-envoy-upstream-rq-timeout-ms': '750', 'x-envoy-max-retries': '5' },
    });
    assert.equal(timeoutMs, 750);
    assert.equal(retry?.maxAttempts, 6);
    assert.deepEqual(
      headers.filter(([name]) => name.startsWith('x-envoy-') && !name.includes('original')),
      [],
    );
  });
});

describe('the chance of a policy test', () => {
  const rows: readonly { readonly name: string; readonly random?: RouteOptions['random']; readonly cluster: string }[] = [
    { name: 'none', cluster: 'one' },
    { name: 'first', random: 0, cluster: 'one' },
    { name: 'last-of-the-first', random: 74, cluster: 'one' },
    { name: 'first-of-the-second', random: 75, cluster: 'two' },
    { name: 'remainder', random: 345, cluster: 'one' }, // 345 of 100 is 45
    { name: 'remainder-of-the-second', random: 1099, cluster: 'two' },
    { name: 'fraction', random: 0.7499, cluster: 'one' },
    { name: 'fraction-of-the-second', random: 0.75, cluster: 'two' },
    { name: 'function', random: () => 0.99, cluster: 'two' },
  ];
  for (const { name, random, cluster } of rows) {
    it(`decides: ${name}`, () => assert.equal(ask('/split', {}, random === undefined ? {} : { random }).cluster, cluster));
  }

  it('splits as the weights say, when it is random', () => {
    const random = seededRandom(1);
    let second = 0;
    for (let count = 0; count < 4000; count++) if (ask('/split', {}, { random }).cluster === 'two') second++;
    assert.ok(Math.abs(second - 1000) < 82, `${second} of 4000`); // 3 standard deviations: 3·√(4000·0.25·0.75) = 82
  });

  it('is no number below 0', () => {
    assert.throws(() => ask('/split', {}, { random: -1 }), TypeError);
    assert.throws(() => ask('/split', {}, { random: Number.NaN }), TypeError);
  });

  it('meets a runtime fraction below its numerator, and that of the runtime layer when it has one', () => {
    const takes = (options: RouteOptions): boolean => ask('/canary', {}, options).route === 'canary';
    assert.equal(takes({ random: 19 }), true);
    assert.equal(takes({ random: 20 }), false);
    assert.equal(takes({ random: 20, runtime: { 'orders.canary': 21 } }), true);
    assert.equal(takes({ random: 99, runtime: { 'orders.canary': true } }), true);
    assert.equal(takes({ random: 0, runtime: { 'orders.canary': false } }), false);
    assert.equal(takes({ random: 0, runtime: { 'another.key': false } }), true);
    // As in a test of the router check tool.
    assert.equal(takes({ random: 19, runtime: 'orders.canary' }), true);
    assert.equal(takes({ random: 0, runtime: '' }), false);
  });

  it('changes nothing for the next request', () => {
    assert.deepEqual(ask('/split', {}, { random: 80 }), ask('/split', {}, { random: 80 }));
  });
});

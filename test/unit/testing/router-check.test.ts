import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compileEnvoy, routerCheck } from '../../../src/testing/index.ts';

const compiled = compileEnvoy(`
virtual_hosts:
  - name: shop
    domains: ['*']
    routes:
      - { match: { prefix: /old }, redirect: { prefix_rewrite: /new } }
      - { match: { prefix: /off, runtime_fraction: { default_value: { numerator: 0 }, runtime_key: key } }, route: { cluster: raised } }
      - { match: { prefix: /by, dynamic_metadata: [{ filter: f, path: [{ key: k }], value: { string_match: { exact: v } } }] }, route: { cluster: noted } }
      - match: { prefix: / }
        route: { cluster: web, prefix_rewrite: /web/ }
        request_headers_to_add: [{ header: { key: x-shop, value: 'yes' } }]
        response_headers_to_add: [{ header: { key: x-from, value: web } }]
`);

const input = { authority: 'shop.example', method: 'GET' };
const cases: readonly { readonly name: string; readonly input: object; readonly validate: object; readonly fails?: RegExp }[] = [
  {
    name: 'cluster',
    input: { path: '/a' },
    validate: { cluster_name: 'web', virtual_host_name: 'shop', virtual_cluster_name: '' },
  },
  {
    name: 'wrong-cluster',
    input: { path: '/a' },
    validate: { cluster_name: 'api' },
    fails: /cluster_name: expected "api", found "web"/,
  },
  {
    name: 'rewrites',
    input: { path: '/a' },
    validate: { path_rewrite: '/web/a', host_rewrite: 'shop.example', path_redirect: '' },
  },
  {
    name: 'redirect',
    input: { path: '/old/a', ssl: true },
    validate: { path_redirect: 'https://shop.example/new/a', code_redirect: 301, cluster_name: '' },
  },
  {
    name: 'request-headers',
    input: { path: '/a' },
    validate: {
      request_header_matches: [
        { name: 'x-shop', string_match: { exact: 'yes' } },
        { name: ':path', string_match: { exact: '/web/a' } },
      ],
    },
  },
  {
    name: 'response-headers',
    input: { path: '/a', additional_response_headers: [{ key: 'x-own', value: '1' }] },
    validate: { response_header_matches: [{ name: 'x-from', string_match: { exact: 'web' } }, { name: 'x-own' }] },
  },
  {
    name: 'missing-header',
    input: { path: '/a' },
    validate: { request_header_matches: [{ name: 'x-none' }] },
    fails: /x-none is null/,
  },
  { name: 'fraction-of-no-key', input: { path: '/off', random_value: 0 }, validate: { cluster_name: 'web' } },
  { name: 'fraction-of-the-key', input: { path: '/off', random_value: 0, runtime: 'key' }, validate: { cluster_name: 'raised' } },
  {
    name: 'noted',
    input: { path: '/by', dynamic_metadata: [{ metadata_namespace: 'f', value: { k: 'v' } }] },
    validate: { cluster_name: 'noted' },
  },
  {
    name: 'noted-first',
    input: {
      path: '/by',
      dynamic_metadata: [
        { metadata_namespace: 'f', value: { k: 'v' } },
        { metadata_namespace: 'f', value: { k: 'w' } },
      ],
    },
    validate: { cluster_name: 'noted' },
  },
];

describe('a test file of the router check tool', () => {
  for (const { name, input: own, validate, fails } of cases) {
    it(`has the verdict of the tool: ${name}`, () => {
      const tests = { tests: [{ test_name: name, input: { ...input, ...own }, validate }] };
      const [result] = routerCheck(compiled, JSON.stringify(tests));
      assert.equal(result!.name, name);
      assert.equal(result!.passed, fails === undefined, result!.failures.join('\n'));
      if (fails !== undefined) assert.match(result!.failures.join('\n'), fails);
    });
  }

  it('is a TypeError when it has no tests, or a validation that nobody knows', () => {
    assert.throws(() => routerCheck(compiled, '{}'), /has a list named tests/);
    const tests = { tests: [{ test_name: 'x', input: { ...input, path: '/' }, validate: { cluster: 'web' } }] };
    assert.throws(() => routerCheck(compiled, tests), /knows no validation cluster/);
  });
});

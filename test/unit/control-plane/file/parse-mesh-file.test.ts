import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkMeshObject, parseMeshFile } from '../../../../src/control-plane/file/parse-mesh-file.ts';
import { parseYaml } from '../../../../src/control-plane/file/parse-yaml.ts';
import { problemsOf, route, service } from './problems-of.ts';

interface Row {
  readonly name: string;
  readonly text: string;
  /** All problems, in the order of the text. */
  readonly problems: readonly RegExp[];
}

const rows: readonly Row[] = [
  // Keys
  {
    name: 'unknown-key-at-the-top',
    text: 'service: {}',
    problems: [/^service 1:1 unknown key; did you mean "services"\? \(known here: /],
  },
  {
    name: 'unknown-key-of-a-service',
    text: service('timeout: 5'),
    problems: [/^services\.a\.timeout 4:5 unknown key; did you mean "timeoutMs"/],
  },
  { name: 'unknown-key-in-snake-case', text: service('circuit_breaker: {}'), problems: [/did you mean "circuitBreaker"/] },
  {
    name: 'unknown-key-like-nothing',
    text: service('xyzzy: 1'),
    problems: [/^services\.a\.xyzzy 4:5 unknown key; known here: endpoints, /],
  },
  {
    name: 'unknown-key-deep-inside',
    text: service('retry: { budget: { ratios: 1 } }'),
    problems: [/^services\.a\.retry\.budget\.ratios .* did you mean "ratio"/],
  },
  {
    name: 'unknown-key-of-an-endpoint',
    text: 'services: { a: { endpoints: [{ adress: "h:1" }] } }',
    problems: [/address .* the key is missing/, /adress .* did you mean "address"/],
  },
  {
    name: 'key-named-like-a-method-of-objects',
    text: service('toString: 1'),
    problems: [/^services\.a\.toString 4:5 unknown key/],
  },
  { name: 'several-unknown-keys', text: 'one: 1\ntwo: 2\nthree: 3', problems: [/^one 1:1/, /^two 2:1/, /^three 3:1/] },
  {
    name: 'duplicate-key',
    text: 'services:\n  a: { dns: "h:1" }\n  b: { dns: "h:1" }\n  a: { dns: "h:2" }',
    problems: [/^services\.a 4:3 the key is there twice/],
  },
  {
    name: 'prototype-key',
    text: 'services:\n  __proto__: { dns: "h:1" }',
    problems: [/^services\.__proto__ 2:3 the keys __proto__, constructor and prototype are refused/],
  },
  {
    name: 'constructor-key',
    text: 'services: { a: { dns: "h:1", constructor: {} } }',
    problems: [/^services\.a\.constructor .* are refused/],
  },
  {
    name: 'prototype-key-in-metadata',
    text: 'services: { a: { endpoints: [{ address: "h:1", metadata: { prototype: x } }] } }',
    problems: [/metadata\.prototype .* are refused/],
  },

  // Types
  {
    name: 'text-for-a-number',
    text: service('timeoutMs: fast'),
    problems: [/^services\.a\.timeoutMs 4:16 found "fast"; expected a whole number of milliseconds, 0 … 2147483647$/],
  },
  { name: 'number-for-a-text', text: 'services: { a: { dns: 8080 } }', problems: [/dns .* found 8080; expected host:port/] },
  { name: 'nothing-for-a-number', text: service('timeoutMs:'), problems: [/timeoutMs .* found nothing; expected/] },
  {
    name: 'list-for-a-mapping',
    text: service('retry: [3]'),
    problems: [/^services\.a\.retry 4:12 found a list of 1; expected a mapping$/],
  },
  { name: 'list-for-the-services', text: 'services: [a]', problems: [/^services 1:11 found a list of 1; expected a mapping$/] },
  {
    name: 'mapping-for-a-list',
    text: service('routes: { to: [] }'),
    problems: [/^services\.a\.routes 4:13 found a mapping with "to"; expected a list$/],
  },
  { name: 'list-for-the-file', text: '- a', problems: [/^ 1:1 found a list of 1; expected a mapping$/] },
  { name: 'text-for-the-file', text: 'hello', problems: [/^ 1:1 found "hello"; expected a mapping$/] },
  {
    name: 'header-value-without-quotes',
    text: route('{ match: { headers: { x-canary: true } } }'),
    problems: [/x-canary .* found true; expected a text in quotes/],
  },
  {
    name: 'path-as-a-text',
    text: route('{ match: { path: /v2 } }'),
    problems: [/match\.path .* found "\/v2"; expected a mapping with exactly one of exact, prefix/],
  },

  // Values
  {
    name: 'no-attempts',
    text: service('retry: { maxAttempts: 0 }'),
    problems: [/maxAttempts .* found 0; expected a whole number, 1 … 100/],
  },
  { name: 'half-an-attempt', text: service('retry: { maxAttempts: 1.5 }'), problems: [/found 1.5; expected a whole number/] },
  {
    name: 'percent-of-0',
    text: service('circuitBreaker: { errorThresholdPercent: 0 }'),
    problems: [/found 0; expected a whole number, 1 … 100/],
  },
  {
    name: 'percent-of-101',
    text: service('outlierDetection: { maxEjectionPercent: 101 }'),
    problems: [/found 101; expected a whole number, 1 … 100/],
  },
  { name: 'negative-timeout', text: service('timeoutMs: -1'), problems: [/found -1; expected a whole number of milliseconds/] },
  { name: 'timeout-longer-than-a-timer', text: service('timeoutMs: 2147483648'), problems: [/found 2147483648; expected/] },
  { name: 'infinite-timeout', text: service('timeoutMs: .inf'), problems: [/found Infinity; expected/] },
  { name: 'timeout-that-is-no-number', text: service('timeoutMs: .nan'), problems: [/found NaN; expected/] },
  {
    name: 'budget-above-1',
    text: service('retry: { budget: { ratio: 1.5 } }'),
    problems: [/found 1.5; expected a number, 0 … 1/],
  },
  {
    name: 'weight-0-of-an-endpoint',
    text: 'services: { a: { endpoints: [{ address: "h:1", weight: 0 }] } }',
    problems: [/weight .* found 0; expected a whole number, 1 … 4294967295/],
  },
  {
    name: 'unknown-condition',
    text: service('retry: { on: [reset, gateway-errors] }'),
    problems: [
      /^services\.a\.retry\.on\[1\] 4:26 found "gateway-errors"; expected one of connect-failure, .*; did you mean "gateway-error"\?$/,
    ],
  },
  {
    name: 'unknown-policy',
    text: service('loadBalancing: { policy: least-requests }'),
    problems: [/did you mean "least-request"\?/],
  },
  {
    name: 'unknown-value-of-unknown-hosts',
    text: 'unknownHosts: allow',
    problems: [/^unknownHosts 1:15 found "allow"; expected one of dns, refuse$/],
  },
  {
    name: 'port-0',
    text: 'services: { a: { endpoints: ["h:0"] } }',
    problems: [/endpoints\[0\] .* found "h:0"; expected host:port .* the port 1 … 65535/],
  },
  { name: 'port-70000', text: 'services: { a: { dns: "h:70000" } }', problems: [/found "h:70000"; expected host:port/] },
  {
    name: 'endpoint-without-a-port',
    text: 'services: { a: { endpoints: [h] } }',
    problems: [/endpoints\[0\] .* found "h"; expected a port too, here or as `port`/],
  },
  {
    name: 'ipv6-endpoint-without-brackets',
    text: 'services: { a: { endpoints: ["::1:80"] } }',
    problems: [/endpoints\[0\] .* found "::1:80"; expected a port too, .*; did you mean "\[::1\]:80"\?/],
  },
  {
    name: 'endpoint-that-is-a-url',
    text: 'services: { a: { endpoints: ["http://h:80/"] } }',
    problems: [/without a scheme or path/],
  },
  {
    name: 'address-that-is-no-ip-and-no-name',
    text: 'services: { a: { endpoints: ["10.0.0.300:80"] } }',
    problems: [/found "10.0.0.300:80"; expected host:port/],
  },
  {
    name: 'no-endpoints-in-the-list',
    text: 'services: { a: { endpoints: [] } }',
    problems: [/endpoints .* found an empty list; expected at least one item/],
  },
  {
    name: 'regex-with-look-around',
    text: route('{ match: { path: { regex: "(?=a)" } } }'),
    problems: [/regex .* RE2 syntax .* invalid or unsupported Perl syntax/],
  },
  {
    name: 'regex-that-is-not-closed',
    text: route('{ match: { headers: { x: { regex: "(a" } } } }'),
    problems: [/x\.regex .* missing closing \)/],
  },
  {
    name: 'regex-that-is-too-large',
    text: route('{ match: { path: { regex: "(a{30}){30}b{200}" } } }'),
    problems: [/compiles to \d+ instructions; at most 1000 are allowed/],
  },
  {
    name: 'regex-that-is-too-long',
    text: route(`{ match: { path: { regex: "${'a'.repeat(1025)}" } } }`),
    problems: [/of at most 1024 characters/],
  },
  {
    name: 'two-tests-of-one-path',
    text: route('{ match: { path: { prefix: /a, exact: /b } } }'),
    problems: [/match\.path .* a mapping with "exact", "prefix"; expected a mapping with exactly one of/],
  },
  {
    name: 'test-of-a-path-without-a-test',
    text: route('{ match: { path: {} } }'),
    problems: [/found an empty mapping; expected a mapping with exactly one of/],
  },
  {
    name: 'path-without-a-slash',
    text: route('{ match: { path: { prefix: v2 } } }'),
    problems: [/found "v2"; expected a path that begins with \//],
  },
  { name: 'path-with-a-query', text: route('{ match: { path: { exact: "/a?b" } } }'), problems: [/has no \? or #/] },
  {
    name: 'method-in-small-letters',
    text: route('{ match: { methods: [get] } }'),
    problems: [/found "get"; expected a method in capitals/],
  },
  {
    name: 'header-that-is-no-name',
    text: route('{ match: { headers: { "x y": "1" } } }'),
    problems: [/found "x y"; expected a header name/],
  },
  {
    name: 'peer-with-a-wildcard',
    text: service('tls: { mode: simple, peers: ["*.example.org"] }'),
    problems: [/peers\[0\] .* expected a SPIFFE ID/],
  },
  {
    name: 'peer-with-a-capital-trust-domain',
    text: service('tls: { mode: simple, peers: ["spiffe://Example.org/a"] }'),
    problems: [/peers\[0\]/],
  },
  {
    name: 'peer-that-is-a-whole-trust-domain',
    text: service('tls: { mode: simple, peers: ["spiffe://example.org"] }'),
    problems: [/peers\[0\]/],
  },
  {
    name: 'pem-text-for-a-path',
    text: 'identity: { trustBundle: "-----BEGIN CERTIFICATE-----" }',
    problems: [/^identity\.trustBundle .* found PEM text; expected the path of a PEM file$/],
  },
  {
    name: 'service-name-with-a-port',
    text: 'services: { "a:80": { dns: "h:1" } }',
    problems: [/^services\["a:80"\] .* put further forms under `hosts`$/],
  },
  { name: 'service-name-that-is-a-url', text: 'services: { "http://a": { dns: "h:1" } }', problems: [/the host of its URLs/] },
  {
    name: 'host-that-is-a-url',
    text: service('hosts: ["https://a.example.org/"]'),
    problems: [/hosts\[0\] .* without a scheme or path/],
  },

  // What keys must agree on
  { name: 'endpoints-and-dns', text: service('dns: h:1'), problems: [/^services\.a\.dns 4:5 the service has `endpoints` too/] },
  {
    name: 'neither-endpoints-nor-dns',
    text: 'services: { a: { timeoutMs: 1 } }',
    problems: [/^services\.a .* no `endpoints` and no `dns`/],
  },
  {
    name: 'routes-to-itself-without-endpoints',
    text: 'services: { a: { routes: [{}] } }',
    problems: [/no `endpoints` and no `dns`/],
  },
  {
    name: 'one-address-twice',
    text: 'services: { a: { endpoints: ["h:1", "H:1"] } }',
    problems: [/endpoints\[1\] .* the same address as endpoints\[0\]/],
  },
  {
    name: 'subsets-of-dns',
    text: 'services: { a: { dns: "h:1", subsets: { v1: { version: v1 } } } }',
    problems: [/subsets select by the `metadata`/],
  },
  {
    name: 'subset-of-no-endpoint',
    text: 'services:\n  a:\n    endpoints: [{ address: "h:1", metadata: { version: v1 } }]\n    subsets: { v2: { version: v2 } }',
    problems: [
      /^services\.a\.subsets\.v2 4:20 no endpoint has all these values in its `metadata`; correct them, or remove the subset$/,
    ],
  },
  {
    name: 'subset-with-a-number-that-was-meant-as-text',
    text: 'services:\n  a:\n    endpoints: [{ address: "h:1", metadata: { version: "1.10" } }]\n    subsets: { v1: { version: 1.10 } }',
    problems: [
      /^services\.a\.subsets\.v1\.version 4:31 found the number 1\.1; the endpoints have the string "1\.10"; write both in quotes or neither$/,
    ],
  },
  {
    name: 'unknown-subset',
    text: 'services:\n  a:\n    endpoints: [{ address: "h:1", metadata: { v: 1 } }]\n    subsets: { stable: { v: 1 } }\n    routes: [{ to: [{ subset: stabel }] }]',
    problems: [
      /^services\.a\.routes\[0\]\.to\[0\]\.subset 5:31 found "stabel"; expected the name of a subset of "a"; did you mean "stable"\?/,
    ],
  },
  {
    name: 'unknown-subset-of-another-service',
    text: `${route('{ to: [{ service: b, subset: v1 }] }')}  b: { dns: "h:1" }\n`,
    problems: [/found "v1"; expected the name of a subset of "b"; none are known here/],
  },
  {
    name: 'unknown-service',
    text: route('{ to: [{ service: b }] }'),
    problems: [/to\[0\]\.service .* found "b"; expected the name of a service/],
  },
  {
    name: 'service-named-like-a-method-of-objects',
    text: route('{ to: [{ service: valueOf }] }'),
    problems: [/found "valueOf"; expected the name of a service/],
  },
  {
    name: 'subset-named-like-a-method-of-objects',
    text: route('{ to: [{ subset: toString }] }'),
    problems: [/found "toString"; expected the name of a subset/],
  },
  {
    name: 'route-to-a-service-without-endpoints',
    text: `${route('{ to: [{ service: b }] }')}  b: { routes: [{ to: [{ service: a }] }] }\n`,
    problems: [/the service "b" has no endpoints of its own/],
  },
  {
    name: 'weights-that-are-all-0',
    text: route('{ to: [{ weight: 0 }, { weight: 0 }] }'),
    problems: [/^services\.a\.routes\[0\]\.to 4:20 all weights are 0/],
  },
  {
    name: 'weights-beyond-uint32',
    text: route('{ to: [{ weight: 4294967295 }, { weight: 1 }] }'),
    problems: [/add up to 4294967296; expected at most 4294967295/],
  },
  {
    name: 'host-of-another-service',
    text: `${service('hosts: [B]')}  b: { dns: "h:1" }\n`,
    problems: [/^services\.a\.hosts\[0\] 4:13 the service "b" has the host "B" too/],
  },
  {
    name: 'service-twice-in-another-case',
    text: 'services: { a: { dns: "h:1" }, A: { dns: "h:1" } }',
    problems: [/^services\.A .* the service "a" has the host "A" too/],
  },
  { name: 'own-host-again', text: service('hosts: [a]'), problems: [/the service has the host "a" already/] },
  {
    name: 'route-name-twice',
    text: route('{ name: x, match: { methods: [GET] } }, { name: x }'),
    problems: [/routes\[1\]\.name .* routes\[0\] has the name "x" too/],
  },
  {
    name: 'header-twice-in-another-case',
    text: route('{ match: { headers: { X-A: "1", x-a: "2" } } }'),
    problems: [/headers\.x-a .* the header is there twice/],
  },
  {
    name: 'status-codes-without-their-condition',
    text: service('retry: { statusCodes: [503] }'),
    problems: [/statusCodes .* it has no effect unless `on` holds `retriable-status-codes`/],
  },
  {
    name: 'condition-without-its-status-codes',
    text: service('retry: { on: [retriable-status-codes] }'),
    problems: [/retry\.on .* needs the list `statusCodes`/],
  },
  {
    name: 'backoff-base-above-its-maximum',
    text: service('retry: { backoff: { baseMs: 300, maxMs: 250 } }'),
    problems: [/backoff .* `baseMs` \(300\) must not be larger than `maxMs` \(250\)/],
  },
  {
    name: 'ejection-base-above-its-maximum',
    text: service('outlierDetection: { baseEjectionMs: 300001 }'),
    problems: [/must not be larger than `maxEjectionMs` \(300000\)/],
  },
  {
    name: 'local-origin-failures-without-the-split',
    text: service('outlierDetection: { consecutiveLocalOriginFailure: 3 }'),
    problems: [/`splitLocalOriginErrors: true` only/],
  },
  {
    name: 'choice-count-of-another-policy',
    text: service('loadBalancing: { policy: random, choiceCount: 3 }'),
    problems: [/choiceCount .* only; remove it/],
  },
  {
    name: 'one-attempt-longer-than-all',
    text: service('timeoutMs: 100\n    retry: { perTryTimeoutMs: 200 }'),
    problems: [/^services\.a\.retry\.perTryTimeoutMs 5:31 found 200, more than `timeoutMs` \(100\)/],
  },
  {
    name: 'peers-in-plaintext',
    text: service('tls: { mode: disabled, peers: [a] }'),
    problems: [/tls\.peers .* no effect with `mode: disabled`/],
  },
  {
    name: 'identity-in-plaintext',
    text: service('tls: { mode: disabled, identity: spiffe }'),
    problems: [/tls\.identity .* no effect with `mode: disabled`/],
  },
  {
    name: 'identity-without-a-name',
    text: service("tls: { mode: simple, identity: '' }"),
    problems: [/tls\.identity .*the name of an identity, such as spiffe/],
  },
  {
    name: 'mutual-tls-without-identity',
    text: service('tls: { mode: mutual }'),
    problems: [/^services\.a\.tls\.mode 4:18 `mutual` needs a certificate to show; add `identity/],
  },
  {
    name: 'mutual-tls-with-roots-alone',
    text: `${service('tls: { mode: mutual }')}identity: { trustBundle: ca.pem }`,
    problems: [/`mutual` needs a certificate/],
  },
  {
    name: 'mutual-tls-of-defaults-without-identity',
    text: 'defaults: { tls: { mode: mutual } }',
    problems: [/^defaults\.tls\.mode /],
  },
  {
    name: 'certificate-without-its-key',
    text: 'identity: { certificate: a.pem }',
    problems: [/^identity\.certificate .* needs its `privateKey`/],
  },
  {
    name: 'key-without-its-certificate',
    text: 'identity: { privateKey: a.key }',
    problems: [/^identity\.privateKey .* needs the `certificate`/],
  },
  { name: 'identity-without-files', text: 'identity: {}', problems: [/^identity .* at least one of certificate/] },

  // Text
  { name: 'empty-file', text: '', problems: [/^ undefined:undefined it is empty; begin with `services:`/] },
  { name: 'nothing-but-a-comment', text: '# nothing\n', problems: [/it is empty/] },
  { name: 'list-that-is-not-closed', text: 'services: [', problems: [/^ 1:12 Flow sequence/] },
  { name: 'tab-as-indentation', text: 'services:\n\ta: 1', problems: [/^ 2:1 Tabs are not allowed/] },
  {
    name: 'a-mistake-of-syntax-and-what-comes-of-it',
    text: 'services:\n\ta: 1\n  b: [1, 2\nc: {x: 1\n',
    problems: [/^ 2:1 Tabs are not allowed as indentation; mend this first, what else the parser found \(4\) may come of it$/],
  },
  { name: 'two-documents', text: '{}\n---\n{}', problems: [/^ 2:1 a second document begins here/] },
  { name: 'custom-tag', text: 'services: !include other.yaml', problems: [/^services 1:20 the tag "!include" is not supported/] },
  {
    name: 'tag-of-javascript',
    text: 'unknownHosts: !!js/function "function () {}"',
    problems: [/the tag "tag:yaml.org,2002:js\/function" is not supported/],
  },
  { name: 'tag-of-binary', text: 'unknownHosts: !!binary aGVsbG8=', problems: [/is not supported/] },
  {
    name: 'merge-key',
    text: 'defaults: { <<: { timeoutMs: 1 } }',
    problems: [/^defaults\["<<"\] .* merge keys are not supported/],
  },
  { name: 'alias-without-an-anchor', text: 'services: *nowhere', problems: [/the alias \*nowhere has no anchor before it/] },
  { name: 'alias-of-itself', text: 'services: &a\n  a: *a', problems: [/nested more than 32 levels deep/] },
  { name: 'alias-bomb', text: bomb(9), problems: [/more than 100 aliases are expanded/] },
  { name: 'key-that-is-a-list', text: '? [a]\n: 1', problems: [/a key must be plain text/] },
  {
    name: 'nested-33-deep',
    text: `services: ${'{ a: '.repeat(33)}1${' }'.repeat(33)}`,
    problems: [/nested more than 32 levels deep/],
  },
  { name: 'ten-thousand-brackets', text: `services: ${'['.repeat(10_000)}`, problems: [/nested more than 32 levels deep/] },
  { name: 'ten-thousand-dashes', text: '- '.repeat(10_000), problems: [/nested more than 32 levels deep/] },
  {
    name: 'a-thousand-levels-of-indentation',
    text: Array.from({ length: 1000 }, (_, level) => `${' '.repeat(level)}a:`).join('\n'),
    problems: [/nested more than 32/],
  },
  { name: 'half-a-million-signs', text: `[${','.repeat(500_000)}]`, problems: [/more than 400000 words and signs/] },
];

/** Each level has the one below it nine times: 9⁹ values when expanded. */
function bomb(levels: number): string {
  const lines = ['l0: &l0 [x, x, x, x, x, x, x, x, x]'];
  for (let level = 1; level <= levels; level++)
    lines.push(
      `l${level}: &l${level} [${Array(9)
        .fill(`*l${level - 1}`)
        .join(', ')}]`,
    );
  return lines.join('\n');
}

describe('a mistake in a configuration file is refused with its path, its place and what would be right', () => {
  for (const { name, text, problems } of rows) {
    it(name, async () => {
      const found = await problemsOf(parseMeshFile(text, 'mesh.yaml'));
      assert.equal(found.length, problems.length, found.join('\n'));
      for (const [index, expected] of problems.entries()) assert.match(found[index]!, expected);
    });
  }

  it('has a name of its own for each row', () => {
    assert.equal(new Set(rows.map(({ name }) => name)).size, rows.length);
  });
});

describe('the error of a configuration', () => {
  it('names the file, counts the mistakes and lists them one a line', async () => {
    const text = service('timeout: 1\n    retry: { maxAttempts: 0 }');
    await assert.rejects(parseMeshFile(text, 'mesh.yaml'), {
      message:
        /^mesh\.yaml has 2 mistakes:\n {2}services\.a\.timeout \(mesh\.yaml:4:5\): unknown key.*\n {2}services\.a\.retry\.maxAttempts \(mesh\.yaml:5:27\): found 0; expected a whole number, 1 … 100$/,
    });
  });

  it('shows mistakes between keys of one service beside mistakes of form in another', async () => {
    const found = await problemsOf(
      parseMeshFile('services:\n  a: { timeoutMs: x, dns: "h:1" }\n  b: { dns: "h:1", hosts: [a] }\n', 'mesh.yaml'),
    );
    assert.match(found[0]!, /^services\.a\.timeoutMs /);
    assert.match(found[1]!, /^services\.b\.hosts\[0\] .* the service "a" has the host "a" too/);
    assert.equal(found.length, 2);
  });

  it('lists fifty mistakes and counts the rest', async () => {
    const text = Array.from({ length: 60 }, (_, index) => `k${index}: 1`).join('\n');
    await assert.rejects(parseMeshFile(text, 'mesh.yaml'), { message: /has 60 mistakes:\n(?:.*\n){50} {2}… and 10 more$/ });
  });

  const many = (count: number, line: (index: number) => string): string =>
    Array.from({ length: count }, (_, i) => line(i)).join('');
  const veryMany = [
    { name: 'unknown-keys', text: many(2000, (i) => `k${i}: 1\n`) },
    { name: 'duplicate-keys', text: many(2000, () => 'services: {}\n') },
    { name: 'wrong-values', text: `services:\n${many(500, (i) => `  s${i}: { dns: 1 }\n`)}` },
    { name: 'missing-services', text: `services:\n${many(500, (i) => `  s${i}: { routes: [{ to: [{ service: m${i} }] }] }\n`)}` },
  ];
  for (const { name, text } of veryMany) {
    it(`ends at a hundred mistakes: ${name}`, async () => {
      const parsed = parseMeshFile(text, 'mesh.yaml');
      assert.equal((await problemsOf(parsed)).length, 100);
      await assert.rejects(
        parsed,
        (error: Error) => error.message.startsWith('mesh.yaml has at least 100 mistakes:\n') && error.message.length < 20_000,
      );
    });
  }

  it('cuts a long value short', async () => {
    const [problem] = await problemsOf(parseMeshFile(service(`timeoutMs: ${'x'.repeat(1000)}`), 'mesh.yaml'));
    assert.ok(problem!.length < 300, problem);
  });
});

describe('what is taken', () => {
  it('takes a service named like a method of objects', async () => {
    const file = await parseMeshFile(
      'services: { toString: { dns: "h:1" }, hasOwnProperty: { routes: [{ to: [{ service: toString }] }] } }',
      'mesh.yaml',
    );
    assert.deepEqual(Object.keys(file.services), ['toString', 'hasOwnProperty']);
  });

  it('takes JSON', async () => {
    const file = await parseMeshFile('{"services": {"a": {"dns": "h:1"}}}', 'mesh.json');
    assert.equal(file.services['a']?.dns, 'h:1');
  });

  it('reads on and no as text, whatever version of YAML the file claims', async () => {
    const file = await parseMeshFile('%YAML 1.1\n---\nservices: { on: { dns: no } }', 'mesh.yaml');
    assert.deepEqual(Object.keys(file.services), ['on']);
  });

  it('takes a hundred aliases', async () => {
    const services = Array.from({ length: 100 }, (_, index) => `  s${index}: *s`);
    const file = await parseMeshFile(`services:\n  first: &s { dns: "h:1" }\n${services.join('\n')}`, 'mesh.yaml');
    assert.equal(Object.keys(file.services).length, 101);
  });
});

describe('aliases', () => {
  it('mean the last anchor of that name before them', async () => {
    const file = await parseMeshFile(
      'services:\n  a: &s { dns: "h:1" }\n  b: *s\n  c: &s { dns: "h:2" }\n  d: *s\n  e: { hosts: [&h other], dns: *h }\n',
      'mesh.yaml',
    );
    assert.deepEqual(
      Object.values(file.services).map(({ dns }) => dns),
      ['h:1', 'h:1', 'h:2', 'h:2', 'other'],
    );
  });

  it('are found in one walk, however many there are', async () => {
    // A walk of the whole document for each of them took several times as long as all the rest.
    const filler = Array.from({ length: 4000 }, (_, i) => `  f${i}: { dns: "h:1" }\n`).join('');
    const text = (value: string): string =>
      `services:\n  a: &s { dns: "h:1" }\n${filler}${Array.from({ length: 99 }, (_, i) => `  s${i}: ${value}\n`).join('')}`;
    const cpuMsOf = (value: string): number => {
      const before = process.cpuUsage();
      parseYaml(text(value));
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1000;
    };
    cpuMsOf('*s');
    const plainMs = cpuMsOf('{ dns: "h:1" }');
    const aliasedMs = cpuMsOf('*s');
    assert.ok(aliasedMs < 2.5 * plainMs, `${aliasedMs} ms with aliases, ${plainMs} ms without`);
  });
});

describe('a configuration that is an object', () => {
  it('is checked as the file is, without places', async () => {
    const found = await problemsOf(checkMeshObject({ services: { a: { dns: 'h:1', timeout: 1 } } }, 'the configuration'));
    assert.match(found[0]!, /^services\.a\.timeout undefined:undefined unknown key; did you mean "timeoutMs"/);
  });

  it('may have keys that are undefined', async () => {
    const file = await checkMeshObject({ services: { a: { dns: 'h:1', timeoutMs: undefined } } }, 'the configuration');
    assert.equal(file.services['a']?.timeoutMs, undefined);
  });

  it('is copied, so that a later change of it has no effect', async () => {
    const config = { services: { a: { endpoints: ['h:1'] } } };
    const checked = checkMeshObject(config, 'the configuration');
    config.services.a.endpoints.push('h:2');
    const file = await checked;
    assert.deepEqual(file.services['a']?.endpoints, ['h:1']);
  });

  const cycle: Record<string, unknown> = {};
  cycle['services'] = cycle;
  const hostile: readonly { readonly name: string; readonly value: unknown; readonly problem: RegExp }[] = [
    { name: 'function', value: { services: { a: () => {} } }, problem: /^services\.a .* found a function; expected plain data/ },
    { name: 'date', value: { services: { a: new Date(0) } }, problem: /found an instance of Date; expected plain data/ },
    { name: 'map', value: { services: new Map() }, problem: /found an instance of Map/ },
    { name: 'bigint', value: { services: { a: { dns: 'h:1', timeoutMs: 1n } } }, problem: /found bigint 1/ },
    { name: 'cycle', value: cycle, problem: /nested more than 32 levels deep/ },
    { name: 'own-prototype-key', value: JSON.parse('{"services": {"__proto__": {"dns": "h:1"}}}'), problem: /are refused/ },
    { name: 'nothing', value: null, problem: /found nothing; expected a mapping/ },
  ];
  for (const { name, value, problem } of hostile) {
    it(`is refused when it holds what no file can: ${name}`, async () => {
      assert.match((await problemsOf(checkMeshObject(value, 'the configuration')))[0] ?? 'no problem', problem);
    });
  }
});

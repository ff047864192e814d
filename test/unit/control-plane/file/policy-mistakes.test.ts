/** What the file refuses of matches, actions and policies of requests, one row each. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseMeshFile } from '../../../../src/control-plane/file/parse-mesh-file.ts';
import { problemsOf, route, service } from './problems-of.ts';

interface Row {
  readonly name: string;
  readonly text: string;
  /** All problems, in the order of the text. */
  readonly problems: readonly RegExp[];
}

const match = (keys: string): string => route(`{ match: { ${keys} } }`);
const rewrite = (path: string, keys: string): string => route(`{ match: { path: { ${path} } }, rewrite: { path: { ${keys} } } }`);

const rows: readonly Row[] = [
  // Matches
  {
    name: 'two-tests-of-one-path',
    text: match('path: { prefix: /a, exact: /a }'),
    problems: [/match\.path .* found a mapping with "exact", "prefix"; expected a mapping with exactly one of exact, prefix/],
  },
  {
    name: 'ignore-case-alone',
    text: match('path: { ignoreCase: true }'),
    problems: [/match\.path .* found a mapping with "ignoreCase"; expected a mapping with exactly one of/],
  },
  {
    name: 'ignore-case-of-a-regex',
    text: match('path: { regex: /a, ignoreCase: true }'),
    problems: [/path\.ignoreCase .* it has an effect beside `exact`, `prefix` and `segmentPrefix` only; remove it/],
  },
  {
    name: 'template-without-a-slash',
    text: match('path: { template: "orders/{id}" }'),
    problems: [/template .* expected a template such as \/orders\/\{id\}: .*must begin with \//],
  },
  {
    name: 'template-with-a-name-twice',
    text: match('path: { template: "/{id}/{id}" }'),
    problems: [/template .* the variable id stands there twice/],
  },
  {
    name: 'template-open-after-the-rest',
    text: match('path: { template: "/**/*" }'),
    problems: [/template .* nothing open may come after \*\*/],
  },
  {
    name: 'empty-range',
    text: match('headers: { x-n: { range: { start: 5, end: 5 } } }'),
    problems: [/x-n\.range .* `start` \(5\) must be less than `end` \(5\)/],
  },
  {
    name: 'range-with-one-end',
    text: match('headers: { x-n: { range: { start: 5 } } }'),
    problems: [/x-n\.range\.end .* the key is missing/],
  },
  {
    name: 'inverted-presence',
    text: match('headers: { x-n: { present: true, invert: true } }'),
    problems: [/x-n\.invert .* write `present: false` instead/],
  },
  {
    name: 'missing-value-beside-presence',
    text: match('cookies: { a: { present: true, whenMissing: empty } }'),
    problems: [/a\.whenMissing .* no effect beside `present`/],
  },
  {
    name: 'unknown-modifier-of-a-test',
    text: match('headers: { x-n: { exact: a, inverted: true } }'),
    problems: [/x-n\.inverted .* unknown key; did you mean "invert"\?/],
  },
  {
    name: 'cookie-that-is-no-name',
    text: match('cookies: { "a;b": x }'),
    problems: [/cookies.* expected the name of a cookie/],
  },
  { name: 'grpc-false', text: match('grpc: false'), problems: [/grpc .* found false; expected true/] },
  { name: 'percent-of-101', text: match('percent: 101'), problems: [/percent .* found 101; expected a number, 0 … 100/] },
  {
    name: 'percent-with-5-decimals',
    text: match('percent: 0.00001'),
    problems: [/percent .* expected a number, 0 … 100, with at most 4 decimals/],
  },
  {
    name: 'pattern-that-explodes',
    text: match('path: { regex: "((a{1,100}){1,100}){1,100}" }'),
    problems: [/regex .* expected a regular expression in RE2 syntax .*/],
  },
  {
    name: 'header-of-a-fault-twice',
    text: service('fault: { abort: { status: 503 }, headers: { X-A: "1", x-a: "2" } }'),
    problems: [/^services\.a\.fault\.headers\.x-a .* the header is there twice/],
  },

  // Actions
  {
    name: 'two-actions',
    text: route('{ to: [{ weight: 1 }], respond: { status: 200 } }'),
    problems: [/^services\.a\.routes\[0\] .* it has to and respond; keep one of them/],
  },
  {
    name: 'retry-of-an-answer',
    text: route('{ respond: { status: 200 }, retry: {}, timeoutMs: 1 }'),
    problems: [/retry, timeoutMs: without effect, since `respond` sends nothing to an endpoint; remove it/],
  },
  {
    name: 'rewrite-of-a-redirect',
    text: route('{ redirect: { host: b }, rewrite: { host: c } }'),
    problems: [/rewrite: without effect, since `redirect`/],
  },
  {
    name: 'redirect-to-the-same-place',
    text: route('{ redirect: { status: 302 } }'),
    problems: [/redirect .* it leads back to the same place; set at least one of scheme/],
  },
  {
    name: 'redirect-to-the-service-itself',
    text: route('{ redirect: { host: A } }'),
    problems: [/routes\[0\]\.redirect .* it leads back to this route, again and again; change the host or the path/],
  },
  {
    name: 'redirect-to-the-path-that-it-matches',
    text: route('{ match: { path: { prefix: /a } }, redirect: { path: { prefix: /a } } }'),
    problems: [/routes\[0\]\.redirect .* leads back to this route/],
  },
  {
    name: 'redirect-below-the-path-that-it-matches',
    text: route('{ match: { path: { prefix: /a } }, redirect: { path: { full: /a/b } } }'),
    problems: [/routes\[0\]\.redirect .* leads back to this route/],
  },
  { name: 'redirect-to-a-port-of-the-service', text: route('{ redirect: { host: a, port: 8443 } }'), problems: [] },
  { name: 'redirect-to-https', text: route('{ redirect: { scheme: https, host: a } }'), problems: [] },
  {
    name: 'redirect-of-further-hosts-to-one',
    text: service('hosts: [b]\n    routes: [{ redirect: { host: a } }]'),
    problems: [],
  },
  {
    name: 'redirect-to-a-path-of-a-route-before-it',
    text: service('routes: [{ match: { path: { exact: /new } } }, { redirect: { path: { full: /new } } }]'),
    problems: [],
  },
  {
    name: 'redirect-with-200',
    text: route('{ redirect: { status: 200, host: b } }'),
    problems: [/one of 301, 302, 303, 307, 308/],
  },
  {
    name: 'redirect-to-a-url',
    text: route('{ redirect: { host: "https://b/" } }'),
    problems: [/host .* without a scheme or path/],
  },
  { name: 'answer-without-status', text: route('{ respond: {} }'), problems: [/respond\.status .* the key is missing/] },
  {
    name: 'answer-with-100',
    text: route('{ respond: { status: 100 } }'),
    problems: [/found 100; expected a whole number, 200 … 599/],
  },
  {
    name: 'answer-of-5000-bytes',
    text: route(`{ respond: { status: 200, body: ${'x'.repeat(5000)} } }`),
    problems: [/body .* expected at most 4096 bytes/],
  },
  {
    name: 'service-header-that-is-no-header',
    text: route('{ serviceHeader: "x y" }'),
    problems: [/serviceHeader .* expected a header name/],
  },
  {
    name: 'forwarded-host-without-rewrite',
    text: route('{ rewrite: { path: { full: /a }, appendForwardedHost: true } }'),
    problems: [/rewrite .* appendForwardedHost: without effect where the host stays/],
  },
  { name: 'empty-rewrite', text: route('{ rewrite: {} }'), problems: [/rewrite .* expected at least one of path, host/] },
  {
    name: 'two-new-paths',
    text: rewrite('prefix: /a', 'prefix: /b, full: /c'),
    problems: [/rewrite\.path .* expected a mapping with exactly one of full, prefix, regex or template/],
  },
  {
    name: 'new-path-with-a-query',
    text: rewrite('prefix: /a', 'full: "/b?c=d"'),
    problems: [/expected a path that begins with \/ and has no space, \? or #/],
  },
  {
    name: 'new-prefix-without-a-match-of-the-path',
    text: route('{ rewrite: { path: { prefix: /b } } }'),
    problems: [/rewrite\.path\.prefix .* takes the place of what `match\.path` has matched; add `prefix`/],
  },
  {
    name: 'new-prefix-for-a-regex',
    text: rewrite('regex: /a.*', 'prefix: /b'),
    problems: [/rewrite\.path\.prefix .* add `prefix`, `segmentPrefix` or `exact` there, or use `full` or `regex`/],
  },
  {
    name: 'new-prefix-of-a-redirect-without-a-match',
    text: route('{ redirect: { path: { prefix: /b } } }'),
    problems: [/redirect\.path\.prefix .* takes the place of/],
  },
  {
    name: 'template-without-a-template',
    text: rewrite('prefix: /a', 'template: "/b/{id}"'),
    problems: [/rewrite\.path\.template .* takes its names from `match\.path`; add a `template` there/],
  },
  {
    name: 'template-with-an-unknown-name',
    text: rewrite('template: "/a/{id}"', 'template: "/b/{ident}"'),
    problems: [/\{ident\} is no name of the template in `match\.path`; .*known here: id/],
  },
  {
    name: 'group-that-is-not-there',
    text: rewrite('prefix: /a', 'regex: { pattern: "^/a/(.*)$", substitution: "/\\\\2" }'),
    problems: [/regex\.substitution .* \\2 is a group that the pattern does not have; it has 1/],
  },
  {
    name: 'reference-in-the-style-of-javascript',
    text: rewrite('prefix: /a', "regex: { pattern: '^/a', substitution: '\\n' }"),
    problems: [/substitution .* \\n is no reference; write \\0 … \\9/],
  },
  {
    name: 'host-with-a-path',
    text: route('{ rewrite: { host: b/c } }'),
    problems: [/rewrite\.host .* found "b\/c"; expected a host such as orders\.internal .* without a scheme or path/],
  },
  {
    name: 'mirror-to-nobody',
    text: route('{ mirror: [{ service: shadow }] }'),
    problems: [/mirror\[0\]\.service .* found "shadow"; expected the name of a service/],
  },
  {
    name: 'mirror-to-an-unknown-subset',
    text: route('{ mirror: [{ service: a, subset: v2 }] }'),
    problems: [/mirror\[0\]\.subset .* found "v2"; expected the name of a subset of "a"/],
  },
  {
    name: 'mirror-without-service',
    text: route('{ mirror: [{ percent: 1 }] }'),
    problems: [/mirror\[0\]\.service .* the key is missing/],
  },
  {
    name: 'host-suffix-with-a-slash',
    text: route('{ mirror: [{ service: a, hostSuffix: /x }] }'),
    problems: [/hostSuffix .* letters, digits, - and \./],
  },

  // Headers
  { name: 'empty-mutation', text: service('requestHeaders: {}'), problems: [/requestHeaders .* at least one of remove, set/] },
  {
    name: 'host-as-a-header',
    text: service('requestHeaders: { set: { Host: b } }'),
    problems: [/the host is changed with `rewrite: \{ host: … \}`/],
  },
  {
    name: 'length-of-the-body',
    text: service('requestHeaders: { remove: [Content-Length] }'),
    problems: [/it says where the message ends; leave it alone/],
  },
  {
    name: 'header-of-the-connection',
    text: service('responseHeaders: { add: { Connection: close } }'),
    problems: [/it belongs to one connection/],
  },
  {
    name: 'value-on-two-lines',
    text: service('requestHeaders: { set: { x-a: "b\\r\\nx-evil: c" } }'),
    problems: [/requestHeaders\.set\.x-a .* expected a text on one line/],
  },
  {
    name: 'value-that-is-a-number',
    text: service('requestHeaders: { set: { x-a: 1 } }'),
    problems: [/x-a .* found 1; expected a text on one line, in quotes/],
  },
  {
    name: 'header-set-twice-in-another-case',
    text: route('{ to: [{ requestHeaders: { set: { X-A: "1", x-a: "2" } } }] }'),
    problems: [/^services\.a\.routes\[0\]\.to\[0\]\.requestHeaders\.set\.x-a .* the header is there twice/],
  },

  // Faults, rates, hedges, retries
  {
    name: 'retriable-headers-without-their-condition',
    text: service('retry: { retriableHeaders: { x-a: b } }'),
    problems: [/retriableHeaders .* unless `on` holds `retriable-headers`/],
  },
  {
    name: 'condition-without-its-retriable-headers',
    text: service('retry: { on: [retriable-headers] }'),
    problems: [/retry\.on .* needs the tests `retriableHeaders`/],
  },
  {
    name: 'times-that-the-timeout-cuts-off',
    text: service(
      'timeoutMs: 100\n    hedge: { delayMs: 200 }\n    responseTimeoutMs: 300\n    limits: { pendingTimeoutMs: 400 }',
    ),
    problems: [
      /a\.hedge\.delayMs .* found 200, more than `timeoutMs` \(100\), which covers the whole request; make it smaller/,
      /a\.responseTimeoutMs .* found 300/,
      /a\.limits\.pendingTimeoutMs .* found 400/,
    ],
  },
  {
    name: 'retry-on-nothing',
    text: service('retry: { on: [] }'),
    problems: [/retry\.on .* found an empty list; expected at least one item; for no retries write `maxAttempts: 1`/],
  },
  {
    name: 'conditions-as-envoy-writes-them',
    text: service('retry: { on: "5xx,reset" }'),
    problems: [/retry\.on .* found "5xx,reset"; expected a list such as \[reset, 5xx\]/],
  },
  {
    name: 'reset-header-in-minutes',
    text: service('retry: { resetHeaders: { retry-after: minutes } }'),
    problems: [/retry-after .* found "minutes"; expected one of seconds, unix-timestamp/],
  },
  {
    name: 'fault-without-a-fault',
    text: service('fault: { maxActive: 1 }'),
    problems: [/fault .* it makes no fault; set at least one/],
  },
  {
    name: 'delay-in-two-ways',
    text: service('fault: { delay: { fixedMs: 1, byHeader: true } }'),
    problems: [
      /fault\.delay .* found a mapping with "fixedMs", "byHeader"; expected a mapping with exactly one of fixedMs or byHeader/,
    ],
  },
  {
    name: 'delay-that-is-empty',
    text: service('fault: { delay: {} }'),
    problems: [/fault\.delay .* found an empty mapping; expected a mapping with exactly one of/],
  },
  { name: 'delay-of-nothing', text: service('fault: { delay: { fixedMs: 0 } }'), problems: [/fixedMs .* found 0; expected/] },
  {
    name: 'abort-with-two-statuses',
    text: service('fault: { abort: { status: 500, grpcStatus: 14 } }'),
    problems: [/fault\.abort .* exactly one of status, grpcStatus or byHeader/],
  },
  {
    name: 'abort-with-ok-of-grpc',
    text: service('fault: { abort: { grpcStatus: 0 } }'),
    problems: [/expected a whole number, 1 … 16/],
  },
  {
    name: 'rate-of-nothing',
    text: service('rateLimit: { requests: 0 }'),
    problems: [/requests .* found 0; expected a whole number, 1/],
  },
  { name: 'rate-without-requests', text: service('rateLimit: {}'), problems: [/rateLimit\.requests .* the key is missing/] },
  {
    name: 'refusal-with-200',
    text: service('rateLimit: { requests: 1, status: 200 }'),
    problems: [/status .* expected a whole number, 400 … 599/],
  },
  {
    name: 'hedge-without-a-time',
    text: service('hedge: {}'),
    problems: [/hedge .* it does not say when another attempt starts/],
  },
  {
    name: 'hedge-with-two-times',
    text: service('hedge: { delayMs: 1, onPerTryTimeout: true }'),
    problems: [/hedge .* set exactly one of delayMs, backup, onPerTryTimeout/],
  },
  {
    name: 'hedge-with-6-attempts',
    text: service('hedge: { delayMs: 1, maxAttempts: 6 }'),
    problems: [/maxAttempts .* found 6; expected a whole number, 2 … 5/],
  },
  {
    name: 'attempts-of-a-backup',
    text: service('hedge: { backup: { maxExtraLoadPercent: 5 }, maxAttempts: 3 }'),
    problems: [/hedge\.maxAttempts .* it has an effect beside `delayMs` only/],
  },
  {
    name: 'status-that-grpc-does-not-have',
    text: service('hedge: { delayMs: 1, nonFatalStatuses: [unavailabel] }'),
    problems: [/nonFatalStatuses\[0\] .* found "unavailabel"; .* did you mean "unavailable"\?/],
  },

  // Limits, sessions, hashes
  {
    name: 'ring-of-a-table',
    text: service('loadBalancing: { policy: maglev, minimumRingSize: 5 }'),
    problems: [/minimumRingSize .* it has an effect with `policy: ring-hash` only; remove it/],
  },
  {
    name: 'table-that-is-no-prime',
    text: service('loadBalancing: { policy: maglev, tableSize: 100 }'),
    problems: [/tableSize .* it must be a prime/],
  },
  {
    name: 'ring-upside-down',
    text: service('loadBalancing: { policy: ring-hash, maximumRingSize: 100 }'),
    problems: [/loadBalancing .* `minimumRingSize` \(1024 by default\) must not be larger than `maximumRingSize`/],
  },
  {
    name: 'factor-of-a-policy-that-does-not-hash',
    text: service('loadBalancing: { policy: random, balanceFactorPercent: 150 }'),
    problems: [/balanceFactorPercent .* with `policy: ring-hash` and `maglev` only/],
  },
  {
    name: 'more-connections-of-one-host-than-of-all',
    text: service('limits: { maxConnectionsPerHost: 2000 }'),
    problems: [/limits\.maxConnectionsPerHost .* no effect above `maxConnections` \(1024 by default\)/],
  },
  {
    name: 'least-above-most',
    text: service('limits: { adaptive: { algorithm: vegas, maxLimit: 10 } }'),
    problems: [/limits\.adaptive .* `minLimit` \(20 by default/],
  },
  {
    name: 'beginning-outside-of-the-bounds',
    text: service('limits: { adaptive: { algorithm: vegas, minLimit: 5, initialLimit: 4 } }'),
    problems: [/initialLimit .* must lie between `minLimit` and `maxLimit`/],
  },
  {
    name: 'algorithm-that-is-none',
    text: service('limits: { adaptive: { algorithm: gradient3 } }'),
    problems: [/algorithm .* did you mean "gradient2"\?/],
  },
  {
    name: 'throttle-that-refuses-what-is-accepted',
    text: service('limits: { throttle: { multiplier: 0.5 } }'),
    problems: [/multiplier .* found 0.5; expected a number, 1 … 1000/],
  },
  {
    name: 'adaptive-limit-of-high-priority',
    text: service('limits: { highPriority: { adaptive: { algorithm: vegas } } }'),
    problems: [/limits\.highPriority\.adaptive .* unknown key/],
  },
  { name: 'session-in-nothing', text: service('sessionAffinity: {}'), problems: [/exactly one of cookie or header/] },
  {
    name: 'path-of-a-header',
    text: service('sessionAffinity: { header: x-session, path: / }'),
    problems: [/sessionAffinity\.path .* it belongs to `cookie`; remove it/],
  },
  {
    name: 'path-with-an-attribute',
    text: service('sessionAffinity: { cookie: s, path: "/; Domain=evil.example" }'),
    problems: [/path .* a path that begins with \/ and has no ; or space/],
  },
  {
    name: 'life-of-a-query-parameter',
    text: service('hash: [{ query: user, ttlMs: 0 }]'),
    problems: [/hash\[0\]\.ttlMs .* it belongs to `cookie`; remove it/],
  },
  {
    name: 'path-of-a-cookie-that-is-not-made',
    text: service('hash: [{ cookie: user, path: / }]'),
    problems: [/hash\[0\]\.path .* beside `ttlMs` only/],
  },
  { name: 'unknown-overrides', text: service('overrideHeaders: istio'), problems: [/one of envoy, linkerd/] },
  {
    name: 'upgrade-that-is-no-word',
    text: service('upgrades: ["a b"]'),
    problems: [/upgrades\[0\] .* a protocol such as websocket/],
  },
  {
    name: 'rate-of-the-defaults',
    text: 'defaults: { rateLimit: { requests: 1 } }',
    problems: [/^defaults\.rateLimit .* unknown key/],
  },
];

describe('a mistake in what a file says of requests is refused with its path, its place and what would be right', () => {
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

describe('mistakes are reported all at once', () => {
  const all: readonly Row[] = [
    {
      name: 'in-a-key-and-between-others',
      text: service('timeoutMs: -1\n    routes: [{ to: [{ service: b }] }]'),
      problems: [/a\.timeoutMs .* found -1/, /routes\[0\]\.to\[0\]\.service .* found "b"/],
    },
    {
      name: 'in-a-route-and-in-the-next',
      text: service('routes: [{ match: { path: /x } }, { name: n, to: [{ subset: v }] }, { name: n }]'),
      problems: [/routes\[0\]\.match\.path /, /routes\[1\]\.to\[0\]\.subset .* "v"/, /routes\[2\]\.name .* too/],
    },
    {
      name: 'in-the-endpoints-and-in-a-route-elsewhere',
      text: 'services:\n  a: { endpoint: [h:1], subsets: { v: {} } }\n  b: { dns: h:1, routes: [{ to: [{ service: a, subset: w }, { service: c }] }] }',
      problems: [/a\.endpoint .* unknown key/, /b\.routes\[0\]\.to\[1\]\.service .* "c"/],
    },
    {
      name: 'in-the-text-and-in-the-values',
      text: 'services:\n  a: { <<: { dns: h:1 }, timeoutMs: -1 }\n  b: { dns: h:1, dns: 5, port: 0 }\n  c: { dns: !x h, port: 0 }',
      problems: [
        /a\["<<"\] .* merge keys are not supported/,
        /a\.timeoutMs .* found -1/,
        /b\.dns 3:\d+ the key is there twice/,
        /b\.port .* found 0/,
        /c\.dns .* the tag/,
        /c\.port .* found 0/,
      ],
    },
  ];
  for (const { name, text, problems } of all) {
    it(name, async () => {
      const found = await problemsOf(parseMeshFile(text, 'mesh.yaml'));
      assert.equal(found.length, problems.length, found.join('\n'));
      for (const [index, expected] of problems.entries()) assert.match(found[index]!, expected);
    });
  }
});

describe('a service without endpoints', () => {
  it('may have routes that all redirect, respond or ask a header', async () => {
    const text = `services:
  a: { routes: [{ match: { path: { prefix: /x } }, redirect: { host: b } }, { respond: { status: 404 } }] }
  b: { routes: [{ serviceHeader: x-service }] }
`;
    const { services } = await parseMeshFile(text, 'mesh.yaml');
    assert.deepEqual(Object.keys(services), ['a', 'b']);
  });
});

/**
 * Bad policies, one row each: the store refuses the resource with the path of the mistake and what would be right. What is no mistake
 * for Envoy, and has no effect here or there, is taken and noted.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ResourceKind } from '../../../src/model/snapshot.ts';
import { verdictOn } from './verdict-on.ts';

type Fields = Record<string, unknown>;

const routeOf = (fields: Fields): Fields => ({
  name: 'x',
  virtualHosts: [
    { name: 'h', domains: ['*'], routes: [{ name: 'r', match: {}, action: { kind: 'respond', status: 204 }, ...fields }] },
  ],
});
const policy = (fields: Fields): Fields => routeOf({ policy: fields });
const retry = (fields: Fields): Fields => policy({ retry: { maxAttempts: 2, on: ['reset'], ...fields } });
const match = (fields: Fields): Fields => routeOf({ match: fields });
const forward = (fields: Fields, tested: Fields = {}): Fields =>
  routeOf({ match: tested, action: { kind: 'forward', to: [{ cluster: 'c', weight: 1 }], ...fields } });
const redirect = (fields: Fields): Fields => routeOf({ action: { kind: 'redirect', status: 301, ...fields } });
const limits = (fields: Fields): Fields => ({
  name: 'x',
  discovery: { kind: 'static', localities: [] },
  loadBalancing: { policy: 'least-request' },
  limits: fields,
});
const all = { numerator: 100, denominator: 100 };

interface Row {
  readonly name: string;
  readonly kind?: ResourceKind;
  readonly value: unknown;
  /** Below the route. */
  readonly path: string;
  readonly reason: RegExp;
}

const atRoute = 'virtualHosts[0].routes[0].';

const refused: readonly Row[] = [
  // Redirects
  {
    name: 'redirect-by-200',
    value: policy({ internalRedirect: { statuses: [302, 200] } }),
    path: 'policy.internalRedirect.statuses[1]',
    reason: /200 is none of 301, 302, 303, 307, 308/,
  },
  {
    name: 'redirect-copies-the-host',
    value: policy({ internalRedirect: { responseHeadersToCopy: ['host'] } }),
    path: 'policy.internalRedirect.responseHeadersToCopy[0]',
    reason: /is what the redirect itself says/,
  },
  {
    name: 'redirect-half-a-time',
    value: policy({ internalRedirect: { maxRedirects: 0.5 } }),
    path: 'policy.internalRedirect.maxRedirects',
    reason: /whole number/,
  },
  {
    name: 'no-cluster-is-a-teapot',
    value: forward({ clusterNotFoundStatus: 418 }),
    path: 'action.clusterNotFoundStatus',
    reason: /418 is none of 404, 500, 503/,
  },
  // Impossible durations
  {
    name: 'negative-idle-timeout',
    value: policy({ idleTimeoutMs: -1 }),
    path: 'policy.idleTimeoutMs',
    reason: /-1 is not a time from 0 ms to one year/,
  },
  {
    name: 'stream-of-two-years',
    value: policy({ maxStreamDurationMs: 63_072_000_000 }),
    path: 'policy.maxStreamDurationMs',
    reason: /to one year/,
  },
  {
    name: 'text-for-a-cap',
    value: policy({ grpcTimeoutCapMs: '5s' }),
    path: 'policy.grpcTimeoutCapMs',
    reason: /"5s" is not a time/,
  },
  {
    name: 'negative-per-try-timeout',
    value: retry({ perTryTimeoutMs: -5 }),
    path: 'policy.retry.perTryTimeoutMs',
    reason: /-5 is not a time/,
  },
  {
    name: 'negative-hedge-delay',
    value: policy({ hedge: { delayMs: -1 } }),
    path: 'policy.hedge.delayMs',
    reason: /is not a time/,
  },
  {
    name: 'fill-of-no-time',
    value: policy({ rateLimit: { maxTokens: 1, tokensPerFill: 1, fillIntervalMs: 0 } }),
    path: 'policy.rateLimit.fillIntervalMs',
    reason: /must be longer than 0 ms/,
  },
  {
    name: 'back-off-without-a-maximum',
    value: retry({ backoff: { baseMs: 25 } }),
    path: 'policy.retry.backoff.maxMs',
    reason: /null is not a time/,
  },
  {
    name: 'delay-of-a-fault-before-now',
    value: policy({ fault: { delay: { fraction: all, fixedMs: -1 } } }),
    path: 'policy.fault.delay.fixedMs',
    reason: /is not a time/,
  },
  {
    name: 'window-of-no-time',
    kind: 'cluster',
    value: limits({ throttle: { windowMs: 0 } }),
    path: 'limits.throttle.windowMs',
    reason: /longer than 0 ms/,
  },
  {
    name: 'adaptive-timeout-of-nothing',
    kind: 'cluster',
    value: limits({ adaptive: { algorithm: 'aimd', timeoutMs: 0 } }),
    path: 'limits.adaptive.timeoutMs',
    reason: /longer than 0 ms/,
  },

  // Retry words
  {
    name: 'unknown-retry-word',
    value: retry({ on: ['reset', 'conect-failure'] }),
    path: 'policy.retry.on[1]',
    reason: /"conect-failure" is none of .*; did you mean connect-failure\?/,
  },
  { name: 'retry-words-as-one-text', value: retry({ on: '5xx,reset' }), path: 'policy.retry.on', reason: /must be a list/ },
  {
    name: 'retriable-status-of-99',
    value: retry({ statusCodes: [99] }),
    path: 'policy.retry.statusCodes[0]',
    reason: /from 100 to 599/,
  },
  {
    name: 'retriable-header-in-capitals',
    value: retry({ retriableHeaders: [{ name: 'X-Retry', match: { kind: 'present' } }] }),
    path: 'policy.retry.retriableHeaders[0].name',
    reason: /capitals and would never match; write it in lower case/,
  },
  {
    name: 'body-of-two-gigabytes',
    value: retry({ maxBodyBytes: 2_147_483_648 }),
    path: 'policy.retry.maxBodyBytes',
    reason: /from 0 to 1073741824/,
  },

  // Hedges
  {
    name: 'thousand-attempts-at-once',
    value: policy({ hedge: { delayMs: 0, maxAttempts: 1000 } }),
    path: 'policy.hedge.maxAttempts',
    reason: /from 1 to 100/,
  },
  {
    name: 'status-that-grpc-does-not-have',
    value: policy({ hedge: { delayMs: 0, nonFatalStatuses: ['UNAVAILABEL'] } }),
    path: 'policy.hedge.nonFatalStatuses[0]',
    reason: /no status of gRPC; did you mean unavailable\?/,
  },
  {
    name: 'load-above-all',
    value: policy({ hedge: { backup: { maxExtraLoadPercent: 101 } } }),
    path: 'policy.hedge.backup.maxExtraLoadPercent',
    reason: /from 0 to 100/,
  },
  {
    name: 'backup-without-a-load',
    value: policy({ hedge: { backup: {} } }),
    path: 'policy.hedge.backup.maxExtraLoadPercent',
    reason: /null is not a number/,
  },

  // Matches
  {
    name: 'regex-that-explodes',
    value: match({ path: { kind: 'regex', value: '((a{1,100}){1,100}){1,100}' } }),
    path: 'match.path.value',
    reason: /RE2|instructions/,
  },
  {
    name: 'template-twice-the-same-name',
    value: match({ path: { kind: 'template', value: '/{a}/{a}' } }),
    path: 'match.path.value',
    reason: /the variable a stands there twice/,
  },
  {
    name: 'template-open-after-the-rest',
    value: match({ path: { kind: 'template', value: '/**/*' } }),
    path: 'match.path.value',
    reason: /nothing open may come after \*\*/,
  },
  {
    name: 'range-of-nothing',
    value: match({ headers: [{ name: 'x-n', match: { kind: 'range', start: 2, end: 2 } }] }),
    path: 'match.headers[0].match.end',
    reason: /the range is empty/,
  },
  {
    name: 'metadata-without-a-path',
    value: match({ metadata: [{ namespace: 'a', path: [], match: { kind: 'present' } }] }),
    path: 'match.metadata[0].path',
    reason: /must name at least one key/,
  },
  {
    name: 'metadata-without-a-namespace',
    value: match({ metadata: [{ namespace: '', path: ['a'], match: { kind: 'present' } }] }),
    path: 'match.metadata[0].namespace',
    reason: /must be a name/,
  },
  {
    name: 'more-than-all-of-them',
    value: match({ fraction: { numerator: 101, denominator: 100 } }),
    path: 'match.fraction.numerator',
    reason: /from 0 to 100/,
  },

  // Rewrites and redirects
  {
    name: 'path-without-a-slash',
    value: forward({ pathRewrite: { kind: 'full', path: 'new' } }),
    path: 'action.pathRewrite.path',
    reason: /must begin with a slash/,
  },
  {
    name: 'path-with-a-space',
    value: forward({ pathRewrite: { kind: 'prefix', prefix: '/a b' } }),
    path: 'action.pathRewrite.prefix',
    reason: /no space/,
  },
  {
    name: 'path-with-a-line-break',
    value: forward({ pathRewrite: { kind: 'full', path: '/a\r\nx: y' } }),
    path: 'action.pathRewrite.path',
    reason: /is not a path/,
  },
  {
    name: 'template-without-a-match',
    value: forward({ pathRewrite: { kind: 'template', template: '/{id}' } }),
    path: 'action.pathRewrite.template',
    reason: /takes its names from a `template` in the match/,
  },
  {
    name: 'template-with-an-unknown-name',
    value: forward({ pathRewrite: { kind: 'template', template: '/{no}' } }, { path: { kind: 'template', value: '/{id}' } }),
    path: 'action.pathRewrite.template',
    reason: /\{no\} is no name of the match; it has id/,
  },
  {
    name: 'unknown-rewrite',
    value: forward({ pathRewrite: { kind: 'suffix', suffix: 'x' } }),
    path: 'action.pathRewrite.kind',
    reason: /none of full, prefix, regex, template/,
  },
  {
    name: 'host-with-a-path',
    value: forward({ hostRewrite: { kind: 'literal', host: 'a/b' } }),
    path: 'action.hostRewrite.host',
    reason: /is not a host, such as/,
  },
  {
    name: 'host-with-a-port-too-large',
    value: forward({ hostRewrite: { kind: 'literal', host: 'a:70000' } }),
    path: 'action.hostRewrite.host',
    reason: /is not a host/,
  },
  {
    name: 'host-with-a-line-break',
    value: forward({ hostRewrite: { kind: 'literal', host: 'a\r\nx: y' } }),
    path: 'action.hostRewrite.host',
    reason: /is not a host/,
  },
  {
    name: 'look-behind-in-a-host',
    value: forward({ hostRewrite: { kind: 'path-regex', regex: '(?<=a)b', substitution: 'c' } }),
    path: 'action.hostRewrite.regex',
    reason: /RE2/,
  },
  {
    name: 'redirect-into-the-host',
    value: redirect({ path: '.evil.example' }),
    path: 'action.path',
    reason: /must begin with a slash/,
  },
  {
    name: 'redirect-to-no-scheme',
    value: redirect({ scheme: 'java script' }),
    path: 'action.scheme',
    reason: /is no scheme, such as https/,
  },
  { name: 'redirect-to-a-url', value: redirect({ host: 'https://a' }), path: 'action.host', reason: /is not a host/ },
  {
    name: 'mirror-with-a-slash',
    value: forward({ mirror: [{ cluster: 'c', fraction: all, hostSuffix: '/x' }] }),
    path: 'action.mirror[0].hostSuffix',
    reason: /cannot be the end of a host name/,
  },
  {
    name: 'mirror-of-tenths',
    value: forward({ mirror: [{ cluster: 'c', fraction: { numerator: 1, denominator: 10 } }] }),
    path: 'action.mirror[0].fraction.denominator',
    reason: /none of 100, 10000, 1000000/,
  },

  // Headers
  {
    name: 'host-taken-away',
    value: policy({ requestHeaders: { remove: ['Host'] } }),
    path: 'policy.requestHeaders.remove[0]',
    reason: /a request needs its host; use `hostRewrite`/,
  },
  {
    name: 'header-of-the-connection',
    value: policy({ requestHeaders: { set: [['Connection', 'close']] } }),
    path: 'policy.requestHeaders.set[0][0]',
    reason: /belongs to one connection, which sets its own; leave it out/,
  },
  {
    name: 'value-beyond-latin-1',
    value: policy({ requestHeaders: { add: [['x-a', '✓']] } }),
    path: 'policy.requestHeaders.add[0][1]',
    reason: /without characters beyond Latin-1/,
  },
  {
    name: 'value-of-a-refusal',
    value: policy({
      rateLimit: { maxTokens: 1, tokensPerFill: 1, fillIntervalMs: 1, responseHeaders: { set: [['x', 'a\nb']] } },
    }),
    path: 'policy.rateLimit.responseHeaders.set[0][1]',
    reason: /one line/,
  },

  // Faults and rates
  {
    name: 'delay-in-two-ways',
    value: policy({ fault: { delay: { fraction: all, fixedMs: 1, byHeader: true } } }),
    path: 'policy.fault.delay',
    reason: /both fixedMs and byHeader; keep one/,
  },
  {
    name: 'abort-in-two-ways',
    value: policy({ fault: { abort: { fraction: all, httpStatus: 500, grpcStatus: 14 } } }),
    path: 'policy.fault.abort',
    reason: /more than one of httpStatus, grpcStatus and byHeader; keep one/,
  },
  {
    name: 'grpc-status-of-17',
    value: policy({ fault: { abort: { fraction: all, grpcStatus: 17 } } }),
    path: 'policy.fault.abort.grpcStatus',
    reason: /from 0 to 16/,
  },
  {
    name: 'refusal-with-200',
    value: policy({ rateLimit: { maxTokens: 1, tokensPerFill: 1, fillIntervalMs: 1, status: 200 } }),
    path: 'policy.rateLimit.status',
    reason: /from 400 to 599/,
  },

  // Limits
  {
    name: 'unknown-algorithm',
    kind: 'cluster',
    value: limits({ adaptive: { algorithm: 'cubic' } }),
    path: 'limits.adaptive.algorithm',
    reason: /none of gradient, gradient2, vegas, aimd/,
  },
  {
    name: 'most-below-least',
    kind: 'cluster',
    value: limits({ adaptive: { algorithm: 'vegas', maxLimit: 10 } }),
    path: 'limits.adaptive.maxLimit',
    reason: /less than minLimit \(20\)/,
  },
  {
    name: 'start-above-most',
    kind: 'cluster',
    value: limits({ adaptive: { algorithm: 'vegas', initialLimit: 500 } }),
    path: 'limits.adaptive.initialLimit',
    reason: /outside of minLimit \(20\) and maxLimit \(200\)/,
  },
  {
    name: 'throttle-of-good-requests',
    kind: 'cluster',
    value: limits({ throttle: { multiplier: 0.5 } }),
    path: 'limits.throttle.multiplier',
    reason: /from 1 to 1000/,
  },
  {
    name: 'throttle-inside-high-priority',
    kind: 'cluster',
    value: limits({ highPriority: { throttle: {} } }),
    path: 'limits.highPriority.throttle',
    reason: /stands beside `highPriority`, not in it/,
  },

  // Sessions and hashes
  {
    name: 'cookie-with-an-attribute',
    value: policy({ sessionAffinity: { kind: 'cookie', name: 's', path: '/; Domain=evil.example' } }),
    path: 'policy.sessionAffinity.path',
    reason: /no path of a cookie/,
  },
  {
    name: 'cookie-with-a-semicolon',
    value: policy({ sessionAffinity: { kind: 'cookie', name: 's;t' } }),
    path: 'policy.sessionAffinity.name',
    reason: /not the name of a cookie/,
  },
  {
    name: 'hash-cookie-with-a-space',
    value: forward({ hashPolicies: [{ kind: 'cookie', name: 'a b', ttlMs: 0 }] }),
    path: 'action.hashPolicies[0].name',
    reason: /not the name of a cookie/,
  },
  {
    name: 'hash-by-capitals',
    value: forward({ hashPolicies: [{ kind: 'header', name: 'X-User' }] }),
    path: 'action.hashPolicies[0].name',
    reason: /lower case/,
  },

  // Tables
  {
    name: 'tls-for-some',
    value: { name: 'x', virtualHosts: [{ name: 'h', domains: ['*'], routes: [], requireTls: 'some' }] },
    path: '^virtualHosts[0].requireTls',
    reason: /none of all, external/,
  },
  {
    name: 'unknown-overrides',
    value: policy({ overrideHeaders: 'istio' }),
    path: 'policy.overrideHeaders',
    reason: /none of envoy, linkerd/,
  },
  { name: 'unknown-priority', value: policy({ priority: 'low' }), path: 'policy.priority', reason: /none of default, high/ },
];

/** Taken, since Envoy takes it too, and noted. */
const noted: readonly Row[] = [
  {
    name: 'group-that-is-not-there',
    value: forward({ pathRewrite: { kind: 'regex', regex: '/(a)', substitution: '/\\2' } }),
    path: 'action.pathRewrite.substitution',
    reason: /\\2 is a group that the pattern does not have; it has 1; nothing is replaced/,
  },
  {
    name: 'reference-that-is-none',
    value: redirect({ regex: { regex: '/a', substitution: '/$1\\n' } }),
    path: 'action.regex.substitution',
    reason: /\\n is no reference/,
  },
];

/** A path that begins with `^` stands at the root, as those of clusters do. */
function whole({ kind, path }: Row): string {
  if (path.startsWith('^')) return path.slice(1);
  return kind === undefined ? `${atRoute}${path}` : path;
}

describe('the store refuses a bad policy with its path and what would be right', () => {
  for (const row of refused) {
    it(row.name, async () => {
      const { accepted, rejected } = await verdictOn(row.kind ?? 'route-table', row.value);
      assert.deepEqual(accepted, []);
      assert.equal(rejected[0]?.path, whole(row));
      assert.match(rejected[0].reason, row.reason);
      assert.equal(rejected.length, 1, JSON.stringify(rejected));
    });
  }

  it('has a name of its own for each row', () => {
    assert.equal(new Set(refused.map(({ name }) => name)).size, refused.length);
  });
});

describe('the store takes and notes', () => {
  for (const row of noted) {
    it(row.name, async () => {
      const { rejected, unhonoured } = await verdictOn('route-table', row.value);
      assert.deepEqual(rejected, []);
      assert.equal(unhonoured[0]?.path, whole(row));
      assert.match(unhonoured[0].reason, row.reason);
    });
  }
});

/**
 * The rules by which the store refuses a resource, one row each. Resources are built as a control plane written in JavaScript could
 * build them: the types say less than the rules, and the rules must hold against values that the types forbid.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createConfigStore } from '../../../src/control-plane/store.ts';
import type { EndpointConfig, LocalityEndpoints } from '../../../src/model/cluster.ts';
import type { Resource, ResourceKind } from '../../../src/model/snapshot.ts';
import { createVirtualClock } from '../../../src/testing/virtual-clock.ts';
import { verdictOn } from './verdict-on.ts';

type Fields = Record<string, unknown>;

const cluster = (fields: Fields = {}): Fields => ({
  name: 'x',
  discovery: { kind: 'static', localities: [] },
  loadBalancing: { policy: 'least-request' },
  ...fields,
});
const route = (fields: Fields = {}): Fields => ({ name: 'r', match: {}, action: { kind: 'respond', status: 204 }, ...fields });
const table = (...routes: readonly Fields[]): Fields => ({ name: 'x', virtualHosts: [{ name: 'h', domains: ['*'], routes }] });
const hosts = (...virtualHosts: readonly Fields[]): Fields => ({ name: 'x', virtualHosts });
const policy = (fields: Fields): Fields => table(route({ policy: fields }));
const retry = (fields: Fields): Fields => policy({ retry: { maxAttempts: 2, on: ['reset'], ...fields } });
const forward = (...to: readonly Fields[]): Fields => table(route({ action: { kind: 'forward', to } }));
const endpoints = (...list: readonly Fields[]): Fields => ({
  name: 'x',
  localities: [{ locality: {}, priority: 0, endpoints: list }],
});
const at = (...priorities: readonly number[]): Fields => ({
  name: 'x',
  localities: priorities.map((priority) => ({ locality: {}, priority, endpoints: [] })),
});
const weights = (...list: readonly number[]): Fields => ({
  name: 'x',
  localities: list.map((weight) => ({ locality: {}, priority: 0, weight, endpoints: [] })),
});
const inbound = (chain: Fields): Fields => ({
  direction: 'inbound',
  name: 'x',
  mode: 'strict',
  filterChains: [{ name: 'c', match: {}, authorization: [], ...chain }],
});
const rule = (fields: Fields): Fields =>
  inbound({ authorization: [{ name: 'p', action: 'deny', rules: [{ name: 'r', principals: [], permissions: [], ...fields }] }] });
const provider = (document: string): Fields => ({ name: 'j', issuer: 'i', audiences: [], jwks: { kind: 'inline', document } });
const nested = (levels: number): unknown => (levels === 0 ? 1 : { a: nested(levels - 1) });
const breaker = { errorThresholdPercent: 50, minimumRequests: 1, openMs: 1, windowMs: 1 };
const healthCheck = { kind: 'http', timeoutMs: 1, intervalMs: 1, healthyThreshold: 1, unhealthyThreshold: 1 };
const outlier = { baseEjectionMs: 1, maxEjectionMs: 1, maxEjectionPercent: 10 };

interface Row {
  readonly name: string;
  readonly kind: ResourceKind;
  readonly value: unknown;
  /** Start of the path. */
  readonly path: string;
  readonly reason: RegExp;
}

const refused: readonly Row[] = [
  { name: 'no-object', kind: 'cluster', value: 'x', path: '', reason: /must be an object/ },
  { name: 'null-value', kind: 'cluster', value: null, path: '', reason: /must be an object/ },
  {
    name: 'unknown-kind',
    kind: 'secret' as ResourceKind,
    value: { name: 'x' },
    path: '',
    reason: /no kind of resource "secret"/,
  },
  {
    name: 'other-name',
    kind: 'cluster',
    value: cluster({ name: 'y' }),
    path: 'name',
    reason: /differs from the name of the resource/,
  },
  { name: 'missing-everything', kind: 'cluster', value: { name: 'x' }, path: 'loadBalancing', reason: /policy/ },
  {
    name: 'wrong-shape',
    kind: 'route-table',
    value: hosts(null as unknown as Fields),
    path: '',
    reason: /another shape than a route-table/,
  },
  // T-CFG: plain data
  {
    name: 'class-instance',
    kind: 'cluster',
    value: cluster({ metadata: { at: new Date(0) } }),
    path: 'metadata.at',
    reason: /class/,
  },
  { name: 'function', kind: 'cluster', value: cluster({ metadata: { f: () => 1 } }), path: 'metadata.f', reason: /function/ },
  { name: 'bigint', kind: 'cluster', value: cluster({ metadata: { f: 1n } }), path: 'metadata.f', reason: /bigint/ },
  { name: 'nan', kind: 'cluster', value: cluster({ connectTimeoutMs: Number.NaN }), path: 'connectTimeoutMs', reason: /finite/ },
  {
    name: 'infinity',
    kind: 'cluster',
    value: cluster({ connectTimeoutMs: Infinity }),
    path: 'connectTimeoutMs',
    reason: /finite/,
  },
  {
    name: 'own-proto-key',
    kind: 'cluster',
    value: cluster({ metadata: JSON.parse('{"__proto__":{"polluted":true}}') as unknown }),
    path: 'metadata.__proto__',
    reason: /not allowed/,
  },
  {
    name: 'constructor-key',
    kind: 'cluster',
    value: cluster({ subsets: { constructor: {} } }),
    path: 'subsets.constructor',
    reason: /not allowed/,
  },
  {
    name: 'depth-bomb',
    kind: 'cluster',
    value: cluster({ metadata: { a: nested(80) } }),
    path: 'metadata.a',
    reason: /deeper than 64/,
  },
  // Names
  {
    name: 'empty-virtual-host-name',
    kind: 'route-table',
    value: hosts({ name: '', domains: ['a'], routes: [] }),
    path: 'virtualHosts[0].name',
    reason: /empty/,
  },
  {
    name: 'long-cluster-name',
    kind: 'route-table',
    value: forward({ cluster: 'é'.repeat(600), weight: 1 }),
    path: 'virtualHosts[0].routes[0].action.to[0].cluster',
    reason: /longer than 1024 bytes/,
  },
  // Durations
  {
    name: 'negative-timeout',
    kind: 'route-table',
    value: policy({ timeoutMs: -1 }),
    path: 'virtualHosts[0].routes[0].policy.timeoutMs',
    reason: /one year/,
  },
  {
    name: 'more-than-a-year',
    kind: 'route-table',
    value: policy({ idleTimeoutMs: 31_536_000_001 }),
    path: 'virtualHosts[0].routes[0].policy.idleTimeoutMs',
    reason: /one year/,
  },
  {
    name: 'text-timeout',
    kind: 'route-table',
    value: policy({ timeoutMs: '1s' }),
    path: 'virtualHosts[0].routes[0].policy.timeoutMs',
    reason: /"1s" is not a time/,
  },
  // Weights of destinations
  {
    name: 'no-destination',
    kind: 'route-table',
    value: forward(),
    path: 'virtualHosts[0].routes[0].action.to',
    reason: /at least one/,
  },
  {
    name: 'all-weights-zero',
    kind: 'route-table',
    value: forward({ cluster: 'a', weight: 0 }, { cluster: 'b', weight: 0 }),
    path: 'virtualHosts[0].routes[0].action.to',
    reason: /all weights are 0/,
  },
  {
    name: 'weight-sum-above-uint32',
    kind: 'route-table',
    value: forward({ cluster: 'a', weight: 4_294_967_295 }, { cluster: 'b', weight: 1 }),
    path: 'virtualHosts[0].routes[0].action.to',
    reason: /add up to 4294967296/,
  },
  {
    name: 'fractional-weight',
    kind: 'route-table',
    value: forward({ cluster: 'a', weight: 0.5 }),
    path: 'virtualHosts[0].routes[0].action.to[0].weight',
    reason: /whole number/,
  },
  {
    name: 'negative-weight',
    kind: 'route-table',
    value: forward({ cluster: 'a', weight: -1 }),
    path: 'virtualHosts[0].routes[0].action.to[0].weight',
    reason: /whole number/,
  },
  {
    name: 'overflowing-weight',
    kind: 'route-table',
    value: forward({ cluster: 'a', weight: 2 ** 53 }),
    path: 'virtualHosts[0].routes[0].action.to[0].weight',
    reason: /whole number/,
  },
  // Virtual hosts
  {
    name: 'no-domain',
    kind: 'route-table',
    value: hosts({ name: 'h', domains: [], routes: [] }),
    path: 'virtualHosts[0].domains',
    reason: /at least one domain/,
  },
  {
    name: 'duplicate-domain',
    kind: 'route-table',
    value: hosts({ name: 'h', domains: ['Orders'], routes: [] }, { name: 'i', domains: ['orders'], routes: [] }),
    path: 'virtualHosts[1].domains[0]',
    reason: /belongs to the virtual host "h" already/,
  },
  {
    name: 'url-as-domain',
    kind: 'route-table',
    value: hosts({ name: 'h', domains: ['http://orders'], routes: [] }),
    path: 'virtualHosts[0].domains[0]',
    reason: /leave out the scheme/,
  },
  {
    name: 'star-inside',
    kind: 'route-table',
    value: hosts({ name: 'h', domains: ['a.*.b'], routes: [] }),
    path: 'virtualHosts[0].domains[0]',
    reason: /star inside/,
  },
  {
    name: 'no-routes-list',
    kind: 'route-table',
    value: hosts({ name: 'h', domains: ['a'] }),
    path: 'virtualHosts[0].routes',
    reason: /must be a list/,
  },
  // Matchers
  {
    name: 'capitals-in-header-matcher',
    kind: 'route-table',
    value: table(route({ match: { headers: [{ name: 'X-Canary', match: { kind: 'present' } }] } })),
    path: 'virtualHosts[0].routes[0].match.headers[0].name',
    reason: /write it in lower case/,
  },
  {
    name: 'unknown-string-matcher',
    kind: 'route-table',
    value: table(route({ match: { headers: [{ name: 'a', match: { kind: 'glob', value: '*' } }] } })),
    path: 'virtualHosts[0].routes[0].match.headers[0].match.kind',
    reason: /"glob" is none of exact/,
  },
  {
    name: 'empty-range',
    kind: 'route-table',
    value: table(route({ match: { headers: [{ name: 'a', match: { kind: 'range', start: 2, end: 2 } }] } })),
    path: 'virtualHosts[0].routes[0].match.headers[0].match.end',
    reason: /empty/,
  },
  {
    name: 'path-without-slash',
    kind: 'route-table',
    value: table(route({ match: { path: { kind: 'segment-prefix', value: 'v2' } } })),
    path: 'virtualHosts[0].routes[0].match.path.value',
    reason: /slash/,
  },
  {
    name: 'path-template-that-is-too-long',
    kind: 'route-table',
    value: table(route({ match: { path: { kind: 'template', value: `/${'*/'.repeat(300)}` } } })),
    path: 'virtualHosts[0].routes[0].match.path.value',
    reason: /the pattern is longer than 1024 bytes/, // 300 × `[^/]+/`
  },
  {
    name: 'fraction-denominator',
    kind: 'route-table',
    value: table(route({ match: { fraction: { numerator: 1, denominator: 1000 } } })),
    path: 'virtualHosts[0].routes[0].match.fraction.denominator',
    reason: /1000 is none of 100, 10000, 1000000/,
  },
  {
    name: 'fraction-above-one',
    kind: 'route-table',
    value: table(route({ match: { fraction: { numerator: 101, denominator: 100 } } })),
    path: 'virtualHosts[0].routes[0].match.fraction.numerator',
    reason: /from 0 to 100/,
  },
  {
    name: 'too-many-matchers',
    kind: 'route-table',
    value: table(route({ match: { methods: Array.from({ length: 1001 }, (_, index) => `M${index}`) } })),
    path: 'virtualHosts[0].routes[0].match',
    reason: /1001 matchers; at most 1000/,
  },
  {
    name: 'too-many-routes',
    kind: 'route-table',
    value: table(...Array.from({ length: 10_001 }, () => route())),
    path: 'virtualHosts',
    reason: /10001 routes; at most 10000/,
  },
  // Patterns: RE2, not JavaScript
  {
    name: 'look-behind',
    kind: 'route-table',
    value: table(route({ match: { path: { kind: 'regex', value: '(?<=a)b' } } })),
    path: 'virtualHosts[0].routes[0].match.path.value',
    reason: /RE2 syntax/,
  },
  {
    name: 'back-reference',
    kind: 'route-table',
    value: table(route({ match: { path: { kind: 'regex', value: String.raw`(a)\1` } } })),
    path: 'virtualHosts[0].routes[0].match.path.value',
    reason: /RE2 syntax/,
  },
  {
    name: 'long-pattern',
    kind: 'route-table',
    value: table(route({ match: { path: { kind: 'regex', value: 'a'.repeat(1025) } } })),
    path: 'virtualHosts[0].routes[0].match.path.value',
    reason: /longer than 1024 bytes/,
  },
  {
    name: 'pattern-bomb',
    kind: 'route-table',
    value: table(route({ match: { path: { kind: 'regex', value: '((a{30}){30}){30}' } } })),
    path: 'virtualHosts[0].routes[0].match.path.value',
    reason: /RE2 syntax|instructions/,
  },
  {
    name: 'pattern-in-rewrite',
    kind: 'route-table',
    value: table(
      route({
        action: {
          kind: 'forward',
          to: [{ cluster: 'a', weight: 1 }],
          pathRewrite: { kind: 'regex', regex: '(', substitution: '' },
        },
      }),
    ),
    path: 'virtualHosts[0].routes[0].action.pathRewrite.regex',
    reason: /RE2 syntax/,
  },
  // Actions
  {
    name: 'unknown-action',
    kind: 'route-table',
    value: table(route({ action: { kind: 'teleport' } })),
    path: 'virtualHosts[0].routes[0].action.kind',
    reason: /none of forward/,
  },
  {
    name: 'redirect-status',
    kind: 'route-table',
    value: table(route({ action: { kind: 'redirect', status: 200 } })),
    path: 'virtualHosts[0].routes[0].action.status',
    reason: /none of 301/,
  },
  {
    name: 'redirect-two-paths',
    kind: 'route-table',
    value: table(route({ action: { kind: 'redirect', status: 301, path: '/a', prefix: '/b' } })),
    path: 'virtualHosts[0].routes[0].action',
    reason: /more than one/,
  },
  {
    name: 'respond-status',
    kind: 'route-table',
    value: table(route({ action: { kind: 'respond', status: 99 } })),
    path: 'virtualHosts[0].routes[0].action.status',
    reason: /from 200 to 599/,
  },
  // Retries
  {
    name: 'retry-condition',
    kind: 'route-table',
    value: retry({ on: ['conect-failure'] }),
    path: 'virtualHosts[0].routes[0].policy.retry.on[0]',
    reason: /"conect-failure" is none of connect-failure/,
  },
  {
    name: 'no-attempt',
    kind: 'route-table',
    value: retry({ maxAttempts: 0 }),
    path: 'virtualHosts[0].routes[0].policy.retry.maxAttempts',
    reason: /from 1/,
  },
  {
    name: 'retry-status',
    kind: 'route-table',
    value: retry({ statusCodes: [503, 5] }),
    path: 'virtualHosts[0].routes[0].policy.retry.statusCodes[1]',
    reason: /from 100 to 599/,
  },
  {
    name: 'back-off-upside-down',
    kind: 'route-table',
    value: retry({ backoff: { baseMs: 100, maxMs: 10 } }),
    path: 'virtualHosts[0].routes[0].policy.retry.backoff.maxMs',
    reason: /less than baseMs/,
  },
  {
    name: 'budget-kind',
    kind: 'route-table',
    value: retry({ budget: { kind: 'percent' } }),
    path: 'virtualHosts[0].routes[0].policy.retry.budget.kind',
    reason: /none of token-bucket/,
  },
  {
    name: 'budget-without-ratio',
    kind: 'route-table',
    value: retry({ budget: { kind: 'concurrent', minConcurrent: 3 } }),
    path: 'virtualHosts[0].routes[0].policy.retry.budget.ratio',
    reason: /null is not a number/,
  },
  // Headers
  {
    name: 'header-injection',
    kind: 'route-table',
    value: policy({ requestHeaders: { set: [['x-a', 'b\r\nx-c: d']] } }),
    path: 'virtualHosts[0].routes[0].policy.requestHeaders.set[0][1]',
    reason: /one line/,
  },
  {
    name: 'header-name',
    kind: 'route-table',
    value: policy({ requestHeaders: { add: [['x a', 'b']] } }),
    path: 'virtualHosts[0].routes[0].policy.requestHeaders.add[0][0]',
    reason: /not the name of a header/,
  },
  {
    name: 'pseudo-header',
    kind: 'route-table',
    value: policy({ requestHeaders: { set: [[':path', '/']] } }),
    path: 'virtualHosts[0].routes[0].policy.requestHeaders.set[0][0]',
    reason: /not the name of a header/,
  },
  {
    name: 'framing-header',
    kind: 'route-table',
    value: policy({ requestHeaders: { remove: ['Content-Length'] } }),
    path: 'virtualHosts[0].routes[0].policy.requestHeaders.remove[0]',
    reason: /frames the message/,
  },
  // Faults and rates
  {
    name: 'fault-without-action',
    kind: 'route-table',
    value: policy({ fault: { delay: { fraction: { numerator: 1, denominator: 100 } } } }),
    path: 'virtualHosts[0].routes[0].policy.fault.delay',
    reason: /neither fixedMs nor byHeader/,
  },
  {
    name: 'bucket-that-never-fills',
    kind: 'route-table',
    value: policy({ rateLimit: { maxTokens: 1, tokensPerFill: 1, fillIntervalMs: 0 } }),
    path: 'virtualHosts[0].routes[0].policy.rateLimit.fillIntervalMs',
    reason: /longer than 0/,
  },
  // Clusters
  {
    name: 'unknown-policy',
    kind: 'cluster',
    value: cluster({ loadBalancing: { policy: 'leastRequest' } }),
    path: 'loadBalancing.policy',
    reason: /"leastRequest"; did you mean least-request\? Known: least-request, round-robin/,
  },
  {
    name: 'policy-from-the-prototype',
    kind: 'cluster',
    value: cluster({ loadBalancing: { policy: 'toString' } }),
    path: 'loadBalancing.policy',
    reason: /no load balancing policy "toString"/,
  },
  {
    name: 'policy-options',
    kind: 'cluster',
    value: cluster({ loadBalancing: { policy: 'round-robin', options: { choices: 3 } } }),
    path: 'loadBalancing.options',
    reason: /choices must be 2/,
  },
  {
    name: 'unknown-discovery',
    kind: 'cluster',
    value: cluster({ discovery: { kind: 'gossip' } }),
    path: 'discovery.kind',
    reason: /none of static/,
  },
  {
    name: 'empty-aggregate',
    kind: 'cluster',
    value: cluster({ discovery: { kind: 'aggregate', clusters: [] } }),
    path: 'discovery.clusters',
    reason: /at least one/,
  },
  {
    name: 'aggregate-of-itself',
    kind: 'cluster',
    value: cluster({ discovery: { kind: 'aggregate', clusters: ['x'] } }),
    path: 'discovery.clusters[0]',
    reason: /itself/,
  },
  {
    name: 'dns-name',
    kind: 'cluster',
    value: cluster({ discovery: { kind: 'dns', hostname: 'a b', use: 'all' } }),
    path: 'discovery.hostname',
    reason: /neither an IP address nor a host name/,
  },
  {
    name: 'mutual-without-identity',
    kind: 'cluster',
    value: cluster({ tls: { mode: 'mutual', peers: [] } }),
    path: 'tls.identity',
    reason: /must be a name/,
  },
  {
    name: 'no-peers-list',
    kind: 'cluster',
    value: cluster({ tls: { mode: 'simple' } }),
    path: 'tls.peers',
    reason: /must be a list/,
  },
  {
    name: 'peer-that-matches-all',
    kind: 'cluster',
    value: cluster({ tls: { mode: 'simple', peers: [{ kind: 'uri', match: 'prefix', value: '' }] } }),
    path: 'tls.peers[0].value',
    reason: /empty/,
  },
  {
    name: 'peer-ip-that-is-none',
    kind: 'cluster',
    value: cluster({ tls: { mode: 'simple', peers: [{ kind: 'ip', match: 'exact', value: 'not-an-ip' }] } }),
    path: 'tls.peers[0].value',
    reason: /"not-an-ip" is not an IP address/,
  },
  {
    name: 'connect-timeout-of-nothing',
    kind: 'cluster',
    value: cluster({ connectTimeoutMs: 0 }),
    path: 'connectTimeoutMs',
    reason: /longer than 0 ms/,
  },
  {
    name: 'idle-timeout-of-nothing',
    kind: 'cluster',
    value: cluster({ idleTimeoutMs: 0 }),
    path: 'idleTimeoutMs',
    reason: /longer than 0 ms/,
  },
  {
    name: 'versions-upside-down',
    kind: 'cluster',
    value: cluster({ tls: { mode: 'simple', peers: [], minVersion: 'TLSv1.3', maxVersion: 'TLSv1.2' } }),
    path: 'tls.maxVersion',
    reason: /below minVersion/,
  },
  {
    name: 'old-tls',
    kind: 'cluster',
    value: cluster({ tls: { mode: 'simple', peers: [], minVersion: 'TLSv1' } }),
    path: 'tls.minVersion',
    reason: /none of TLSv1.2/,
  },
  {
    name: 'panic-percent',
    kind: 'cluster',
    value: cluster({ locality: { mode: 'none', panicThresholdPercent: 101 } }),
    path: 'locality.panicThresholdPercent',
    reason: /from 0 to 100/,
  },
  {
    name: 'breaker-percent',
    kind: 'cluster',
    value: cluster({ circuitBreaker: { ...breaker, errorThresholdPercent: 0 } }),
    path: 'circuitBreaker.errorThresholdPercent',
    reason: /from 1 to 100/,
  },
  {
    name: 'ejection-upside-down',
    kind: 'cluster',
    value: cluster({ outlierDetection: { ...outlier, baseEjectionMs: 2 } }),
    path: 'outlierDetection.maxEjectionMs',
    reason: /less than baseEjectionMs/,
  },
  {
    name: 'ejection-percent',
    kind: 'cluster',
    value: cluster({ outlierDetection: { ...outlier, maxEjectionPercent: 110 } }),
    path: 'outlierDetection.maxEjectionPercent',
    reason: /from 0 to 100/,
  },
  {
    name: 'share-of-detections',
    kind: 'cluster',
    value: cluster({
      outlierDetection: {
        ...outlier,
        successRate: {
          minimumHosts: 1,
          requestVolume: 1,
          stdevFactor: 1,
          enforcingPercent: 100,
          enforcingLocalOriginPercent: -1,
        },
      },
    }),
    path: 'outlierDetection.successRate.enforcingLocalOriginPercent',
    reason: /from 0 to 100/,
  },
  {
    name: 'negative-limit',
    kind: 'cluster',
    value: cluster({ limits: { highPriority: { maxRequests: -1 } } }),
    path: 'limits.highPriority.maxRequests',
    reason: /whole number/,
  },
  {
    name: 'check-of-no-kind',
    kind: 'cluster',
    value: cluster({ healthChecks: [{ ...healthCheck, kind: 'ping' }] }),
    path: 'healthChecks[0].kind',
    reason: /none of http, tcp, grpc/,
  },
  {
    name: 'check-without-end',
    kind: 'cluster',
    value: cluster({ healthChecks: [{ ...healthCheck, timeoutMs: 0 }] }),
    path: 'healthChecks[0].timeoutMs',
    reason: /longer than 0/,
  },
  {
    name: 'check-without-pause',
    kind: 'cluster',
    value: cluster({ healthChecks: [{ ...healthCheck, noTrafficHealthyIntervalMs: 0 }] }),
    path: 'healthChecks[0].noTrafficHealthyIntervalMs',
    reason: /longer than 0/,
  },
  {
    name: 'check-not-a-number',
    kind: 'cluster',
    value: cluster({ healthChecks: [{ ...healthCheck, jitterMs: Number.NaN }] }),
    path: 'healthChecks[0].jitterMs',
    reason: /./,
  },
  {
    name: 'check-negative',
    kind: 'cluster',
    value: cluster({ healthChecks: [{ ...healthCheck, unhealthyIntervalMs: -5 }] }),
    path: 'healthChecks[0].unhealthyIntervalMs',
    reason: /./,
  },
  {
    name: 'check-threshold-zero',
    kind: 'cluster',
    value: cluster({ healthChecks: [{ ...healthCheck, healthyThreshold: 0 }] }),
    path: 'healthChecks[0].healthyThreshold',
    reason: /whole number/,
  },
  {
    name: 'check-statuses-upside-down',
    kind: 'cluster',
    value: cluster({ healthChecks: [{ ...healthCheck, expectedStatuses: [{ start: 300, end: 200 }] }] }),
    path: 'healthChecks[0].expectedStatuses[0]',
    reason: /no status is from 300 to below 200/,
  },
  {
    name: 'check-by-connect',
    kind: 'cluster',
    value: cluster({ healthChecks: [{ ...healthCheck, method: 'CONNECT' }] }),
    path: 'healthChecks[0].method',
    reason: /asks for a tunnel/,
  },
  {
    name: 'check-get-with-a-body',
    kind: 'cluster',
    value: cluster({ healthChecks: [{ ...healthCheck, sendHex: '00' }] }),
    path: 'healthChecks[0].sendHex',
    reason: /a GET has no body/,
  },
  {
    name: 'check-half-a-byte',
    kind: 'cluster',
    value: cluster({ healthChecks: [{ ...healthCheck, kind: 'tcp', sendHex: '5' }] }),
    path: 'healthChecks[0].sendHex',
    reason: /two digits each/,
  },
  {
    name: 'check-protocol',
    kind: 'cluster',
    value: cluster({ healthChecks: [{ ...healthCheck, protocol: 'http3' }] }),
    path: 'healthChecks[0].protocol',
    reason: /none of http1, http2/,
  },
  {
    name: 'check-path-with-space',
    kind: 'cluster',
    value: cluster({ healthChecks: [{ ...healthCheck, path: '/a b' }] }),
    path: 'healthChecks[0].path',
    reason: /not a path/,
  },
  {
    name: 'check-of-an-endpoint-at-port-zero',
    kind: 'endpoints',
    value: endpoints({ address: '192.0.2.1', port: 80, healthCheck: { port: 0 } }),
    path: 'localities[0].endpoints[0].healthCheck.port',
    reason: /1/,
  },
  // Endpoints
  {
    name: 'port-above-range',
    kind: 'endpoints',
    value: endpoints({ address: '192.0.2.1', port: 65_536 }),
    path: 'localities[0].endpoints[0].port',
    reason: /from 1 to 65535/,
  },
  {
    name: 'port-zero',
    kind: 'endpoints',
    value: endpoints({ address: '192.0.2.1', port: 0 }),
    path: 'localities[0].endpoints[0].port',
    reason: /from 1 to 65535/,
  },
  {
    name: 'socket-with-port',
    kind: 'endpoints',
    value: endpoints({ address: '/run/a.sock', port: 80 }),
    path: 'localities[0].endpoints[0].port',
    reason: /must be 0/,
  },
  {
    name: 'relative-socket',
    kind: 'endpoints',
    value: endpoints({ address: './a.sock', port: 80 }),
    path: 'localities[0].endpoints[0].address',
    reason: /neither an IP address nor a host name/,
  },
  {
    name: 'address-with-port',
    kind: 'endpoints',
    value: endpoints({ address: 'orders:80', port: 80 }),
    path: 'localities[0].endpoints[0].address',
    reason: /the port goes into `port`/,
  },
  {
    name: 'bracketed-ipv6',
    kind: 'endpoints',
    value: endpoints({ address: '[::1]', port: 80 }),
    path: 'localities[0].endpoints[0].address',
    reason: /without brackets/,
  },
  {
    name: 'almost-ipv4',
    kind: 'endpoints',
    value: endpoints({ address: '10.0.0.256', port: 80 }),
    path: 'localities[0].endpoints[0].address',
    reason: /looks like an IPv4 address/,
  },
  {
    name: 'weight-zero',
    kind: 'endpoints',
    value: endpoints({ address: '192.0.2.1', port: 80, weight: 0 }),
    path: 'localities[0].endpoints[0].weight',
    reason: /draining/,
  },
  {
    name: 'endpoint-weights-above-uint32',
    kind: 'endpoints',
    value: endpoints({ address: '192.0.2.1', port: 80, weight: 4_294_967_295 }, { address: '192.0.2.2', port: 80 }),
    path: 'localities[0].endpoints',
    reason: /add up to 4294967296/,
  },
  {
    name: 'unknown-health',
    kind: 'endpoints',
    value: endpoints({ address: '192.0.2.1', port: 80, health: 'ok' }),
    path: 'localities[0].endpoints[0].health',
    reason: /none of healthy/,
  },
  { name: 'priority-gap', kind: 'endpoints', value: at(0, 2), path: 'localities', reason: /a priority 2 and no priority 1/ },
  { name: 'priority-from-one', kind: 'endpoints', value: at(1), path: 'localities', reason: /a priority 1 and no priority 0/ },
  { name: 'negative-priority', kind: 'endpoints', value: at(-1, 0), path: 'localities[0].priority', reason: /whole number/ },
  {
    name: 'locality-weights-above-uint32',
    kind: 'endpoints',
    value: weights(4_294_967_295, 1),
    path: 'localities',
    reason: /add up to 4294967296/,
  },
  {
    name: 'locality-weights-zero',
    kind: 'endpoints',
    value: weights(0, 0),
    path: 'localities',
    reason: /all weights at priority 0 are 0/,
  },
  {
    name: 'overprovisioning-below-one',
    kind: 'endpoints',
    value: { ...at(0), overprovisioningPercent: 99 },
    path: 'overprovisioningPercent',
    reason: /from 100/,
  },
  {
    name: 'drop-above-one',
    kind: 'endpoints',
    value: { ...at(0), drops: [{ category: 'lb', ratio: 1.5 }] },
    path: 'drops[0].ratio',
    reason: /from 0 to 1/,
  },
  // Listeners
  { name: 'no-direction', kind: 'listener', value: { name: 'x' }, path: 'direction', reason: /neither outbound nor inbound/ },
  {
    name: 'listener-port',
    kind: 'listener',
    value: { direction: 'outbound', name: 'x', port: 70_000, routes: 'r' },
    path: 'port',
    reason: /65535/,
  },
  {
    name: 'no-authorization',
    kind: 'listener',
    value: inbound({ authorization: undefined }),
    path: 'filterChains[0].authorization',
    reason: /empty one lets everybody in/,
  },
  {
    name: 'table-inside-a-listener',
    kind: 'listener',
    value: { direction: 'outbound', name: 'x', routes: forward() },
    path: 'routes.virtualHosts[0].routes[0].action.to',
    reason: /at least one/,
  },
  {
    name: 'unknown-principal',
    kind: 'listener',
    value: rule({ principals: [{ kind: 'moon-phase' }] }),
    path: 'filterChains[0].authorization[0].rules[0].principals[0].kind',
    reason: /principal/,
  },
  {
    name: 'unknown-permission-inside',
    kind: 'listener',
    value: rule({ permissions: [{ kind: 'not', of: { kind: 'cel' } }] }),
    path: 'filterChains[0].authorization[0].rules[0].permissions[0].of.kind',
    reason: /permission/,
  },
  {
    name: 'capitals-in-a-denied-header',
    kind: 'listener',
    value: rule({ permissions: [{ kind: 'header', header: { name: 'X-A', match: { kind: 'present' } } }] }),
    path: 'filterChains[0].authorization[0].rules[0].permissions[0].header.name',
    reason: /lower case/,
  },
  {
    name: 'cidr-without-bits',
    kind: 'listener',
    value: rule({ principals: [{ kind: 'source-ip', cidr: '10.0.0.0', which: 'direct' }] }),
    path: 'filterChains[0].authorization[0].rules[0].principals[0].cidr',
    reason: /address range/,
  },
  {
    name: 'cidr-too-many-bits',
    kind: 'listener',
    value: rule({ principals: [{ kind: 'source-ip', cidr: '10.0.0.0/33', which: 'direct' }] }),
    path: 'filterChains[0].authorization[0].rules[0].principals[0].cidr',
    reason: /address range/,
  },
  {
    name: 'keys-that-do-not-parse',
    kind: 'listener',
    value: inbound({ jwt: [{ name: 'j', issuer: 'i', audiences: [], jwks: { kind: 'inline', document: '{' } }] }),
    path: 'filterChains[0].jwt[0].jwks.document',
    reason: /JWK Set/,
  },
  {
    name: 'keys-that-verify-nothing',
    kind: 'listener',
    value: inbound({ jwt: [provider('{"keys":[{"kty":"EC","use":"enc","crv":"P-256","x":"x","y":"y"},{"kty":"RSA"}]}')] }),
    path: 'filterChains[0].jwt[0].jwks.document',
    reason: /no key that can verify a signature.*complete public keys/,
  },
  {
    name: 'no-keys-at-all',
    kind: 'listener',
    value: inbound({ jwt: [provider('{"keys":[]}')] }),
    path: 'filterChains[0].jwt[0].jwks.document',
    reason: /no key that can verify a signature/,
  },
  {
    name: 'key-twice-in-a-member',
    kind: 'listener',
    value: inbound({ jwt: [provider('{"keys":[{"kty":"oct","k":"YQ"}],"keys":[]}')] }),
    path: 'filterChains[0].jwt[0].jwks.document',
    reason: /JWK Set/,
  },
  {
    name: 'clocks-more-than-a-minute-apart',
    kind: 'listener',
    value: inbound({ jwt: [{ ...provider('{"keys":[{"kty":"oct","k":"YQ"}]}'), clockSkewMs: 60_001 }] }),
    path: 'filterChains[0].jwt[0].clockSkewMs',
    reason: /at most 60000.*set the clocks/,
  },
  {
    name: 'custom-without-provider',
    kind: 'listener',
    value: inbound({ authorization: [{ name: 'p', action: 'custom', rules: [] }] }),
    path: 'filterChains[0].authorization[0].provider',
    reason: /must be a name/,
  },
];

const accepted: readonly { readonly name: string; readonly kind: ResourceKind; readonly value: unknown }[] = [
  { name: 'ipv6', kind: 'endpoints', value: endpoints({ address: 'fd00::1', port: 1 }) },
  { name: 'host-name', kind: 'endpoints', value: endpoints({ address: 'orders-0.orders.shop.svc.cluster.local', port: 65_535 }) },
  { name: 'name-with-underscore', kind: 'endpoints', value: endpoints({ address: '_http._tcp.orders', port: 80 }) },
  { name: 'rooted-name', kind: 'endpoints', value: endpoints({ address: 'orders.example.', port: 80 }) },
  { name: 'socket', kind: 'endpoints', value: endpoints({ address: '/run/orders.sock', port: 0 }) },
  { name: 'no-endpoints', kind: 'endpoints', value: { name: 'x', localities: [] } },
  { name: 'priorities-out-of-order', kind: 'endpoints', value: at(2, 0, 1, 0) },
  { name: 'one-locality-of-weight-zero', kind: 'endpoints', value: weights(0, 1) },
  { name: 'largest-weight', kind: 'route-table', value: forward({ cluster: 'a', weight: 4_294_967_295 }) },
  {
    name: 'pseudo-header-matcher',
    kind: 'route-table',
    value: table(route({ match: { headers: [{ name: ':authority', match: { kind: 'exact', value: 'a' } }] } })),
  },
  { name: 'linear-pattern', kind: 'route-table', value: table(route({ match: { path: { kind: 'regex', value: '(a+)+$' } } })) },
  { name: 'one-year', kind: 'cluster', value: cluster({ connectTimeoutMs: 31_536_000_000 }) },
  { name: 'undefined-field', kind: 'cluster', value: cluster({ connectTimeoutMs: undefined }) },
  {
    name: 'object-without-prototype',
    kind: 'cluster',
    value: cluster({ metadata: Object.assign(Object.create(null) as object, { a: 1 }) }),
  },
  { name: 'original-destination', kind: 'cluster', value: cluster({ discovery: { kind: 'original-destination' } }) },
];

describe('the store refuses', () => {
  for (const { name, kind, value, path, reason } of refused) {
    it(name, async () => {
      const { accepted: taken, rejected } = await verdictOn(kind, value);
      assert.deepEqual(taken, []);
      const problem = rejected.find((found) => found.path.startsWith(path) && reason.test(found.reason));
      assert.ok(problem, `${path} ${String(reason)} is not among ${JSON.stringify(rejected)}`);
      assert.equal(problem.path.startsWith(path), true);
    });
  }

  for (const name of ['', 'n'.repeat(1025)]) {
    it(`a resource whose name is ${name === '' ? 'empty' : 'longer than 1 KiB'}`, async () => {
      const { rejected } = await verdictOn('cluster', cluster({ name }), name);
      assert.deepEqual(
        rejected.map(({ path }) => path),
        ['name'],
      );
      assert.ok(rejected[0]!.key.name.length < 100);
    });
  }

  it('more than 100,000 endpoints in one cluster', async () => {
    const list = Array.from({ length: 100_001 }, (_, index) => ({
      address: `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`,
      port: 80,
    }));
    const { rejected } = await verdictOn('endpoints', endpoints(...list));
    assert.deepEqual(
      rejected.map(({ reason }) => reason),
      ['has 100001 endpoints; at most 100000 are allowed'],
    );
  });

  it('objects that are shared so often that they are endless', async () => {
    let laughs: unknown[] = ['ha'];
    for (let level = 0; level < 9; level++) laughs = Array.from({ length: 10 }, () => laughs);
    const { rejected } = await verdictOn('cluster', cluster({ metadata: { laughs } }));
    assert.match(rejected[0]!.reason, /more than 5000000 parts/);
  });

  it('with at most 20 reasons for one resource', async () => {
    const { rejected } = await verdictOn(
      'endpoints',
      endpoints(...Array.from({ length: 50 }, () => ({ address: '', port: -1 }))),
    );
    assert.equal(rejected.length, 20);
  });

  it('a table that brings its source above 100,000 routes, and takes the tables before it', async () => {
    const store = createConfigStore({ sources: ['test'], clock: createVirtualClock(), policyNames: [], onSnapshot: () => {} });
    const big = Array.from({ length: 10_000 }, () => route());
    const set = Array.from({ length: 11 }, (_, index) => ({
      kind: 'route-table',
      name: `t${index}`,
      value: { name: `t${index}`, virtualHosts: [{ name: 'h', domains: ['*'], routes: big }] },
    }));
    const result = await store.sink('test').apply({ version: '1', set: set as unknown as Resource[], remove: [] });
    assert.equal(result.accepted.length, 10);
    assert.match(result.rejected[0]!.reason, /to 110000; at most 100000/);
  });
});

describe('the store accepts', () => {
  for (const { name, kind, value } of accepted) {
    it(name, async () => {
      const { accepted: taken, rejected } = await verdictOn(kind, value);
      assert.deepEqual(rejected, []);
      assert.equal(taken.length, 1);
    });
  }

  it('an address that is there twice, once, in its most preferred place', async () => {
    const swaps: Resource['value'][] = [];
    const store = createConfigStore({
      sources: ['test'],
      clock: createVirtualClock(),
      policyNames: [],
      onSnapshot: (snapshot, changed) => {
        for (const { name } of changed) swaps.push(snapshot.sources[0]!.endpoints.get(name)!);
      },
    });
    const again = (): Resource => ({
      kind: 'endpoints',
      name: 'x',
      value: {
        name: 'x',
        localities: [
          {
            locality: { zone: 'b' },
            priority: 1,
            endpoints: [
              { address: '192.0.2.1', port: 80 },
              { address: '192.0.2.9', port: 80 },
            ],
          },
          {
            locality: { zone: 'a' },
            priority: 0,
            endpoints: [
              { address: '192.0.2.1', port: 80, weight: 5 },
              { address: '192.0.2.1', port: 81 },
            ],
          },
        ],
      },
    });
    const sink = store.sink('test');
    const result = await sink.apply({ version: '1', set: [again()], remove: [] });
    assert.deepEqual(swaps, [
      {
        name: 'x',
        localities: [
          { locality: { zone: 'b' }, priority: 1, endpoints: [{ address: '192.0.2.9', port: 80 }] },
          {
            locality: { zone: 'a' },
            priority: 0,
            endpoints: [
              { address: '192.0.2.1', port: 80, weight: 5 },
              { address: '192.0.2.1', port: 81 },
            ],
          },
        ],
      },
    ]);
    const note = {
      key: { kind: 'endpoints', name: 'x' },
      path: 'localities[0].endpoints[0]',
      reason: '"192.0.2.1" port 80 is there twice; only the first, by priority, is used',
    };
    assert.deepEqual(result.unhonoured, [note]);
    const second = await sink.apply({ version: '2', set: [again()], remove: [] });
    assert.equal(swaps.length, 1, 'the same set again is no change');
    assert.deepEqual(second.unhonoured, [note]);
  });

  const [first, second, third] = [1, 2, 3].map((port) => ({ address: '192.0.2.1', port })) as [
    EndpointConfig,
    EndpointConfig,
    EndpointConfig,
  ];
  const zoneA = { locality: { zone: 'a' }, priority: 0 };
  const twice: readonly { name: string; localities: LocalityEndpoints[]; kept: LocalityEndpoints[]; notes: string[] }[] = [
    {
      name: 'with-other-weights',
      localities: [
        { ...zoneA, weight: 1, endpoints: [first] },
        { locality: { zone: 'b' }, priority: 0, weight: 1, endpoints: [third] },
        { ...zoneA, weight: 8, endpoints: [second] },
      ],
      kept: [
        { ...zoneA, weight: 8, endpoints: [first, second] },
        { locality: { zone: 'b' }, priority: 0, weight: 1, endpoints: [third] },
      ],
      notes: ['the locality "a" is there twice at priority 0; of its weights 1 and 8 the last counts'],
    },
    {
      name: 'with-the-same-weight',
      localities: [
        { ...zoneA, weight: 2, endpoints: [first] },
        { ...zoneA, weight: 2, endpoints: [second] },
      ],
      kept: [{ ...zoneA, weight: 2, endpoints: [first, second] }],
      notes: [],
    },
    {
      name: 'with-one-weight',
      localities: [
        { ...zoneA, weight: 2, endpoints: [first] },
        { ...zoneA, endpoints: [second] },
      ],
      kept: [{ ...zoneA, weight: 2, endpoints: [first, second] }],
      notes: [],
    },
    {
      name: 'not-at-another-priority',
      localities: [
        { ...zoneA, weight: 2, endpoints: [first] },
        { ...zoneA, priority: 1, weight: 3, endpoints: [second] },
      ],
      kept: [
        { ...zoneA, weight: 2, endpoints: [first] },
        { ...zoneA, priority: 1, weight: 3, endpoints: [second] },
      ],
      notes: [],
    },
  ];
  for (const { name, localities, kept, notes } of twice)
    it(`a locality that is there twice, once with the last weight: ${name}`, async () => {
      const taken: unknown[] = [];
      const store = createConfigStore({
        sources: ['test'],
        clock: createVirtualClock(),
        policyNames: [],
        onSnapshot: (snapshot) => taken.push(snapshot.sources[0]!.endpoints.get('x')!.localities),
      });
      const set: Resource[] = [{ kind: 'endpoints', name: 'x', value: { name: 'x', localities } }];
      const { unhonoured, rejected } = await store.sink('test').apply({ version: '1', set, remove: [] });
      assert.deepEqual(rejected, []);
      assert.deepEqual(taken, [kept]);
      assert.deepEqual(
        unhonoured.map(({ reason }) => reason),
        notes,
      );
    });
});

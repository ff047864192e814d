/** What the file refuses of endpoints, their places and health, of detection and of balancing, one row each. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseMeshFile } from '../../../../src/control-plane/file/parse-mesh-file.ts';
import { problemsOf, service } from './problems-of.ts';

interface Row {
  readonly name: string;
  readonly text: string;
  /** All problems, in the order of the text. */
  readonly problems: readonly RegExp[];
}

const endpoints = (list: string, keys = ''): string => `services:\n  a:\n    endpoints: [${list}]\n    ${keys}\n`;
const detection = (keys: string): string => service(`outlierDetection: { ${keys} }`);
const check = (keys: string): string => service(`healthChecks: [{ ${keys} }]`);
const balanced = (keys: string): string => service(`loadBalancing: { ${keys} }`);

const rows: readonly Row[] = [
  // Endpoints
  {
    name: 'weight-of-0',
    text: endpoints('{ address: h:1, weight: 0 }'),
    problems: [/endpoints\[0\]\.weight .* found 0; .* for an endpoint without requests write `health: draining`/],
  },
  {
    name: 'priority-beyond-128',
    text: endpoints('{ address: h:1 }, { address: h:2, priority: 129 }'),
    problems: [/endpoints\[1\]\.priority .* found 129; expected a whole number, 0 … 128/],
  },
  {
    name: 'priorities-with-a-gap',
    text: endpoints('h:1, { address: h:2, priority: 2 }, { address: h:3, priority: 3 }'),
    problems: [/endpoints\[1\]\.priority 3:\d+ found 2, and no endpoint has the priority 1; they are counted from 0/],
  },
  {
    name: 'priorities-from-1',
    text: endpoints('{ address: h:1, priority: 1 }'),
    problems: [/endpoints\[0\]\.priority .* no endpoint has the priority 0/],
  },
  {
    name: 'unknown-health',
    text: endpoints('{ address: h:1, health: drained }'),
    problems: [/health .* found "drained"; expected one of healthy, degraded, draining, unhealthy; did you mean "draining"\?/],
  },
  {
    name: 'empty-zone',
    text: endpoints("{ address: h:1, zone: '' }"),
    problems: [/zone .* found ""; expected the name of a zone/],
  },
  {
    name: 'sub-zone-in-small-letters',
    text: endpoints('{ address: h:1, subzone: a }'),
    problems: [/endpoints\[0\]\.subzone .* unknown key; did you mean "subZone"\?/],
  },
  {
    name: 'one-address-at-two-priorities',
    text: endpoints('h:1, { address: h:1, priority: 1 }'),
    problems: [/endpoints\[1\]\.address .* the same address as endpoints\[0\]/],
  },

  // Forms that others have
  {
    name: 'detector-that-is-true',
    text: detection('cusum: true'),
    problems: [/cusum .* found true; expected `false`, or a mapping; for the defaults write `\{\}`, or nothing$/],
  },
  {
    name: 'detector-that-is-off-in-a-word',
    text: detection('cusum: off'),
    problems: [/cusum .* found "off"; expected `false`, or a mapping; it is a text here, write `false`$/],
  },
  {
    name: 'all-detection-that-is-true',
    text: service('outlierDetection: true'),
    problems: [/outlierDetection .* found true; .* for the defaults write `\{\}`, or nothing$/],
  },
  {
    name: 'detection-that-is-a-number',
    text: service('outlierDetection: 5'),
    problems: [/outlierDetection .* found 5; expected `false`, or a mapping$/],
  },
  {
    name: 'policy-without-its-key',
    text: service('loadBalancing: round-robin'),
    problems: [/loadBalancing .* found "round-robin"; expected a mapping such as `\{ policy: round-robin \}`$/],
  },
  {
    name: 'policy-in-the-words-of-another-mesh',
    text: balanced('policy: p2c'),
    problems: [/policy .* found "p2c"; expected one of .*; did you mean "least-request"\?$/],
  },
  {
    name: 'policy-in-the-words-of-envoy',
    text: balanced('policy: LEAST_CONN'),
    problems: [/policy .* found "LEAST_CONN"; expected one of .*; did you mean "least-request"\?$/],
  },
  {
    name: 'policy-with-a-letter-missing',
    text: balanced('policy: maglv'),
    problems: [/policy .* expected one of .*; did you mean "maglev"\?$/],
  },

  // Localities
  {
    name: 'unknown-mode',
    text: service('localities: { mode: zone }'),
    problems: [/localities\.mode .* found "zone"; expected one of none, weighted, zone-aware/],
  },
  {
    name: 'weighted-without-weights',
    text: endpoints('{ address: h:1, zone: a }, { address: h:2, zone: b }', 'localities: { mode: weighted }'),
    problems: [/localities\.mode .* `weighted` needs the `weights` of the localities: \{ a: 1, b: 1 \}/],
  },
  {
    name: 'weights-without-weighted',
    text: endpoints('{ address: h:1, zone: a }', 'localities: { weights: { a: 1 } }'),
    problems: [/localities\.weights .* with `mode: weighted` only; add that, or remove it/],
  },
  {
    name: 'weight-of-an-unknown-zone',
    text: endpoints('{ address: h:1, zone: eu-1a }', 'localities: { mode: weighted, weights: { eu-1a: 1, eu-1b: 1 } }'),
    problems: [/weights\.eu-1b .* no endpoint is there; did you mean "eu-1a"\? \(known here: eu-1a\)/],
  },
  {
    name: 'weight-of-a-zone-without-its-region',
    text: endpoints('{ address: h:1, region: eu, zone: a }', 'localities: { mode: weighted, weights: { a: 1 } }'),
    problems: [/weights .* the weight of "eu\/a" is missing/, /weights\.a .* no endpoint is there; known here: eu\/a/],
  },
  {
    name: 'zone-without-a-weight',
    text: endpoints('{ address: h:1, zone: a }, { address: h:2, zone: b }', 'localities: { mode: weighted, weights: { a: 1 } }'),
    problems: [/weights .* the weight of "b" is missing, so it would get nothing; add it/],
  },
  {
    name: 'weights-beside-an-endpoint-without-zone',
    text: endpoints('{ address: h:1, zone: a }, h:2', 'localities: { mode: weighted, weights: { a: 1 } }'),
    problems: [/weights .* an endpoint has no region, zone or sub-zone, so no weight can be its own; add one/],
  },
  {
    name: 'weights-of-a-priority-that-are-all-0',
    text: endpoints(
      '{ address: h:1, zone: a }, { address: h:2, zone: b, priority: 1 }',
      'localities: { mode: weighted, weights: { a: 1, b: 0 } }',
    ),
    problems: [/weights .* all weights of the priority 1 are 0/],
  },
  {
    name: 'weights-beyond-uint32',
    text: endpoints(
      '{ address: h:1, zone: a }, { address: h:2, zone: b }',
      'localities: { mode: weighted, weights: { a: 4294967295, b: 1 } }',
    ),
    problems: [/weights .* add up to 4294967296; at most 4294967295/],
  },
  {
    name: 'weighted-addresses-of-a-name',
    text: 'services: { a: { dns: h:1, localities: { mode: weighted, weights: { a: 1 } } } }',
    problems: [/mode .* needs `endpoints` with a zone; the addresses of a name have none/],
  },
  {
    name: 'zone-aware-keys-in-another-mode',
    text: service('localities: { zoneAwareMinClusterSize: 3, zoneAwareRoutingPercent: 50 }'),
    problems: [/zoneAwareMinClusterSize .* with `mode: zone-aware` only; add that/, /zoneAwareRoutingPercent .* only/],
  },
  {
    name: 'zone-aware-keys-of-the-defaults',
    text: 'defaults: { localities: { zoneAwareMinClusterSize: 3 } }',
    problems: [/^defaults\.localities\.zoneAwareMinClusterSize .* with `mode: zone-aware` only/],
  },
  {
    name: 'weighted-defaults',
    text: 'defaults: { localities: { mode: weighted } }',
    problems: [/^defaults\.localities\.mode .* found "weighted"; expected one of none, zone-aware/],
  },
  {
    name: 'weights-of-the-defaults',
    text: 'defaults: { localities: { weights: { a: 1 } } }',
    problems: [/^defaults\.localities\.weights .* unknown key/],
  },
  {
    name: 'defaults-without-localities',
    text: 'defaults: { localities: }',
    problems: [/^defaults\.localities .* found nothing; expected a mapping/],
  },
  {
    name: 'overprovisioning-below-100',
    text: service('localities: { overprovisioningPercent: 99 }'),
    problems: [/overprovisioningPercent .* found 99; expected a whole number, 100 …/],
  },
  {
    name: 'panic-above-100',
    text: service('localities: { panicThresholdPercent: 101 }'),
    problems: [/panicThresholdPercent .* found 101; expected a whole number, 0 … 100/],
  },

  // Slow start
  { name: 'slow-start-without-window', text: service('slowStart: {}'), problems: [/slowStart\.windowMs .* the key is missing/] },
  {
    name: 'slow-start-that-is-not-a-number',
    text: service('slowStart: { windowMs: 1000, aggression: .nan, minWeightPercent: -1 }'),
    problems: [/aggression .* found NaN; expected a number/, /minWeightPercent .* found -1; expected a number, 0 … 100/],
  },
  {
    name: 'slow-start-that-stands-still',
    text: service('slowStart: { windowMs: 1000, aggression: 0 }'),
    problems: [/aggression .* found 0; expected a number, 0\.001 …/],
  },

  // Health checks
  { name: 'no-checks', text: service('healthChecks: []'), problems: [/healthChecks .* at least one item/] },
  {
    name: 'one-path-without-a-list',
    text: service('healthChecks: /healthz'),
    problems: [/healthChecks .* found "\/healthz"; expected a list/],
  },
  {
    name: 'path-of-a-check-without-a-slash',
    text: service('healthChecks: [healthz]'),
    problems: [/healthChecks\[0\] .* found "healthz"; expected a path such as \/healthz/],
  },
  {
    name: 'path-of-a-grpc-check',
    text: check('kind: grpc, path: /healthz'),
    problems: [/healthChecks\[0\]\.path .* with `kind: http` only; remove it/],
  },
  {
    name: 'bytes-of-a-grpc-check',
    text: check('kind: grpc, sendHex: "00"'),
    problems: [/healthChecks\[0\]\.sendHex .* with `kind: http` and `tcp` only; remove it/],
  },
  {
    name: 'service-of-an-http-check',
    text: check('path: /healthz, service: orders'),
    problems: [/healthChecks\[0\]\.service .* with `kind: grpc` only; remove it/],
  },
  {
    name: 'unknown-kind',
    text: check('kind: https'),
    problems: [/kind .* found "https"; expected one of http, tcp, grpc; did you mean "http"\?/],
  },
  {
    name: 'method-in-small-letters',
    text: check('method: head'),
    problems: [/method .* found "head"; expected a method such as HEAD, in capitals/],
  },
  {
    name: 'range-of-statuses-upside-down',
    text: check('expectedStatuses: ["299-200"]'),
    problems: [/expectedStatuses\[0\] .* found "299-200"; expected a status such as 200, or a range in quotes/],
  },
  { name: 'status-beyond-599', text: check('expectedStatuses: [600]'), problems: [/expectedStatuses\[0\] .* found 600/] },
  {
    name: 'class-of-statuses',
    text: check('retriableStatuses: [5xx]'),
    problems: [/retriableStatuses\[0\] .* found "5xx"; .* such as "200-299"/],
  },
  { name: 'half-a-byte', text: check('kind: tcp, sendHex: "f"'), problems: [/sendHex .* bytes in hexadecimal, two digits each/] },
  {
    name: 'threshold-of-0',
    text: check('unhealthyThreshold: 0, healthyThreshold: 0'),
    problems: [/unhealthyThreshold .* found 0/, /healthyThreshold .* found 0/],
  },
  {
    name: 'interval-that-is-negative',
    text: check('intervalMs: -1, timeoutMs: .nan'),
    problems: [/intervalMs .* found -1/, /timeoutMs .* found NaN/],
  },
  {
    name: 'unknown-key-of-a-check',
    text: check('interval: 5000'),
    problems: [/healthChecks\[0\]\.interval .* unknown key; did you mean "intervalMs"\?/],
  },

  // Detection
  { name: 'detection-that-is-true', text: service('outlierDetection: true'), problems: [/found true; expected `false`, or a/] },
  {
    name: 'cusum-that-is-true',
    text: detection('cusum: true'),
    problems: [/cusum .* found true; expected `false`, or a mapping/],
  },
  {
    name: 'budget-of-0-false-ejections',
    text: detection('cusum: { falseEjectionsPerEndpointDay: 0 }'),
    problems: [/falseEjectionsPerEndpointDay .* found 0; expected a number, 0\.000001 … 1000/],
  },
  {
    name: 'interval-that-nobody-asks-for',
    text: detection('intervalMs: 5000'),
    problems: [/intervalMs .* with `successRate` and `failurePercentage` only; add one of them, or remove it/],
  },
  {
    name: 'percent-of-local-failures-without-the-split',
    text: detection('successRate: { enforcingLocalOriginPercent: 50 }'),
    problems: [/successRate\.enforcingLocalOriginPercent .* with `splitLocalOriginErrors: true` only; add that, or remove it/],
  },
  {
    name: 'share-of-a-detector-that-is-off',
    text: detection('enforcing: { consecutive5xx: 50 }'),
    problems: [/enforcing\.consecutive5xx .* the detector is off; set `consecutive5xx`, or remove it/],
  },
  {
    name: 'share-of-a-detector-that-envoy-has-off',
    text: detection('cusum: false, enforcing: { consecutive5xx: 50, consecutiveGatewayFailure: 50 }'),
    problems: [/enforcing\.consecutiveGatewayFailure .* the detector is off; set `consecutiveGatewayFailure`/],
  },
  { name: 'shares-of-nothing', text: detection('enforcing: {}'), problems: [/enforcing .* at least one of consecutive5xx/] },
  {
    name: 'success-rate-above-1',
    text: detection('successRateAverage: { threshold: 80 }'),
    problems: [/threshold .* found 80; expected a number, 0 … 1/],
  },
  {
    name: 'misspelt-detector',
    text: detection('successRates: {}'),
    problems: [/outlierDetection\.successRates .* unknown key; did you mean "successRate"\?/],
  },

  // Breaker
  {
    name: 'fallback-of-a-host',
    text: service('circuitBreaker: { fallback: { respond: { status: 200 } } }'),
    problems: [/circuitBreaker\.fallback .* it stands in for a whole service: add `scope: service`, or remove it/],
  },
  {
    name: 'scope-in-the-words-of-envoy',
    text: service('circuitBreaker: { scope: cluster }'),
    problems: [/scope .* found "cluster"; expected one of host, service/],
  },
  {
    name: 'fallback-to-nothing',
    text: service('circuitBreaker: { scope: service, fallback: {} }'),
    problems: [/fallback .* expected a mapping with exactly one of service or respond/],
  },
  {
    name: 'fallback-to-an-unknown-service',
    text: 'services:\n  orders: { dns: h:1, circuitBreaker: { scope: service, fallback: { service: order-cache } } }\n  orders-cache: { dns: h:2 }',
    problems: [
      /^services\.orders\.circuitBreaker\.fallback\.service .* found "order-cache"; expected the name of a service; did you mean "orders-cache"\?/,
    ],
  },
  {
    name: 'fallback-to-itself',
    text: service('circuitBreaker: { scope: service, fallback: { service: a } }'),
    problems: [/fallback\.service .* it is the service itself, whose breaker is open; name another one, or use `respond`/],
  },
  {
    name: 'services-that-stand-in-for-each-other',
    text: `services:
  a: { dns: h:1, circuitBreaker: { scope: service, fallback: { service: b } } }
  b: { dns: h:2, circuitBreaker: { scope: service, fallback: { service: a } } }`,
    problems: [],
  },
  {
    name: 'fallback-without-endpoints',
    text: `services:
  a: { dns: h:1, circuitBreaker: { scope: service, fallback: { service: b } } }
  b: { routes: [{ respond: { status: 200 } }] }`,
    problems: [/fallback\.service .* the service "b" has no endpoints of its own/],
  },
  {
    name: 'service-that-stands-in-for-all',
    text: 'services: { a: { dns: h:1 } }\ndefaults: { circuitBreaker: { scope: service, fallback: { service: a } } }',
    problems: [/^defaults\.circuitBreaker\.fallback\.service .* is for each service to say; write it there, or use `respond`/],
  },
  {
    name: 'answer-with-a-type-on-two-lines',
    text: service('circuitBreaker: { scope: service, fallback: { respond: { status: 200, contentType: "a\\nb" } } }'),
    problems: [/contentType .* expected a media type/],
  },

  // Balancing
  {
    name: 'policy-that-is-misspelt',
    text: balanced('policy: peak-emwa'),
    problems: [/policy .* found "peak-emwa"; .* did you mean "peak-ewma"\?/],
  },
  {
    name: 'option-of-another-policy',
    text: balanced('policy: random, decayMs: 1000'),
    problems: [/decayMs .* with `policy: peak-ewma` and `least-response-time` only; remove it/],
  },
  {
    name: 'child-of-a-policy-that-has-none',
    text: balanced('policy: random, child: { policy: round-robin }'),
    problems: [/child .* with `policy: subsetting` and `override-host` only; remove it/],
  },
  {
    name: 'subset-of-a-subset',
    text: balanced('policy: subsetting, child: { policy: subsetting }'),
    problems: [
      /child .* subsetting cannot be around subsetting; the order is override-host, then subsetting, then another policy/,
    ],
  },
  {
    name: 'mistake-in-a-child',
    text: balanced('policy: override-host, child: { policy: subsetting, sise: 3, child: { policy: maglev, tableSize: 4 } }'),
    problems: [/child\.sise .* unknown key; did you mean "size"\?/, /child\.child\.tableSize .* it must be a prime/],
  },
  {
    name: 'deterministic-subset-of-a-name',
    text: balanced('policy: subsetting, kind: deterministic, client: web'),
    problems: [/client .* `kind: deterministic` needs the number of this client, from 0/],
  },
  {
    name: 'metric-that-is-none',
    text: balanced('policy: client-side-weighted-round-robin, metrics: [queue]'),
    problems: [/metrics\[0\] .* found "queue"; expected .*named_metrics/],
  },
  {
    name: 'reports-without-pause',
    text: balanced('policy: client-side-weighted-round-robin, oobReportingMs: 10'),
    problems: [/oobReportingMs .* found 10/],
  },
  {
    name: 'reports-for-another-policy',
    text: balanced('policy: round-robin, oobReportingMs: 1000'),
    problems: [/oobReportingMs/],
  },
  {
    name: 'table-without-end',
    text: balanced('policy: maglev, tableSize: .inf'),
    problems: [/tableSize .* found Infinity; expected a whole number/],
  },
];

describe('a mistake in what a file says of endpoints is refused with its path, its place and what would be right', () => {
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

/** The options of all load balancing policies, side by side in one mapping, and which policy each belongs to. */
import * as v from 'valibot';
import { flag, list, maxCount, number, oneOf, text, tokenName, wholeNumber } from './schema-values.ts';

/** Envoy's bounds. */
export const largestRing = 8_388_608;
/** See {@link largestRing}. */
export const largestTable = 5_000_011;
const dayMs = 86_400_000; // the policies' bound

const hashing = ['ring-hash', 'maglev'] as const;
const byLatency = ['peak-ewma', 'least-response-time'] as const;
const byReport = ['client-side-weighted-round-robin'] as const;

/** The policies that each option belongs to. */
export const policiesOfOption: Readonly<Record<keyof typeof balancingOptions | 'child', readonly string[]>> = {
  choiceCount: ['least-request'],
  fullScan: ['least-request'],
  activeRequestBias: ['least-request'],
  envoyCompatible: ['least-request'],
  minimumRingSize: ['ring-hash'],
  maximumRingSize: ['ring-hash'],
  hashFunction: ['ring-hash'],
  tableSize: ['maglev'],
  useHostname: hashing,
  balanceFactorPercent: hashing,
  decayMs: byLatency,
  defaultLatencyMs: byLatency,
  failurePenaltyMs: byLatency,
  blackoutMs: byReport,
  expirationMs: byReport,
  updateMs: byReport,
  errorPenalty: byReport,
  metrics: byReport,
  oobReportingMs: byReport,
  shuffle: ['pick-first'],
  kind: ['subsetting'],
  size: ['subsetting'],
  client: ['subsetting'],
  headers: ['override-host'],
  child: ['subsetting', 'override-host'],
};

const metricExpected = 'application_utilization, cpu_utilization, mem_utilization, named_metrics.… or utilization.…';
const metric = v.pipe(
  v.string(metricExpected),
  v.regex(/^(?:application_utilization|cpu_utilization|mem_utilization|(?:named_metrics|utilization)\..+)$/, metricExpected),
);

/** All of them; none is required. */
export const balancingOptions = {
  choiceCount: v.pipe(
    v.exactOptional(wholeNumber(2, 10)),
    v.description(
      'Only for `least-request`: how many endpoints are drawn and compared. 2 by default; more follow the load closer.',
    ),
  ),
  fullScan: v.pipe(
    v.exactOptional(flag()),
    v.description(
      'Only for `least-request`: whether all endpoints are compared instead, for few endpoints and long requests. They are not by default.',
    ),
  ),
  activeRequestBias: v.pipe(
    v.exactOptional(number(0, 100)),
    v.description(
      'Only for `least-request`: how strongly load counts where weights differ; 0 = not at all. 1 by default, as in Envoy.',
    ),
  ),
  envoyCompatible: v.pipe(
    v.exactOptional(flag()),
    v.description(
      'Only for `least-request`: whether the same endpoint may be drawn twice and compared with itself, as in Envoy. It may not by default, so that the busier of two gets nothing rather than a quarter.',
    ),
  ),
  minimumRingSize: v.pipe(
    v.exactOptional(wholeNumber(1, largestRing)),
    v.description(
      'Only for `ring-hash`: points on the ring at least; more follow the weights closer. 1024 by default, as in Envoy.',
    ),
  ),
  maximumRingSize: v.pipe(
    v.exactOptional(wholeNumber(1, largestRing)),
    v.description('Only for `ring-hash`: points on the ring at most. 8388608 by default, as in Envoy.'),
  ),
  hashFunction: v.pipe(
    v.exactOptional(oneOf(['xx-hash', 'murmur-hash-2'])),
    v.description(
      'Only for `ring-hash`: what places endpoints on the ring. `xx-hash` by default, as in Envoy; the other is for agreement with clients that use it.',
    ),
  ),
  tableSize: v.pipe(
    v.exactOptional(wholeNumber(2, largestTable)),
    v.description('Only for `maglev`: places of the table, a prime. 65537 by default, as in Envoy.'),
  ),
  useHostname: v.pipe(
    v.exactOptional(flag()),
    v.description(
      'Only for `ring-hash` and `maglev`: whether endpoints are placed by their `hostname` instead of their address, so that one that moves keeps its requests. They are not by default.',
    ),
  ),
  balanceFactorPercent: v.pipe(
    v.exactOptional(wholeNumber(100, maxCount)),
    v.description(
      'Only for `ring-hash` and `maglev`: an endpoint with more than this percentage of its share of the load passes requests on; 120 to 200 are usual. No bound by default.',
    ),
  ),
  decayMs: v.pipe(
    v.exactOptional(number(1, dayMs)),
    v.description(
      'Only for `peak-ewma` and `least-response-time`: how fast latencies are forgotten; after so long one weighs a third. 10000 by default, as in Finagle and Linkerd.',
    ),
  ),
  defaultLatencyMs: v.pipe(
    v.exactOptional(number(0, dayMs)),
    v.description(
      'Only for `peak-ewma` and `least-response-time`: what an endpoint is taken to need that has not answered yet. 30 by default, as in Linkerd.',
    ),
  ),
  failurePenaltyMs: v.pipe(
    v.exactOptional(number(0, dayMs)),
    v.description(
      'Only for `peak-ewma` and `least-response-time`: what a failure counts as, so that an endpoint that fails fast gets less and not more. 5000 by default, as in Linkerd.',
    ),
  ),
  blackoutMs: v.pipe(
    v.exactOptional(number(0, dayMs)),
    v.description(
      'Only for `client-side-weighted-round-robin`: the reports of an endpoint count once they have come for so long. 10000 by default (gRFC A58).',
    ),
  ),
  expirationMs: v.pipe(
    v.exactOptional(number(1, dayMs)),
    v.description('Only for `client-side-weighted-round-robin`: how long a report counts. 180000 by default (gRFC A58).'),
  ),
  updateMs: v.pipe(
    v.exactOptional(number(100, dayMs)),
    v.description('Only for `client-side-weighted-round-robin`: how often weights change at most. 1000 by default (gRFC A58).'),
  ),
  errorPenalty: v.pipe(
    v.exactOptional(number(0, 1_000_000)),
    v.description(
      'Only for `client-side-weighted-round-robin`: how much failures count as load: with 1, an endpoint that fails all of its requests counts as fully loaded in addition. 1 by default (gRFC A58).',
    ),
  ),
  metrics: v.pipe(
    v.exactOptional(list(metric)),
    v.description(
      'Only for `client-side-weighted-round-robin`: the highest of these metrics is the load, such as `named_metrics.queue`. By default `application_utilization`, else `cpu_utilization` (gRFC A114).',
    ),
  ),
  oobReportingMs: v.pipe(
    v.exactOptional(number(100, dayMs)),
    v.description(
      'Only for `client-side-weighted-round-robin`: endpoints are asked out of band to report so often (`xds.service.orca.v3.OpenRcaService`, gRFC A51). By default they are not asked; gRPC asks every 10000. Reports of responses count as well.',
    ),
  ),
  shuffle: v.pipe(
    v.exactOptional(flag()),
    v.description(
      'Only for `pick-first`: whether each process draws an order of its own, by weight. It does by default; `false`: the order of the file, so that all processes use the same endpoint.',
    ),
  ),
  kind: v.pipe(
    v.exactOptional(oneOf(['random', 'rendezvous', 'deterministic'])),
    v.description(
      'Only for `subsetting`: how the part is chosen. `random` (gRFC A68); `rendezvous`: by weight too; `deterministic`: the evenest where clients are numbered without gaps. `random` by default.',
    ),
  ),
  size: v.pipe(
    v.exactOptional(wholeNumber(1, maxCount)),
    v.description('Only for `subsetting`: how many endpoints this process uses. 20 by default.'),
  ),
  client: v.pipe(
    v.exactOptional(v.union([text('a name'), wholeNumber(0, Number.MAX_SAFE_INTEGER)], 'a name, or a whole number from 0')),
    v.description(
      'Only for `subsetting`: who this process is, so that it has the same part after a restart. Drawn at the start by default.',
    ),
  ),
  headers: v.pipe(
    v.exactOptional(list(tokenName())),
    v.description(
      'Only for `override-host`: headers of requests that name endpoints, as `192.0.2.1:8080`, several with commas between. `x-gateway-destination-endpoint` by default.',
    ),
  ),
} as const;

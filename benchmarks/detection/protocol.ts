/**
 * The evaluation of failure detection, written down before any of its results was looked at: detectors, parameters, seeds, workloads,
 * metrics and what counts as passed. Whoever changes a parameter of a detector because of what was found here writes a new entry in
 * {@link amendments}, with new seeds, and says why; results under old seeds are then worth nothing any more.
 *
 * QUESTION     Does the default detector find failing hosts sooner than those that others ship, at no more false ejections, and without
 *              taking hosts out when all of them are ill?
 * TIME         Virtual (test/simulation). Callers are Poisson. A run is a pure function of its seed.
 * MODES        `alone`: every request goes to a host at random, whatever detectors think; all detectors watch the same requests. What a
 *              detector has out it does not see, but for its own probes. `mesh`: the whole product with its balancing, reduced shares,
 *              silence, retries, breakers and probes, one detector at a time, with the seeds in common.
 * A FAULT      begins after a warm-up of 120 s and a random 0–30 s more, so that no detector's interval is in step with it, and is
 *              watched for 120 s. Delay: until the host is first out (0 when it happens to be out already: that favours detectors that are
 *              often wrong). Failed requests: those that it failed until then.
 * MEDIANS      over runs; one that did not find it counts as later than all that did, so p90 is `–` when fewer than 90 % found it.
 * FALSE        An ejection of a host whose failures are those that the workload calls healthy. Per endpoint and day, with the exact 95 %
 *              interval of a Poisson count (Garwood 1936).
 * EQUAL RATE   Each detector's own parameter is set to the most sensitive value of its ladder that makes at most 0.1 false ejections per
 *              endpoint-day on `clean-0.5%` and `uneven` together, on tuning seeds that no other figure uses. A detector whose ladder
 *              has none is silent at that rate.
 * NOT SHOWN    Nothing is left out: workloads on which we do worse are in the same tables.
 */

/** Seeds by purpose; a run takes the seed plus its number. They were not tried before. */
export const seeds = { tuning: 710_000, clean: 720_000, fault: 730_000, outage: 740_000, mesh: 750_000 } as const;

export interface Amendment {
  readonly date: string;
  readonly what: string;
  readonly why: string;
}
/** Changes after the registration. */
export const amendments: readonly Amendment[] = [
  {
    date: '2026-11-22',
    what: 'shares of 70, 35 and 10 % beside those of W1',
    why: 'for the curve; no mark is about them, and nothing had been run',
  },
  {
    date: '2026-11-23',
    what: '60 instead of 30 endpoint-days without a fault, 40 instead of 60 runs through the mesh',
    why: 'an interval of no false ejection in 30 days reaches 0.12, above the mark of 0.1; and the time that it takes',
  },
  {
    date: '2026-11-23',
    what: 'all seeds, from 510 000 … 550 000 to 610 000 … 650 000',
    why:
      'two quick runs were looked at; they missed the marks of the silent outage and of the poison key and met the others. ' +
      'Code of detection has changed since; the constants of the CUSUM have not, silence wants 100 answers of a route first instead of 20',
  },
  {
    date: '2026-11-23',
    what: 'all seeds, from 610 000 … 650 000 to 710 000 … 750 000',
    why:
      'a full run on the old ones was looked at. It missed two marks (silent outage 1.1 hosts, poison key 6.8), and watching single runs ' +
      'showed a third fault that no mark is about: a blackholed host got a request in each probe, one after the other. Detection was ' +
      'changed because of that, on other seeds: silence counts from 500 ms instead of 300 ms, only for what peers have vouched for, and ' +
      'not from times in which most hosts are silent; a probe that nobody answers in time has failed; trouble that moves on with an ' +
      'ejection holds further ones (its constants were set on seeds 5000 to 5019 of the poison key and 6000 to 6039 of two bad hosts); ' +
      'an ejection takes 5 s at first instead of 30 s',
  },
  {
    date: '2026-11-23',
    what: '100 runs of a fault instead of 200, 40 endpoint-days without one instead of 60 (20 instead of 30 of tuning, 6 instead of 10 through the mesh), 30 runs of the rest instead of 40',
    why: 'so that it can be repeated in minutes; an interval of no false ejection in 40 days still ends below the mark',
  },
];

/** How much is simulated. */
export interface Volume {
  /** Runs of each fault, of each of the larger services, and of each outage. */
  readonly faultRuns: number;
  readonly largeRuns: number;
  readonly outageRuns: number;
  /** Runs of each fault through the whole mesh. */
  readonly meshRuns: number;
  /** Endpoint-days of each workload without a fault; of tuning; and through the whole mesh. */
  readonly cleanDays: number;
  readonly tuningDays: number;
  readonly meshCleanDays: number;
}

export const volumes = {
  full: { faultRuns: 100, largeRuns: 30, outageRuns: 30, meshRuns: 30, cleanDays: 40, tuningDays: 20, meshCleanDays: 6 },
  quick: { faultRuns: 40, largeRuns: 10, outageRuns: 8, meshRuns: 10, cleanDays: 3, tuningDays: 3, meshCleanDays: 1 },
  tiny: { faultRuns: 2, largeRuns: 1, outageRuns: 1, meshRuns: 1, cleanDays: 0.02, tuningDays: 0.02, meshCleanDays: 0.01 },
} as const satisfies Record<string, Volume>;

/** A fault begins after this, plus a random part of `phaseMs`, and is watched for `watchMs`. */
export const timing = { warmUpMs: 120_000, phaseMs: 30_000, watchMs: 120_000 } as const;

/** Hosts that are well fail this share of their requests, unless a workload says otherwise. */
export const baseErrorRatio = 0.005;

/** The workloads. Requests a second are those of all hosts together; ten a second and host unless said otherwise. */
export const workloads = {
  // W1: one of ten hosts fails a share of its requests; 70, 35 and 10 % are for the curve alone.
  shares: { hosts: 10, requestsPerSecond: 100, ratios: [1, 0.7, 0.5, 0.35, 0.2, 0.1, 0.05] },
  // W2: one of ten hosts goes from well to 60 % within a minute.
  ramp: { hosts: 10, requestsPerSecond: 100, to: 0.6, durationMs: 60_000 },
  // W3: one request a second and host; one fails 30 %.
  lowTraffic: { hosts: 10, requestsPerSecond: 10, ratio: 0.3 },
  // W4: three hosts, one fails 30 %.
  threeHosts: { hosts: 3, requestsPerSecond: 30, ratio: 0.3 },
  // W5: a hundred hosts, one fails 20 %.
  hundredHosts: { hosts: 100, requestsPerSecond: 1000, ratio: 0.2 },
  // Without a fault: all alike at two rates; W6: rates spread evenly over the hosts, from .5 % to 2 %.
  clean: { hosts: 10, requestsPerSecond: 100, ratios: [0.005, 0.1], uneven: { from: 0.005, to: 0.02 } },
  // W7: each hour a minute in which all hosts fail the same share, these in turn.
  incidents: { everyMs: 3_600_000, forMs: 60_000, ratios: [0.2, 0.5, 0.8, 1] },
  // W7, the gate: one such minute, at two rates of traffic. Hosts ejected until 30 s after its end.
  outages: { hosts: 10, requestsPerSecond: [100, 1000], ratios: [0.2, 0.5, 0.8, 1], forMs: 60_000, afterMs: 30_000 },
  // W8: ring hash over ten hosts; one key is 5 % of the requests and always fails, wherever it goes; five minutes.
  poison: { hosts: 10, requestsPerSecond: 100, keys: 1000, poisonRatio: 0.05, forMs: 300_000 },
  // W9: each host has bursts of errors of its own, 5 % for 5 s on average, .25 % between them for 95 s: .49 % on average.
  bursts: { on: 0.05, onMeanMs: 5000, off: 0.0025, offMeanMs: 95_000 },
  // W10: once a minute this process stands still for 2 s, ten times; hosts answer within 3 to 30 ms.
  blockedLoop: { hosts: 10, requestsPerSecond: 100, everyMs: 60_000, stallMs: 2000, times: 10 },
  // W11: one of ten hosts is dead for a second, well for a second, and so on for ten minutes.
  flapping: { hosts: 10, requestsPerSecond: 100, badMs: 1000, goodMs: 1000, forMs: 600_000 },
  // W12: what all hosts depend on is in trouble for 20 s every 10 minutes on average: 15 % of the requests fail at every host.
  sharedDependency: { on: 0.15, onMeanMs: 20_000, off: 0.005, offMeanMs: 580_000 },
  // W13: one of ten hosts takes requests and never answers. Callers wait 1 s; detectors that need a timeout get one of 250 ms an attempt.
  blackhole: { hosts: 10, requestsPerSecond: [100, 10], patienceMs: 1000, perTryTimeoutMs: 250 },
  // Returns: a host is dead for a minute and well from then on; and one that fails half of its requests for ten minutes.
  returns: { hosts: 10, requestsPerSecond: 100, deadMs: 60_000, watchMs: 240_000, halfRatio: 0.5, halfMs: 600_000 },
  // All hosts take requests and never answer, for 20 s; and all are well, but 1 % of the answers take 0.2 to 5 s by a power law.
  silentOutage: { hosts: 10, requestsPerSecond: 100, forMs: 20_000, afterMs: 30_000 },
  heavyTail: { hosts: 10, requestsPerSecond: 100, ratio: 0.01, tailMs: 200, shape: 1.5, maxMs: 5000 },
} as const;

/** Latency of hosts that are well, where it matters (mode `mesh`): median 8 ms, 99th percentile 32 ms. */
export const latency = { medianMs: 8, sigma: 0.6 } as const;

/** Parameters as each project ships them. */
export const defaults = {
  cusum: { falseEjectionsPerEndpointDay: 0.05 },
  envoy: { stdevFactor: 1.9 },
  a50: { stdevFactor: 1.9 },
  linkerd: { maxFailures: 7 },
  finagle: { successRatio: 0.8 },
  poisson: { alpha: 1e-6 },
} as const;

/** The one parameter of each detector that is turned for equal false-alarm rates and for the curves; most sensitive first. */
export const ladders = {
  cusum: [50, 5, 0.5, 0.05, 0.005],
  envoy: [1.7, 1.9, 2.1, 2.3, 2.5, 2.6, 2.7, 2.75, 2.8],
  a50: [1.7, 1.9, 2.1, 2.3, 2.5, 2.6, 2.7, 2.75, 2.8],
  linkerd: [2, 3, 4, 5, 7],
  finagle: [0.97, 0.95, 0.92, 0.9, 0.85, 0.8],
  poisson: [1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-8],
} as const;

/** The rate at which detectors are compared at equal false alarms, per endpoint-day. */
export const equalRate = 0.1;

/** What counts as passed, by our detector with its defaults. */
export const marks = {
  /** p90 of the delay in seconds and median of the failed requests, alone, for a host that fails this share. */
  shares: [
    { ratio: 1, p90Seconds: 1, failed: 5 },
    { ratio: 0.5, p90Seconds: 3, failed: 10 },
    { ratio: 0.2, p90Seconds: 10, failed: 15 },
  ],
  /** Through the mesh, at 100 requests a second. */
  blackhole: { p90Seconds: 1, failed: 5 },
  /** Median of the failed requests of the ramp. */
  rampFailed: 20,
  /** On each of: .5 %, 10 %, uneven, incidents. */
  falseEjectionsPerEndpointDay: 0.1,
  /** Mean of the hosts ejected in an outage of all, in every row. */
  outageEjected: 0.3,
  /** While this process stands still. */
  blockedLoopEjections: 0,
  /** Endpoints in five minutes. */
  poisonEjected: 1,
  /** In each of the five parts of the time a flapping host gets at most its share of the part before, and this much more. */
  flappingShareSlack: 0.01,
} as const;

/** What we expect not to be better at, and say so whatever comes out. */
export const expectedLimits = 'a host that fails 5 %: no sooner than success rate over an interval' as const;

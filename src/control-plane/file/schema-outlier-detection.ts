/** `outlierDetection`: takes an endpoint out that fails while others do not. */
import * as v from 'valibot';
import { safeOutlierDetection } from '../safe-defaults.ts';
import {
  durationMs,
  flag,
  mapping,
  mappingOrFalse,
  maxCount,
  number,
  oneOf,
  percent,
  ratio,
  wholeNumber,
} from './schema-values.ts';

/** `outlierDetection.cusum`. */
export const cusum = v.pipe(
  mapping({
    falseEjectionsPerEndpointDay: v.pipe(
      v.exactOptional(number(0.000001, 1000)),
      v.description(
        'How often it may be wrong: ejections of a healthy endpoint, per endpoint and day. 0.05 by default: one in twenty days. Less needs more evidence, so that a failing endpoint goes later.',
      ),
    ),
    silence: v.pipe(
      v.exactOptional(flag()),
      v.description(
        'Whether requests that get no answer count before any timeout passes, by how long others take. They do by default.',
      ),
    ),
    latency: v.pipe(
      v.exactOptional(flag()),
      v.description('Whether answers count that are much slower than those of the other endpoints. They do by default.'),
    ),
  }),
  v.description('Compares every request of an endpoint with those of the others. `cusum: false` turns it off.'),
);

const whatFor =
  'Takes an endpoint out that fails while others do not. On by default, so that a dead endpoint costs a handful of requests; `false` turns it off. What is named beside `cusum` is looked for, too.';

const consecutive = (of: string, fallback: string) =>
  v.pipe(
    v.exactOptional(wholeNumber(0, maxCount)),
    v.description(`${of} in a row that eject an endpoint; 0 = never. ${fallback}`),
  );

const perInterval = {
  minimumHosts: v.pipe(
    v.optional(wholeNumber(0, maxCount), 5),
    v.description("Endpoints with `requestVolume` requests, below which nothing is compared. Envoy's value."),
  ),
};
const volume = (fallback: number) =>
  v.pipe(
    v.optional(wholeNumber(0, maxCount), fallback),
    v.description("Requests of an endpoint in `intervalMs`, below which it is left alone. Envoy's value."),
  );
const enforced = {
  enforcingPercent: v.pipe(
    v.optional(wholeNumber(0, 100), 100),
    v.description('Share of the findings that eject, by chance; 0 = none.'),
  ),
  enforcingLocalOriginPercent: v.pipe(
    v.exactOptional(wholeNumber(0, 100)),
    v.description(
      'The same for failures without a response. Only with `splitLocalOriginErrors`, as much as `enforcingPercent` then.',
    ),
  ),
};

/** `outlierDetection.successRate`. */
export const successRate = v.pipe(
  mapping({
    ...perInterval,
    requestVolume: volume(100),
    stdevFactor: v.pipe(
      v.optional(number(0, 1000), 1.9),
      v.description("How many standard deviations below the mean of all endpoints is too low. Envoy's value."),
    ),
    ...enforced,
  }),
  v.description('Ejects endpoints whose success rate is far below that of the others (Envoy).'),
);

/** `outlierDetection.failurePercentage`. */
export const failurePercentage = v.pipe(
  mapping({
    thresholdPercent: v.pipe(v.optional(percent(), 85), v.description("Share of failed requests that ejects. Envoy's value.")),
    ...perInterval,
    requestVolume: volume(50),
    ...enforced,
  }),
  v.description('Ejects endpoints of whose requests too large a share fails (Envoy, gRFC A50).'),
);

/** `outlierDetection.successRateAverage`. */
export const successRateAverage = v.pipe(
  mapping({
    threshold: v.pipe(v.optional(ratio(), 0.8), v.description('Success rate, 0 … 1, below which an endpoint is ejected.')),
    decayMs: v.pipe(
      v.optional(durationMs(1), 10_000),
      v.description('How fast the past is forgotten: after so long it weighs a third.'),
    ),
    minimumRequests: v.pipe(
      v.optional(wholeNumber(1, maxCount), 10),
      v.description('Requests of an endpoint before its rate counts.'),
    ),
  }),
  v.description('Ejects endpoints by an average of their success rate in which the past fades (Linkerd).'),
);

const enforcedShare = (of: string) => v.pipe(v.exactOptional(wholeNumber(0, 100)), v.description(`Of ${of}.`));

/** `outlierDetection.enforcing`. */
export const enforcing = v.pipe(
  mapping({
    consecutive5xx: enforcedShare('`consecutive5xx`'),
    consecutiveGatewayFailure: enforcedShare('`consecutiveGatewayFailure`'),
    consecutiveLocalOriginFailure: enforcedShare('`consecutiveLocalOriginFailure`'),
  }),
  v.minEntries(1, 'at least one of consecutive5xx, consecutiveGatewayFailure, consecutiveLocalOriginFailure'),
  v.description('Share of the findings of a detector that eject, by chance, 0 … 100. All by default.'),
);

/** `outlierDetection`, written out. */
export const outlierDetection = v.pipe(
  mapping({
    cusum: v.pipe(
      v.optional(mappingOrFalse(cusum), {}),
      v.description(
        'Compares every request of an endpoint with those of the others, and ejects it when the evidence is strong enough. On by default; `false` turns it off.',
      ),
    ),
    consecutive5xx: consecutive(
      'Responses 500 … 599, failed connections and resets',
      "Never by default; 5 with `cusum: false`, Envoy's value.",
    ),
    consecutiveGatewayFailure: consecutive(
      'Responses 502, 503 and 504, failed connections and resets',
      'Never by default, as in Envoy.',
    ),
    splitLocalOriginErrors: v.pipe(
      v.optional(flag(), false),
      v.description(
        'Whether failures without a response (refused, reset, timed out) are counted apart, and no longer as 503. Off, as in Envoy.',
      ),
    ),
    consecutiveLocalOriginFailure: v.pipe(
      v.exactOptional(wholeNumber(0, maxCount)),
      v.description(
        'Such failures in a row that eject an endpoint; 0 = never. Only with `splitLocalOriginErrors`. Never by default; 5 with `cusum: false`, as in Envoy.',
      ),
    ),
    successRate: v.exactOptional(successRate),
    failurePercentage: v.exactOptional(failurePercentage),
    successRateAverage: v.exactOptional(successRateAverage),
    enforcing: v.exactOptional(enforcing),
    intervalMs: v.pipe(
      v.exactOptional(durationMs(1)),
      v.description('How often `successRate` and `failurePercentage` look. 10000 by default, as in Envoy.'),
    ),
    baseEjectionMs: v.pipe(
      v.optional(durationMs(1), safeOutlierDetection.baseEjectionMs),
      v.description(
        'First ejection; each further one is longer. 5 s, about a restart: when it ends, one request asks whether the endpoint is well. Envoy waits for 30 s, and asks nobody.',
      ),
    ),
    maxEjectionMs: v.pipe(
      v.optional(durationMs(1), safeOutlierDetection.maxEjectionMs),
      v.description("Longest ejection. Envoy's value."),
    ),
    ejectionGrowth: v.pipe(
      v.exactOptional(oneOf(['linear', 'exponential'])),
      v.description(
        'How a further ejection is longer: by `baseEjectionMs` each (Envoy), or twice the last (Linkerd). `linear` by default.',
      ),
    ),
    ejectionJitterRatio: v.pipe(
      v.exactOptional(number(0, 1)),
      v.description('Part of an ejection that may be added to it at random (Linkerd). None by default.'),
    ),
    maxEjectionJitterMs: v.pipe(
      v.exactOptional(durationMs(0)),
      v.description('Time that may be added to an ejection at random (Envoy). None by default.'),
    ),
    maxEjectionPercent: v.pipe(
      v.optional(percent(), safeOutlierDetection.maxEjectionPercent),
      v.description(
        "Largest share of endpoints out at once. 67 is two of three; Envoy's 10 would let only one of them out, even when two are dead.",
      ),
    ),
    alwaysEjectOneHost: v.pipe(
      v.optional(flag(), safeOutlierDetection.alwaysEjectOneHost),
      v.description(
        'Whether one endpoint may be out whatever the share says: with two endpoints, a dead one must be able to go.',
      ),
    ),
    minReadyHosts: v.pipe(
      v.exactOptional(wholeNumber(0, maxCount)),
      v.description('Endpoints that stay in whatever is found (Linkerd). None by default.'),
    ),
    returnOnProbe: v.pipe(
      v.exactOptional(flag()),
      v.description(
        'Whether an ejected endpoint gets one request first, and comes back when that succeeds. It does by default; `false`: it comes back whole, as in Envoy.',
      ),
    ),
    respectRetryAfter: v.pipe(
      v.exactOptional(flag()),
      v.description(
        'Whether a `Retry-After` on the failing response says how long it is out, between base and maximum (Linkerd). It does not by default.',
      ),
    ),
    unejectOnHealthCheck: v.pipe(
      v.exactOptional(flag()),
      v.description(
        'Whether a passed check of `healthChecks` ends an ejection. By default it does not where endpoints are compared with each other (`cusum`), since requests show more than a check, and it does where only other detectors are named, as in Envoy.',
      ),
    ),
  }),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    for (const { path, message } of withoutDetector(dataset.value)) {
      const steps = path.map((key) => ({ type: 'object', origin: 'value', input: {}, key, value: undefined }) as const);
      addIssue({ message, path: steps as [(typeof steps)[number], ...typeof steps] });
    }
  }),
  v.check(
    ({ baseEjectionMs, maxEjectionMs }) => baseEjectionMs <= maxEjectionMs,
    ({ input }) =>
      `\`baseEjectionMs\` (${input.baseEjectionMs}) must not be larger than \`maxEjectionMs\` (${input.maxEjectionMs})`,
  ),
  v.description(whatFor),
);

/** `outlierDetection`: `false`, or written out. */
export const outlierDetectionOrNone = v.pipe(mappingOrFalse(outlierDetection), v.description(whatFor));

/** What `outlierDetection` may hold once it is checked, as far as keys depend on one another. */
interface Detection {
  readonly cusum: object | false;
  readonly splitLocalOriginErrors: boolean;
  readonly consecutive5xx?: number;
  readonly consecutiveGatewayFailure?: number;
  readonly consecutiveLocalOriginFailure?: number;
  readonly successRate?: { readonly enforcingLocalOriginPercent?: number };
  readonly failurePercentage?: { readonly enforcingLocalOriginPercent?: number };
  readonly enforcing?: Readonly<Record<string, number | undefined>>;
  readonly intervalMs?: number;
}

const needsSplit = 'it has an effect with `splitLocalOriginErrors: true` only; add that, or remove it';

/** Keys of a detector that is off. */
function* withoutDetector(detection: Detection): Generator<{ readonly path: readonly string[]; readonly message: string }> {
  const { cusum: own, splitLocalOriginErrors: isSplit, successRate: rate, failurePercentage: percentage } = detection;
  if (!isSplit) {
    if (detection.consecutiveLocalOriginFailure !== undefined)
      yield { path: ['consecutiveLocalOriginFailure'], message: needsSplit };
    for (const [key, part] of Object.entries({ successRate: rate, failurePercentage: percentage }))
      if (part?.enforcingLocalOriginPercent !== undefined)
        yield { path: [key, 'enforcingLocalOriginPercent'], message: needsSplit };
  }
  if ((rate ?? percentage) === undefined && detection.intervalMs !== undefined) {
    const message = 'it has an effect with `successRate` and `failurePercentage` only; add one of them, or remove it';
    yield { path: ['intervalMs'], message };
  }
  const counts: Readonly<Record<string, number | undefined>> = {
    consecutive5xx: detection.consecutive5xx ?? (own === false ? 5 : 0),
    consecutiveGatewayFailure: detection.consecutiveGatewayFailure ?? 0,
    consecutiveLocalOriginFailure: isSplit ? (detection.consecutiveLocalOriginFailure ?? (own === false ? 5 : 0)) : 0,
  };
  for (const [key, share] of Object.entries(detection.enforcing ?? {}))
    if (share !== undefined && counts[key] === 0)
      yield { path: ['enforcing', key], message: `the detector is off; set \`${key}\`, or remove it` };
}

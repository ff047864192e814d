/** How long a host takes for an answer. A profile is a function; write another one where these do not do. */
import type { Random } from '../../src/base/runtime.ts';
import { normal, pareto } from './chance.ts';

/** Milliseconds until the answer to a request that came at `now`. */
export type LatencyProfile = (now: number, random: Random) => number;

/** Always the same. */
export function fixedLatency(ms: number): LatencyProfile {
  return () => ms;
}

/** Evenly between `ms × (1 − ratio)` and `ms × (1 + ratio)`. */
export function evenLatency(ms: number, ratio: number): LatencyProfile {
  return (_now, random) => ms * (1 + ratio * (2 * random() - 1));
}

/** What most services look like: `sigma` 0.5 puts the 99th percentile at 3.2 times the median, 1 at 10 times. */
export function logNormalLatency(medianMs: number, sigma: number): LatencyProfile {
  return (_now, random) => medianMs * Math.exp(sigma * normal(random));
}

/** As `body`, but a share of the answers takes at least `tailMs`, by a power law (see {@link pareto}), and at most `maxMs`. */
export function heavyTail(
  body: LatencyProfile,
  tail: { readonly ratio: number; readonly tailMs: number; readonly shape: number; readonly maxMs: number },
): LatencyProfile {
  return (now, random) =>
    random() < tail.ratio ? Math.min(tail.maxMs, pareto(random, tail.tailMs, tail.shape)) : body(now, random);
}

/** `times` as slow from `fromMs` on, until `untilMs`. */
export function slowed(
  profile: LatencyProfile,
  times: number,
  fromMs: number,
  untilMs = Number.POSITIVE_INFINITY,
): LatencyProfile {
  return (now, random) => profile(now, random) * (now >= fromMs && now < untilMs ? times : 1);
}

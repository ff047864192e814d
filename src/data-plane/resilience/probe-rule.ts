/**
 * Who tries a host or cluster whose time out is over.
 *
 * A probe may fail, so it is given to a request that is safe to lose: an idempotent one, or one that its policy lets be sent again.
 * Others are served elsewhere. Two exceptions, lest a service that is only written to never gets its host back: after
 * {@link patienceMs} without such a request any may probe, and so may any that nothing else could serve.
 *
 * A probe has {@link leastProbeLimitMs}, or four times as long as the host usually takes. Then it has failed; what it comes to later
 * still counts if it is good (circuit-breaker.ts). It has failed sooner when it is given up, by its caller or since another host has
 * answered, after three times what the peers usually take (silence.ts). Given up before that it says nothing: the next one tries
 * {@link probeAgainMs} later, lest a host that never answers takes one request after the other from impatient callers.
 */

/** So long only requests probe that are safe to lose. */
export const patienceMs = 5000;

/** What has not ended by then has failed, unless more is usual. */
export const leastProbeLimitMs = 10_000;

/** From a probe that said nothing to the next one. */
export const probeAgainMs = 1000;

const usualLatencies = 4;

/** How long a probe may take at a host that usually takes `latencyMs`; less than 0 = that is not known. */
export function probeLimitMs(latencyMs: number): number {
  return Math.max(leastProbeLimitMs, usualLatencies * latencyMs);
}

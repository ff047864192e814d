import type { CusumHost } from './cusum-host.ts';

/** A host may fail so much more often than its peers before it speaks against it. */
const toleratedFactor = 1.5;
const toleratedErrorRatio = 0.002;
const maxPeerErrorRatio = 0.6;
const moreFactor = 5;
const maxMoreRatio = 0.8;
const badRatio = 0.3;
const deadRatio = 0.9;
/** An alternative that is no worse than this many times the peers says nothing. */
const leastContrast = 1.3;
/** a of the Lehmann alternative. */
const latencyShape = 5;

/** Above this rank an answer is evidence of slowness. */
export const slowRank = latencyShape ** (-1 / (latencyShape - 1));

/** What an answer of this rank says for "slow" against "like the others". */
export function latencyEvidence(rank: number): number {
  return Math.log(latencyShape) + (latencyShape - 1) * Math.log(Math.min(1, Math.max(1e-6, rank)));
}

/** Reckons what a failure and a success say for each alternative (cusum.ts), beside peers that fail as often as `host` remembers. */
export function weighAlternatives(host: CusumHost): void {
  const p0 = Math.min(maxPeerErrorRatio, toleratedFactor * host.peerErrorRatio + toleratedErrorRatio);
  const passes = Math.log1p(-p0);
  const fails = Math.log(p0);
  const more = Math.min(maxMoreRatio, moreFactor * p0);
  host.moreUp = Math.log(more) - fails;
  host.moreDown = Math.log1p(-more) - passes;
  // Beside peers that fail nearly as often, 30 % is nothing to speak of.
  const isBad = badRatio > leastContrast * p0;
  if (!isBad) host.bad = 0;
  host.badUp = isBad ? Math.log(badRatio) - fails : 0;
  host.badDown = isBad ? Math.log1p(-badRatio) - passes : 0;
  host.deadUp = Math.log(deadRatio) - fails;
  host.deadDown = Math.log1p(-deadRatio) - passes;
}

/**
 * Hosts that should take less than their share (slow start, suspicion) are picked by a policy that does not know of it, and nothing is
 * built anew while their share grows.
 *
 * Where load does not decide, a pick of such a host is kept with the chance that its share is, else drawn again: of two hosts one of
 * which has a share of 0.1 that one gets 0.1 / 1.1 of the requests.
 *
 * Where load decides, that would be undone: a host with little to do has the least load, so every draw falls on it again. Of d hosts
 * that are compared out of n it is among them in d / n of the picks, and wins; so it is kept with the chance that makes up for this, and
 * otherwise the best of the others serves. That holds for equal weights; where weights differ it is near enough. Hosts that tie are
 * drawn by chance, and treated so.
 */
import type { Host } from './host.ts';
import { shareOf } from './slow-start.ts';

/** So often is drawn again. A set of hosts that are all reduced shares evenly all the same: then the last draw serves. */
const maxRedraws = 8;

/** Picks by the policy of the cluster. */
export interface RedrawnPick {
  /** Monotonic milliseconds. */
  readonly now: number;
  random(): number;
  draw(): Host | undefined;
  /** Another host than this one; undefined where there is none that should serve. */
  drawWithout(host: Host): Host | undefined;
  /** How many hosts of how many a pick compares by load; undefined where it does not. */
  readonly comparedHosts: number | undefined;
  readonly hostCount: number;
}

/** The host of an attempt whose pick fell on a host that should take less than its share. */
export function keepOrRedraw(first: Host, pick: RedrawnPick): Host {
  const { now } = pick;
  let host = first;
  for (let redraws = 0; redraws < maxRedraws; redraws++) {
    const share = shareOf(host, now);
    const rival = pick.comparedHosts === undefined ? undefined : pick.drawWithout(host);
    if (rival !== undefined && loadOf(host) < loadOf(rival))
      return pick.random() < chanceByLoad(share / shareOf(rival, now), pick) ? host : rival;
    if (pick.random() < share) return host;
    host = pick.draw() ?? host;
    if (!host.isReduced) return host;
  }
  return host;
}

/** Of a host that was picked for its little load, and has this share of what a host beside it has. */
function chanceByLoad(ratio: number, { comparedHosts = 1, hostCount }: RedrawnPick): number {
  if (ratio >= 1) return 1;
  const wanted = ratio / (hostCount - 1 + ratio);
  return (wanted * hostCount) / Math.min(comparedHosts, hostCount);
}

function loadOf({ inFlight, weight }: Host): number {
  return inFlight / weight;
}

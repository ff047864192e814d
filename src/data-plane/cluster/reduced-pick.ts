import type { PickContext } from '../../model/contracts.ts';
import type { Host } from './host.ts';
import { shareOf } from './slow-start.ts';

/** So often is drawn again. A set of hosts that are all reduced shares evenly all the same: then the last draw serves. */
const maxRedraws = 8;

/**
 * The host of an attempt whose pick fell on a host that should take less than its share (slow start, suspicion): it is kept with
 * that chance, else `draw` is asked again. So every policy obeys without knowing, and nothing is built anew while the share grows.
 */
export function keepOrRedraw(first: Host, draw: () => Host | undefined, { random, now }: PickContext): Host {
  let host = first;
  for (let redraws = 0; redraws < maxRedraws; redraws++) {
    if (random() < shareOf(host, now)) return host;
    host = draw() ?? host;
    if (!host.isReduced) return host;
  }
  return host;
}

import type { HostSet, PickableHost } from '../../model/contracts.ts';

/** Whether an earlier attempt of the request used this host. The list has one entry per attempt, so a scan beats a set. */
export function isTried(tried: HostSet, host: PickableHost): boolean {
  for (let index = 0; index < tried.length; index++) if (tried[index] === host) return true;
  return false;
}

/**
 * The first host at or after `start`, wrapping round, that was not tried; -1 when all were. `start` should be drawn at random, so
 * that the neighbour of a dead host does not inherit all of its load.
 */
export function nextUntried(hosts: HostSet, start: number, tried: HostSet): number {
  const count = hosts.length;
  for (let step = 0; step < count; step++) {
    const index = start + step < count ? start + step : start + step - count;
    if (!isTried(tried, hosts[index]!)) return index;
  }
  return -1;
}

/**
 * Draws before scanning: a policy that drew a tried host draws again this often, which keeps its distribution, and only then takes
 * the next untried host in line.
 */
export const redraws = 3;

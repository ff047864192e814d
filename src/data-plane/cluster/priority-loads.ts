/**
 * How the requests of a cluster are shared among its priorities, in whole percent as Envoy computes them: the same counts give the
 * same shares there and here.
 *
 * - A priority is as available as its hosts are, times the overprovisioning factor and at most 100 %: with 140 % three healthy of
 *   four carry all of its requests, one of four carries 35 %.
 * - The first priority takes what it can carry, the next ones the rest. Healthy hosts of every priority come before degraded ones.
 * - Where all priorities together cannot carry 100 %, the shares are scaled up, and a priority with too few available hosts is in
 *   panic: it uses the others too. When all are in panic, the number of hosts decides, whatever their health.
 *
 * Source: Envoy, "Priority levels", "Degraded endpoints", "Panic threshold", and the arithmetic of its `LoadBalancerBase`.
 */

/** Envoy's `overprovisioning_factor`. */
export const defaultOverprovisioningPercent = 140;

/** The hosts of one priority. */
export interface PriorityCounts {
  /** Without those that drain: they have left already. */
  readonly total: number;
  readonly healthy: number;
  readonly degraded: number;
  /** Those that get requests in panic. */
  readonly inPanic: number;
}

/** What one priority gets; the percentages of all priorities add up to 100. */
export interface PriorityLoad {
  /** Percent of all requests that go to its healthy hosts; in panic to any of its hosts. */
  readonly healthyPercent: number;
  /** Percent of all requests that go to its degraded hosts. */
  readonly degradedPercent: number;
  readonly isPanic: boolean;
}

/** The loads of the priorities, in their order; empty when there is none. The overprovisioning is whole percent, from 100 on. */
export function priorityLoads(
  counts: readonly PriorityCounts[],
  overprovisioningPercent: number,
  panicThresholdPercent: number,
): readonly PriorityLoad[] {
  if (counts.length === 0) return [];
  const healthy = counts.map((count) => availability(count.healthy, count.total, overprovisioningPercent));
  const degraded = counts.map((count) => availability(count.degraded, count.total, overprovisioningPercent));
  const available = Math.min(100, sum(healthy) + sum(degraded));
  const threshold = Math.min(100, panicThresholdPercent);
  const panics = counts.map((count) => available < 100 && isInPanic(count, threshold));
  if (panics.every((isPanic) => isPanic)) return totalPanic(counts);
  // No panic is allowed and nobody is there: the first priority says so.
  if (available === 0) return counts.map((_, index) => load(index === 0 ? 100 : 0, 0, false));
  const shares = distribute(healthy, degraded, available);
  return panics.map((isPanic, index) => load(shares.healthy[index]!, shares.degraded[index]!, isPanic));
}

/**
 * The loads of a retry that leaves these priorities out; undefined when no other one is available. Panic is not looked at again.
 * Source: Envoy `previous_priorities`.
 */
export function loadsWithout(
  counts: readonly PriorityCounts[],
  overprovisioningPercent: number,
  loads: readonly PriorityLoad[],
  avoided: ReadonlySet<number>,
): readonly PriorityLoad[] | undefined {
  const of = (count: number, total: number, priority: number): number =>
    avoided.has(priority) ? 0 : availability(count, total, overprovisioningPercent);
  const healthy = counts.map((count, priority) => of(count.healthy, count.total, priority));
  const degraded = counts.map((count, priority) => of(count.degraded, count.total, priority));
  const available = Math.min(100, sum(healthy) + sum(degraded));
  if (available === 0) return undefined;
  const shares = distribute(healthy, degraded, available);
  return loads.map(({ isPanic }, index) => load(shares.healthy[index]!, shares.degraded[index]!, isPanic));
}

function load(healthyPercent: number, degradedPercent: number, isPanic: boolean): PriorityLoad {
  return { healthyPercent, degradedPercent, isPanic };
}

function availability(count: number, total: number, overprovisioningPercent: number): number {
  return total === 0 ? 0 : Math.min(100, Math.floor((overprovisioningPercent * count) / total));
}

function isInPanic({ healthy, degraded, total }: PriorityCounts, thresholdPercent: number): boolean {
  const percent = total === 0 ? 0 : (100 * healthy) / total + (100 * degraded) / total;
  return percent < thresholdPercent;
}

/** 100 % over what is available, healthy hosts first; what rounding leaves goes to the first priority that has any. */
function distribute(
  healthy: readonly number[],
  degraded: readonly number[],
  available: number,
): { readonly healthy: number[]; readonly degraded: number[] } {
  let left = 100;
  const take = (share: number): number => {
    const taken = Math.min(left, Math.floor((share * 100) / available));
    left -= taken;
    return taken;
  };
  const shares = { healthy: healthy.map(take), degraded: degraded.map(take) };
  const firstHealthy = healthy.findIndex((share) => share > 0);
  if (firstHealthy !== -1) shares.healthy[firstHealthy]! += left;
  else shares.degraded[degraded.findIndex((share) => share > 0)]! += left;
  return shares;
}

/** By the number of hosts alone. Those that not even panic may use do not count, or their share would fail. */
function totalPanic(counts: readonly PriorityCounts[]): readonly PriorityLoad[] {
  const total = counts.reduce((hosts, { inPanic }) => hosts + inPanic, 0);
  const shares = counts.map(({ inPanic }) => (total === 0 ? 0 : Math.floor((100 * inPanic) / total)));
  const first = total === 0 ? 0 : counts.findIndex(({ inPanic }) => inPanic > 0);
  shares[first]! += 100 - sum(shares);
  return shares.map((share) => load(share, 0, true));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/**
 * How many requests stay in the zone of this process, and where the others go: as many stay as the zone can carry without its hosts
 * getting more than those of other zones. With a share c of the callers and a share u of the hosts in a zone, all requests stay
 * where u ≥ c, else u / c of them; the rest goes to zones that have hosts to spare (u > c), in proportion to what they spare.
 * Source: Envoy, "Zone aware routing", and the arithmetic of its `ZoneAwareLoadBalancerBase`, in hundredths of a percent.
 *
 * Envoy knows the callers from its `local_cluster`. A process does not know its peers, so they are taken to be spread evenly over
 * the zones: those of the endpoints, and its own (docs/decisions/0012).
 */
import type { Locality } from '../../model/cluster.ts';

/** Envoy's `min_cluster_size`: below so many healthy hosts a zone of its own would be too few. */
export const defaultZoneAwareMinClusterSize = 6;

const whole = 10_000;

/** Where requests go by zones. */
export interface ZoneRouting {
  /** Out of 10 000 requests, so many stay in the first zone, the process's own. */
  readonly localPer10k: number;
  /** What other zones can carry beyond the requests of their own callers, added up zone after zone. */
  readonly residuals: readonly number[];
}

/**
 * The name of the zone of an endpoint. Endpoints are told apart by those parts of their locality that the process says of its own:
 * one that names only its zone is near all endpoints of that zone, whatever their region.
 */
export function zoneKey({ region, zone, subZone }: Locality, own: Locality): string {
  return [own.region && region, own.zone && zone, own.subZone && subZone].join('\0');
}

/**
 * The routing for these numbers of healthy hosts by zone, that of the process first (`hasLocal`; else none of them is its own).
 * Undefined = zones do not matter: there are too few of them, or too few hosts.
 */
export function zoneRouting(healthy: readonly number[], hasLocal: boolean, minClusterSize: number): ZoneRouting | undefined {
  const total = healthy.reduce((sum, count) => sum + count, 0);
  if (healthy.length < 2 || total < minClusterSize || total === 0) return undefined;
  const callerZones = hasLocal ? healthy.length : healthy.length + 1;
  const callers = Math.floor(whole / callerZones);
  const upstream = healthy.map((count) => Math.floor((whole * count) / total));
  const local = hasLocal ? upstream[0]! : 0;
  if (local > 0 && local >= callers) return { localPer10k: whole, residuals: [] };
  let spare = 0;
  const residuals = upstream.map((share, index) => {
    if (!(index === 0 && hasLocal) && share > callers) spare += share - callers;
    return spare;
  });
  return { localPer10k: Math.floor((local * whole) / callers), residuals };
}

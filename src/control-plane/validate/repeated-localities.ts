import type { Locality, LocalityEndpoints } from '../../model/cluster.ts';
import type { Check } from './check.ts';

/**
 * Puts what one priority says of one locality several times together where it has weights, or its share would depend on how they are
 * added up: its endpoints are those of all, and the last weight counts, as in Envoy. Other weights are reported. Returns the very list
 * when there is nothing to do.
 */
export function withoutRepeatedLocalities(check: Check, localities: readonly LocalityEndpoints[]): readonly LocalityEndpoints[] {
  if (localities.every(({ weight }) => weight === undefined)) return localities;
  const merged = new Map<string, LocalityEndpoints>();
  for (const [index, entry] of localities.entries()) {
    const key = keyOf(entry);
    const before = merged.get(key);
    if (before === undefined) {
      merged.set(key, entry);
      continue;
    }
    const { weight = before.weight } = entry;
    if (before.weight !== undefined && weight !== before.weight)
      check.note(
        `${nameOf(entry.locality)} is there twice at priority ${entry.priority}; of its weights ${before.weight} and ${weight} the last counts`,
        index,
      );
    const endpoints = [...before.endpoints, ...entry.endpoints];
    merged.set(key, { ...before, endpoints, ...(weight !== undefined && { weight }) });
  }
  return merged.size === localities.length ? localities : [...merged.values()];
}

function keyOf({ priority, locality: { region = '', zone = '', subZone = '' } }: LocalityEndpoints): string {
  return JSON.stringify([priority, region, zone, subZone]);
}

function nameOf({ region, zone, subZone }: Locality): string {
  const parts = [region, zone, subZone].filter((part) => part !== undefined && part !== '');
  return parts.length === 0 ? 'the locality without a name' : `the locality ${JSON.stringify(parts.join('/'))}`;
}

/** Subsets of a cluster (`Cluster.LbSubsetConfig`): which keys of the metadata of its endpoints make them. */
import type { LocalityEndpoints, SubsetConfig } from '../../../model/cluster.ts';
import type { Metadata, MetadataValue } from '../../../model/tls.ts';
import type { Message } from './message.ts';
import { structFrom } from './metadata.ts';
import { subsetName } from './subset-name.ts';

/** How the endpoints of a cluster can be selected. */
export interface SubsetSelectors {
  /** The combinations of keys that a route may select by. */
  readonly keys: readonly (readonly string[])[];
  /** Where a request goes whose subset has no endpoint, or that selects nothing: nowhere, to all of them, or to those with these values. */
  readonly fallback: 'none' | 'any' | Metadata;
}

/** Reads an `LbSubsetConfig`; undefined when there are no selectors, so that what routes select by has no effect. */
export function subsetSelectorsFrom(message: Message | undefined): SubsetSelectors | undefined {
  if (message === undefined) return undefined;
  const policy = message.choice('fallback_policy', ['NO_FALLBACK', 'ANY_ENDPOINT', 'DEFAULT_SUBSET']);
  const values = structFrom(message, 'default_subset') ?? {};
  const keys = message.messages('subset_selectors').map((selector) => {
    const own = selector.choice('fallback_policy', [
      'NOT_DEFINED',
      'NO_FALLBACK',
      'ANY_ENDPOINT',
      'DEFAULT_SUBSET',
      'KEYS_SUBSET',
    ]);
    if (own !== undefined && own !== 'NOT_DEFINED')
      selector.note('fallback_policy', 'the fallback_policy of the cluster holds for every selector');
    return selector.texts('keys');
  });
  if (keys.length === 0) return undefined;
  return { keys, fallback: policy === 'ANY_ENDPOINT' ? 'any' : policy === 'DEFAULT_SUBSET' ? values : 'none' };
}

/** The subsets that these endpoints make: one for each combination of values of each selector's keys. */
export function subsetsOf({ keys }: SubsetSelectors, localities: readonly LocalityEndpoints[]): SubsetConfig {
  const subsets: Record<string, Metadata> = {};
  for (const { endpoints } of localities) {
    for (const { metadata = {} } of endpoints) {
      for (const selector of keys) {
        if (!selector.every((key) => Object.hasOwn(metadata, key))) continue;
        const values = Object.fromEntries(selector.map((key): [string, MetadataValue] => [key, metadata[key]!]));
        subsets[subsetName(values)] = values;
      }
    }
  }
  return subsets;
}

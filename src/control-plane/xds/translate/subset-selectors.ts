/** Subsets of a cluster (`Cluster.LbSubsetConfig`): which keys of the metadata of its endpoints make them. */
import type { LocalityEndpoints, SubsetConfig } from '../../../model/cluster.ts';
import type { Metadata, MetadataValue } from '../../../model/tls.ts';
import type { Message } from './message.ts';
import { structFrom } from './metadata.ts';
import { subsetName } from './subset-name.ts';

/** Where a request goes whose subset has no endpoint: nowhere, to all of them, or to those with these values. */
export type SubsetFallback = 'none' | 'any' | Metadata;

/** How the endpoints of a cluster can be selected. */
export interface SubsetSelectors {
  /** The combinations of keys that a route may select by, each with its own fallback. */
  readonly selectors: readonly { readonly keys: readonly string[]; readonly fallback: SubsetFallback }[];
  /** Of a request that selects nothing, or by other keys. */
  readonly fallback: SubsetFallback;
}

/** Reads an `LbSubsetConfig`; undefined when there are no selectors, so that what routes select by has no effect. */
export function subsetSelectorsFrom(message: Message | undefined): SubsetSelectors | undefined {
  if (message === undefined) return undefined;
  const values = structFrom(message, 'default_subset') ?? {};
  const fallbackOf = (policy: string | undefined): SubsetFallback =>
    policy === 'ANY_ENDPOINT' ? 'any' : policy === 'DEFAULT_SUBSET' ? values : 'none';
  const fallback = fallbackOf(message.choice('fallback_policy', ['NO_FALLBACK', 'ANY_ENDPOINT', 'DEFAULT_SUBSET']));
  const selectors = message.messages('subset_selectors').map((selector) => {
    const own = selector.choice('fallback_policy', [
      'NOT_DEFINED',
      'NO_FALLBACK',
      'ANY_ENDPOINT',
      'DEFAULT_SUBSET',
      'KEYS_SUBSET',
    ]);
    const keys = selector.texts('keys');
    if (own === 'KEYS_SUBSET') {
      selector.skip('fallback_keys_subset');
      selector.note('fallback_policy', 'no subset by fewer keys is looked for: the fallback_policy of the cluster holds');
    }
    const isOwn = own !== undefined && own !== 'NOT_DEFINED' && own !== 'KEYS_SUBSET';
    return { keys, fallback: isOwn ? fallbackOf(own) : fallback };
  });
  return selectors.length === 0 ? undefined : { selectors, fallback };
}

/** The subsets that these endpoints make: one for each combination of values of each selector's keys. */
export function subsetsOf({ selectors }: SubsetSelectors, localities: readonly LocalityEndpoints[]): SubsetConfig {
  const subsets: Record<string, Metadata> = {};
  for (const { endpoints } of localities) {
    for (const { metadata = {} } of endpoints) {
      for (const { keys } of selectors) {
        if (!keys.every((key) => Object.hasOwn(metadata, key))) continue;
        const values = Object.fromEntries(keys.map((key): [string, MetadataValue] => [key, metadata[key]!]));
        subsets[subsetName(values)] = values;
      }
    }
  }
  return subsets;
}

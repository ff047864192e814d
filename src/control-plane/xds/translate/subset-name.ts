import type { Metadata } from '../../../model/tls.ts';

/**
 * Name of the subset of endpoints whose metadata has these values, `stage=prod,version=v2`: routes select by values, clusters of
 * the model name their subsets, and both come to the same name from the values alone.
 */
export function subsetName(values: Metadata): string {
  return Object.keys(values)
    .toSorted()
    .map((key) => `${key}=${typeof values[key] === 'string' ? values[key] : JSON.stringify(values[key])}`)
    .join(',');
}

import type { Metadata, MetadataValue } from '../../../model/tls.ts';

/**
 * Name of the subset of endpoints whose metadata has these values, `stage=prod,version=v2`: routes select by values, clusters of
 * the model name their subsets, and both come to the same name from the values alone.
 */
export function subsetName(values: Metadata): string {
  return Object.keys(values)
    .toSorted()
    .map((key) => `${escaped(key)}=${escaped(valueText(values[key]!))}`)
    .join(',');
}

/** The values that a name of {@link subsetName} stands for. */
export function subsetValues(name: string): Metadata {
  return Object.fromEntries(
    name.split(',').map((pair): [string, MetadataValue] => {
      const [key = '', text = ''] = pair.split('=').map(decodeURIComponent);
      return [key, readable(text) ? text : (JSON.parse(text) as MetadataValue)];
    }),
  );
}

/** A text stands for itself, unless it could be taken for another value. */
function valueText(value: MetadataValue): string {
  return typeof value === 'string' && readable(value) ? value : JSON.stringify(value);
}

function readable(text: string): boolean {
  try {
    JSON.parse(text);
    return false;
  } catch {
    return true;
  }
}

function escaped(text: string): string {
  return text.replace(/[%,=]/g, encodeURIComponent);
}

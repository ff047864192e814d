import type { Metadata, MetadataValue } from '../../model/tls.ts';

/** Whether `metadata` has all values of `wanted`. */
export function hasMetadata(metadata: Metadata | undefined, wanted: Metadata): boolean {
  return Object.keys(wanted).every(
    (key) => metadata !== undefined && Object.hasOwn(metadata, key) && isEqual(metadata[key]!, wanted[key]!),
  );
}

function isEqual(a: MetadataValue, b: MetadataValue): boolean {
  return a === b || (typeof a === 'object' && typeof b === 'object' && JSON.stringify(a) === JSON.stringify(b));
}

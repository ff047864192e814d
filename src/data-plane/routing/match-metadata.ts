import type { MetadataMatcher } from '../../model/match.ts';
import type { Metadata, MetadataValue } from '../../model/tls.ts';
import { compileString } from './match-value.ts';
import type { RequestView } from './request-view.ts';

/**
 * Compiles a test of what an earlier step noted about the request. A value that is missing, or of another type, fails it; `invert`
 * turns that around too. Source: Envoy's `MetadataMatcher`.
 */
export function compileMetadata({ namespace, path, match, invert = false }: MetadataMatcher): (request: RequestView) => boolean {
  const test = compileMetadataValue(match);
  return ({ metadata }) => {
    const value = metadata === undefined ? undefined : valueAt(metadata, [namespace, ...path]);
    return (value !== undefined && test(value)) !== invert;
  };
}

function compileMetadataValue(match: MetadataMatcher['match']): (value: MetadataValue) => boolean {
  if (match.kind === 'present') return () => true;
  if (match.kind === 'bool') return (value) => value === match.value;
  if (match.kind === 'range') return (value) => typeof value === 'number' && value >= match.start && value < match.end;
  const test = compileString(match);
  return (value) => typeof value === 'string' && test(value);
}

function valueAt(metadata: Metadata, path: readonly string[]): MetadataValue | undefined {
  let value: MetadataValue | undefined = metadata;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, key)) return undefined;
    value = (value as Metadata)[key];
  }
  return value;
}

import type { TypeUrl } from './contract.ts';

/**
 * What one server has been told to be accepted, over its streams: a version of a server means nothing to another one, and nothing any
 * more once another one has changed what is in force.
 */
export interface ServerMemory {
  /** `version_info` of the last response that was accepted, by kind (state of the world). */
  readonly versions: Map<TypeUrl, string>;
  /** Versions of the resources that were accepted, by kind and name (delta). */
  resourceVersions(typeUrl: TypeUrl): Map<string, string>;
  forget(typeUrl: TypeUrl, name: string): void;
  /** All of a kind. */
  clear(typeUrl: TypeUrl): void;
}

/** A memory of nothing. */
export function createServerMemory(): ServerMemory {
  const versions = new Map<TypeUrl, string>();
  const resources = new Map<TypeUrl, Map<string, string>>();
  return {
    versions,
    resourceVersions(typeUrl) {
      const known = resources.get(typeUrl) ?? new Map<string, string>();
      resources.set(typeUrl, known);
      return known;
    },
    forget: (typeUrl, name) => void resources.get(typeUrl)?.delete(name),
    clear(typeUrl) {
      versions.delete(typeUrl);
      resources.delete(typeUrl);
    },
  };
}

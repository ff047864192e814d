/** The kept resources that what is in force was made of, without those that a secret stands in. */
import type { Kept, KeptKind, KeptResources } from './kept-resources.ts';
import type { Listeners } from './listeners.ts';
import type { SavedResource } from './snapshot-file.ts';
import type { WantedCluster } from './wanted-clusters.ts';

/** One of them. */
export interface ResourceInUse {
  readonly kind: KeptKind;
  readonly kept: Kept;
}

/** Finds them, by the names of what is in force. */
export function* resourcesInUse(
  now: {
    readonly listenerNames: ReadonlySet<string>;
    readonly tableNames: ReadonlySet<string>;
    readonly clusters: ReadonlyMap<string, WantedCluster>;
  },
  parts: { readonly kept: Readonly<Record<KeptKind, KeptResources>>; readonly listeners: Listeners },
): Generator<ResourceInUse> {
  const { listenerNames, tableNames, clusters } = now;
  const { kept, listeners } = parts;
  const named: [KeptKind, Iterable<string>][] = [
    ['listener', listenerNames],
    ['route-table', tableNames],
    ['cluster', clusters.keys()],
    ['endpoints', new Set(Array.from(clusters.values(), ({ read }) => read.endpointsName ?? ''))],
    ['extension', new Set([...listenerNames].flatMap((name) => listeners.read(name)?.extensionNames ?? []))],
  ];
  for (const [kind, names] of named) {
    for (const name of names) {
      const entry = kept[kind].get(name);
      const secrets =
        kind === 'cluster' ? clusters.get(name)?.read.secrets : kind === 'listener' ? listeners.read(name)?.secrets : [];
      const hasKey = (secrets ?? []).some((secret) => 'svid' in secret);
      if (entry?.bytes !== undefined && !hasKey) yield { kind, kept: entry };
    }
  }
}

/** How many of these resources the server has not confirmed. */
export function stalenessOf(resources: Iterable<ResourceInUse>): { readonly stale: number; readonly all: number } {
  let stale = 0;
  let all = 0;
  for (const { kept } of resources) {
    all++;
    if (kept.isStale) stale++;
  }
  return { stale, all };
}

/** These resources as they are written to the disk; what the server has no longer is nothing to start with. */
export function savedFrom(resources: Iterable<ResourceInUse>): readonly SavedResource[] {
  return [...resources].flatMap(({ kind, kept: { name, version, bytes, gone } }) =>
    gone === undefined ? [{ kind, name, version, bytes: bytes! }] : [],
  );
}

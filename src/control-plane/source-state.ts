/**
 * What one source has in force, what of its last words was refused, and what has no effect. An update is prepared beside it, as a
 * draft that copies only the maps it changes, and takes its place in one assignment: a reader never sees half an update, and a
 * resource that did not change keeps its object, which is how the data plane knows that it did not.
 */
import type { ControlPlaneStatus, Problem } from '../model/contracts.ts';
import type { ResourceKey, ResourceKind, ResourceTypes, SourceSnapshot } from '../model/snapshot.ts';
import { Absences } from './absences.ts';
import type { Finding } from './validate/check.ts';
import { resourceKinds } from './validate/resource.ts';

/** The good resources of a source, by kind and name. */
export type Resources = { readonly [K in ResourceKind]: ReadonlyMap<string, ResourceTypes[K]> };

/** A text for maps. Names may hold anything but the line break that separates it. */
export function keyText({ kind, name }: ResourceKey): string {
  return `${kind}\n${name}`;
}

/** One source: everything but the resources themselves may change between updates. */
export class SourceState {
  readonly name: string;
  readonly absences = new Absences();
  resources: Resources = { listener: new Map(), 'route-table': new Map(), cluster: new Map(), endpoints: new Map() };
  snapshot: SourceSnapshot;
  status: ControlPlaneStatus = { state: 'connecting' };
  /** By key; gone when a good version or the removal of the resource comes. */
  readonly rejected = new Map<string, readonly Problem[]>();
  /** By key: what the source and the checks found to have no effect; shown until the resource is replaced or removed. */
  readonly unhonoured = new Map<string, readonly Problem[]>();
  /** By key: the part of `unhonoured` that the checks found, which holds for as long as the resource does. */
  readonly notes = new Map<string, readonly Finding[]>();
  /** Wall clock of the last update that was put in force. */
  lastUpdateMs: number | undefined;
  /** It was connected once, delivered something, said that it has not what was asked for, or serves what the disk has. */
  hasAnswered = false;
  /** Updates are applied one after the other. */
  queue: Promise<unknown> = Promise.resolve();

  constructor(name: string) {
    this.name = name;
    this.snapshot = snapshotOf(name, '', this.resources);
  }
}

/** Resources as they will be when the update is through. */
export class Draft {
  private readonly base: Resources;
  private readonly copies = new Map<ResourceKind, Map<string, ResourceTypes[ResourceKind]>>();

  constructor(base: Resources) {
    this.base = base;
  }

  map<K extends ResourceKind>(kind: K): ReadonlyMap<string, ResourceTypes[K]> {
    // Each copy holds what the map of its kind held, and `set` puts in what belongs to its key.
    return (this.copies.get(kind) as ReadonlyMap<string, ResourceTypes[K]> | undefined) ?? this.base[kind];
  }

  set(key: ResourceKey, value: ResourceTypes[ResourceKind]): void {
    this.copy(key.kind).set(key.name, value);
  }

  /** Whether there was something to remove. */
  remove(key: ResourceKey): boolean {
    return this.map(key.kind).has(key.name) && this.copy(key.kind).delete(key.name);
  }

  resources(): Resources {
    return Object.fromEntries(resourceKinds.map((kind) => [kind, this.map(kind)])) as unknown as Resources;
  }

  private copy(kind: ResourceKind): Map<string, ResourceTypes[ResourceKind]> {
    let copy = this.copies.get(kind);
    if (copy === undefined) {
      copy = new Map<string, ResourceTypes[ResourceKind]>(this.base[kind]);
      this.copies.set(kind, copy);
    }
    return copy;
  }
}

/** The resources as the data plane sees them. */
export function snapshotOf(source: string, version: string, resources: Resources): SourceSnapshot {
  return Object.freeze({
    source,
    version,
    listeners: resources.listener,
    routeTables: resources['route-table'],
    clusters: resources.cluster,
    endpoints: resources.endpoints,
  });
}

/** What of a source is in force, so that only what is not is applied. */
import type { ControlPlaneContext, Problem } from '../../../model/contracts.ts';
import type { Resource, ResourceKey } from '../../../model/snapshot.ts';
import { typeUrls, type RefusedResource, type TypeUrl } from '../client/contract.ts';
import type { KeptKind, KeptResources } from './kept-resources.ts';

/** A resource that the store refused although it had passed the checks. */
export interface RefusedByStore extends RefusedResource {
  readonly typeUrl: TypeUrl;
}

export class InForce {
  private readonly context: ControlPlaneContext;
  private readonly kept: Readonly<Record<KeptKind, KeptResources>>;
  private readonly resources = new Map<string, Resource>();
  /** What the store refused, by the resource. */
  private readonly unapplied = new Map<string, readonly Problem[]>();

  constructor(context: ControlPlaneContext, kept: Readonly<Record<KeptKind, KeptResources>>) {
    this.context = context;
    this.kept = kept;
  }

  has(key: ResourceKey): boolean {
    return this.resources.has(textOf(key));
  }

  /** What is wanted and the store refused although it had passed the checks. */
  refused(): readonly Problem[] {
    return [...this.unapplied.values()].flat();
  }

  /** Makes these all that is in force. Gives the keys that were set, and what the store refused. */
  async replace(
    wanted: readonly Resource[],
    version: string,
  ): Promise<{ readonly set: readonly ResourceKey[]; readonly refused: readonly RefusedByStore[] }> {
    const texts = new Set(wanted.map(textOf));
    const removed = [...this.resources].filter(([text]) => !texts.has(text));
    const set = wanted.filter((resource) => this.resources.get(textOf(resource))?.value !== resource.value);
    for (const text of this.unapplied.keys()) if (!texts.has(text)) this.unapplied.delete(text);
    const keys = removed.map(([, { kind, name }]) => ({ kind, name }));
    return { set, refused: await this.apply(set, keys, version) };
  }

  /** Puts these in force beside the others. */
  set(resources: readonly Resource[], version: string): Promise<readonly RefusedByStore[]> {
    return this.apply(resources, [], version);
  }

  private async apply(
    set: readonly Resource[],
    remove: readonly ResourceKey[],
    version: string,
  ): Promise<readonly RefusedByStore[]> {
    const { sink, signal } = this.context;
    if (signal.aborted || (set.length === 0 && remove.length === 0)) return [];
    const unhonoured = set.flatMap(({ kind, name }): Problem[] => {
      const kept = kind === 'cluster' || kind === 'endpoints' ? this.kept[kind].get(name) : undefined;
      return (kept?.unhonoured ?? []).map((found) => ({ key: { kind, name }, ...found }));
    });
    const result = await sink.apply({ version, set, remove, unhonoured });
    const rejected = Map.groupBy(result.rejected, ({ key }) => textOf(key));
    for (const resource of set) this.unapplied.delete(textOf(resource));
    for (const [text, problems] of rejected) this.unapplied.set(text, problems);
    for (const key of remove) this.resources.delete(textOf(key));
    for (const resource of set) if (!rejected.has(textOf(resource))) this.resources.set(textOf(resource), resource);
    return result.rejected.map(({ key: { kind, name }, path, reason }) => ({
      typeUrl: kind === 'cluster' ? typeUrls.cluster : kind === 'endpoints' ? typeUrls.endpoints : typeUrls.listener,
      name,
      reason: path === '' ? reason : `${path}: ${reason}`,
    }));
  }
}

function textOf({ kind, name }: ResourceKey): string {
  return `${kind}\n${name}`;
}

import { typeUrls, type AdsClient, type TypeUrl } from '../client/contract.ts';
import type { KeptKind } from './kept-resources.ts';

/** Type URL of each kind. */
const typeUrlOf: Readonly<Record<KeptKind, TypeUrl>> = {
  listener: typeUrls.listener,
  'route-table': typeUrls.routeConfiguration,
  cluster: typeUrls.cluster,
  endpoints: typeUrls.endpoints,
  secret: typeUrls.secret,
  extension: typeUrls.extension,
};

/** All kinds. */
export const keptKinds = Object.keys(typeUrlOf) as readonly KeptKind[];

/** The kind that a type URL stands for; undefined for one that is not subscribed to. */
export function kindOf(typeUrl: TypeUrl): KeptKind | undefined {
  return keptKinds.find((kind) => typeUrlOf[kind] === typeUrl);
}

/** What is subscribed to, by kind; `'*'` is all of a kind. */
export class Subscriptions {
  private client: AdsClient | undefined = undefined;
  private readonly names = new Map<KeptKind, ReadonlySet<string>>();

  /** From here on they go to this client, with those that there are already. */
  attach(client: AdsClient): void {
    this.client = client;
    for (const [kind, names] of this.names) for (const name of names) client.subscribe(typeUrlOf[kind], name);
  }

  /** Makes these the names of a kind. Gives those that are no longer wanted. */
  set(kind: KeptKind, names: ReadonlySet<string>): readonly string[] {
    const before = this.names.get(kind) ?? new Set<string>();
    this.names.set(kind, names);
    for (const name of names) if (!before.has(name)) this.client?.subscribe(typeUrlOf[kind], name);
    const ended = [...before].filter((name) => !names.has(name));
    for (const name of ended) this.client?.unsubscribe(typeUrlOf[kind], name);
    return ended;
  }

  /** These are in use and no server has sent them. */
  restored(kind: KeptKind, names: readonly string[]): void {
    this.client?.restored(typeUrlOf[kind], names);
  }

  /** Whether a resource was asked for, by its name or with all of its kind. */
  has(kind: KeptKind, name: string): boolean {
    const names = this.names.get(kind);
    return names !== undefined && (names.has(name) || names.has('*'));
  }

  isWildcard(kind: KeptKind): boolean {
    return this.names.get(kind)?.has('*') === true;
  }
}

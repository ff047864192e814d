/** A stream to an xDS server without the stream: what a source subscribes to is seen, and responses are handed to it. */
import { typeUrls, type AdsClient, type AdsListener, type RefusedResource } from '../../src/control-plane/xds/client/contract.ts';
import { envoyBytes } from './envoy-bytes.ts';

/** Names of kinds as the contract has them. */
export type FakeKind = keyof typeof typeUrls;

/** One resource of a response: JSON, or a name with bytes. */
export type FakeResource = object;

export class FakeAdsClient implements AdsClient {
  listener: AdsListener | undefined = undefined;
  /** `kind name` of what is subscribed to now. */
  readonly subscribed = new Set<string>();
  /** Every subscription and its end, in order: `+kind name`, `-kind name`. */
  readonly history: string[] = [];
  private version = 0;
  private readonly started = Promise.withResolvers<void>();

  run(listener: AdsListener, signal: AbortSignal): Promise<void> {
    this.listener = listener;
    this.started.resolve();
    listener.onStatus({ state: 'connected' });
    return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  }

  /** Resolves when the source runs. */
  get running(): Promise<void> {
    return this.started.promise;
  }

  subscribe(typeUrl: string, name: string): void {
    this.subscribed.add(`${kindOf(typeUrl)} ${name}`);
    this.history.push(`+${kindOf(typeUrl)} ${name}`);
  }

  unsubscribe(typeUrl: string, name: string): void {
    this.subscribed.delete(`${kindOf(typeUrl)} ${name}`);
    this.history.push(`-${kindOf(typeUrl)} ${name}`);
  }

  restored(typeUrl: string, names: Iterable<string>): void {
    for (const name of names) this.history.push(`=${kindOf(typeUrl)} ${name}`);
  }

  /** Hands a response over; resolves with what the source refused. */
  async push(
    kind: FakeKind,
    resources: readonly FakeResource[],
    more: {
      readonly removed?: readonly string[];
      readonly isWhole?: boolean;
      readonly version?: string;
      readonly broken?: readonly RefusedResource[];
    } = {},
  ): Promise<readonly RefusedResource[]> {
    await this.running;
    const version = more.version ?? String(++this.version);
    return this.listener!.onResponse({
      typeUrl: typeUrls[kind],
      version,
      isWhole: more.isWhole ?? (kind === 'listener' || kind === 'cluster'),
      resources: resources.map((resource) => ({ ...received(kind, resource), version })),
      removed: more.removed ?? [],
      broken: more.broken ?? [],
    });
  }

  /** The server has no such resource. */
  absent(kind: FakeKind, name: string, reason: string): void {
    this.listener!.onAbsent(typeUrls[kind], name, reason);
  }
}

function received(kind: FakeKind, resource: FakeResource): { readonly name: string; readonly bytes: Uint8Array } {
  const { name, cluster_name: clusterName, bytes } = resource as Readonly<Record<'name' | 'cluster_name' | 'bytes', unknown>>;
  const type = typeUrls[kind].slice(typeUrls[kind].indexOf('/') + 1);
  return { name: String(name ?? clusterName), bytes: bytes instanceof Uint8Array ? bytes : envoyBytes(resource, type) };
}

function kindOf(typeUrl: string): FakeKind {
  return (Object.keys(typeUrls) as FakeKind[]).find((kind) => typeUrls[kind] === typeUrl)!;
}

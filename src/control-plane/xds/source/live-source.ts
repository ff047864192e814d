/** The running source: what is wanted, what is kept, and what of it is in force. */
import type { ControlPlaneContext, ControlPlaneStatus, Demand, SourceFindings } from '../../../model/contracts.ts';
import type { ListenedPort } from '../../../model/listener.ts';
import type { AdsClient, AdsListener, AdsResponse, RefusedResource, TypeUrl } from '../client/contract.ts';
import type { ReadOptions } from '../translate/received.ts';
import type { XdsSourceOptions } from '../source.ts';
import { extensionFrom } from './check-extension.ts';
import { Delivery } from './delivery.ts';
import { FindingsPool, KeptResources, type KeptKind } from './kept-resources.ts';
import { Listeners } from './listeners.ts';
import { Pace } from './pace.ts';
import { Receiver } from './receiver.ts';
import type { SecretDelivery } from './secrets.ts';
import type { SavedResource } from './snapshot-file.ts';
import { adaptationOf } from './silent-detection.ts';
import { Snapshots } from './snapshots.ts';
import { SourceStatus } from './source-status.ts';
import { keptKinds, kindOf, Subscriptions } from './subscriptions.ts';
import { EndpointsReader } from './wanted-clusters.ts';
import { toldOnce } from './told-once.ts';

/** Kinds that a snapshot may have. Secrets never. */
const restorable: ReadonlySet<string> = new Set<KeptKind>(['listener', 'route-table', 'cluster', 'endpoints', 'extension']);

export class LiveSource implements AdsListener {
  private readonly options: XdsSourceOptions;
  private readonly context: ControlPlaneContext;
  private readonly kept: Readonly<Record<KeptKind, KeptResources>>;
  private readonly absences = recordOf(() => new Map<string, string>());
  private readonly receiver: Receiver;
  private readonly delivery: Delivery;
  private readonly subscriptions = new Subscriptions();
  private readonly status: SourceStatus;
  private readonly snapshots: Snapshots | undefined;

  constructor(options: XdsSourceOptions, context: ControlPlaneContext, secrets: SecretDelivery) {
    this.options = options;
    this.context = context;
    const pool = new FindingsPool();
    const kept = recordOf((kind) => new KeptResources(kind, pool));
    this.kept = kept;
    const read: ReadOptions = {
      mode: options.mode,
      extension: (name, findings) => {
        const bytes = kept.extension.bytesOf(name);
        return bytes && extensionFrom(name, bytes, findings);
      },
      inboundTable: (name) => kept['route-table'].bytesOf(name),
      isInboundName: (name) => this.delivery.waysIn.has(name),
      ...(options.surroundings !== undefined && { surroundings: options.surroundings }),
      adaptCluster: adaptationOf(options),
      secretName: secrets.named,
    };
    const { sink } = context;
    const { absences, subscriptions } = this;
    const listeners = new Listeners(kept.listener, read);
    const endpoints = new EndpointsReader(kept.endpoints);
    this.status = new SourceStatus(sink);
    // What is received and what is delivered meet here.
    const between = { kept, absences, subscriptions, listeners, endpoints, secrets, status: this.status };
    this.delivery = new Delivery({ options, read, context, ...between });
    this.receiver = new Receiver({
      sink,
      options: read,
      ...between,
      failOnDataErrors: options.failOnDataErrors === true,
      onChange: (kind, name) => this.delivery.changed(kind, name),
    });
    const { snapshot } = options;
    this.snapshots =
      snapshot &&
      new Snapshots({
        settings: snapshot,
        clock: context.clock,
        status: this.status,
        current: () => this.delivery.saved(),
        restore: (resources) => this.restore(resources),
      });
    if (options.mode === 'sidecar') {
      // In the order in which Envoy asks: what is referred to comes first.
      subscriptions.set('cluster', new Set(['*']));
      subscriptions.set('listener', new Set(['*']));
    }
  }

  /** Resolves when the signal of the context aborts. */
  async run(client: AdsClient): Promise<void> {
    this.subscriptions.attach(client);
    this.delivery.start();
    this.snapshots?.start();
    await client.run(this, this.context.signal);
    await this.snapshots?.close();
  }

  demand(want: Demand, until: AbortSignal): void {
    this.delivery.demand(want, until);
  }

  awaits(want: Demand): string | undefined {
    return this.delivery.awaits(want);
  }

  listening(at: ListenedPort, until: AbortSignal): void {
    this.delivery.waysIn.listening(at, until);
  }

  /** Whether a port that it has said nothing about is one that it has yet to speak of. */
  get guardsInbound(): boolean {
    return this.delivery.waysIn.isGuarding;
  }

  async onResponse(response: AdsResponse): Promise<readonly RefusedResource[]> {
    this.snapshots?.spoken();
    const refused = await this.receiver.take(response, new Pace(this.context.clock));
    this.delivery.version = response.version;
    const rejected = await this.delivery.flush();
    this.status.setGuarding(this.guardsInbound);
    this.reportStale();
    this.snapshots?.changed();
    return [...refused, ...rejected.filter(({ typeUrl }) => typeUrl === response.typeUrl)];
  }

  onAbsent(typeUrl: TypeUrl, name: string, reason: string): void {
    const kind = kindOf(typeUrl);
    if (kind === undefined || !this.subscriptions.has(kind, name)) return;
    this.receiver.takeAbsence(kind, name, reason);
    void this.delivery.flush().then(() => this.reportStale());
  }

  onStatus(status: ControlPlaneStatus): void {
    this.status.setStream(status);
  }

  /** Takes what the disk has, each as if the server had sent it; what is bad of it is left. */
  private async restore(resources: readonly SavedResource[]): Promise<void> {
    const pace = new Pace(this.context.clock);
    // The server may have spoken of some already, or of all of a kind.
    const isKnown = (kind: KeptKind, name: string): boolean =>
      this.kept[kind].has(name) || this.kept[kind].isComplete || this.absences[kind].has(name);
    const restored = new Map<KeptKind, string[]>();
    for (const { kind, name, version, bytes } of resources) {
      if (pace.isOver) await pace.turn();
      if (!restorable.has(kind) || isKnown(kind, name)) continue;
      const judgement = await this.receiver.judge(kind, name, bytes, undefined, pace);
      if (judgement.problems.length > 0 || isKnown(kind, name)) continue;
      this.receiver.keep(kind, name, version, bytes, judgement).isStale = true;
      restored.set(kind, [...(restored.get(kind) ?? []), name]);
      this.delivery.version ||= version;
    }
    for (const [kind, names] of restored) this.subscriptions.restored(kind, names);
    await this.delivery.flush();
    this.reportStale();
  }

  /** Says what in force is from the disk, as long as anything is. */
  private reportStale(): void {
    const writtenMs = this.snapshots?.writtenMs;
    if (writtenMs === undefined) return;
    const { stale, all } = this.delivery.staleness();
    const age = ageOf(writtenMs, this.context.clock.wallNow());
    this.status.setStale(
      stale === 0
        ? undefined
        : `${stale} of ${all} resources in use are from the disk, written ${age} ago; the server has not sent them yet`,
    );
  }

  findings(): SourceFindings {
    const all = Object.values(this.kept);
    const ofSetup = (this.options.unhonoured ?? []).map((found) => ({ key: { kind: 'listener' as const, name: '*' }, ...found }));
    return {
      rejected: this.receiver.refused(),
      unhonoured: [
        ...ofSetup,
        ...all.flatMap((resources) => toldOnce(resources.unhonoured((name) => this.delivery.isReported(resources.kind, name)))),
      ],
    };
  }
}

function ageOf(writtenMs: number, nowMs: number): string {
  const seconds = Math.max(0, Math.round((nowMs - writtenMs) / 1000));
  return seconds < 120 ? `${seconds} s` : seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

function recordOf<T>(make: (kind: KeptKind) => T): Record<KeptKind, T> {
  return Object.fromEntries(keptKinds.map((kind) => [kind, make(kind)])) as Record<KeptKind, T>;
}

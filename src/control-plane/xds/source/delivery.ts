/**
 * From what is kept to what is in force: finds what the demands need, subscribes to it, builds it and applies what is not in force
 * yet. One run at a time; what changes meanwhile makes another one follow. Endpoints alone take a short way, since they change most.
 */
import type { ControlPlaneContext, Demand } from '../../../model/contracts.ts';
import type { Resource } from '../../../model/snapshot.ts';
import { withFallbacks, withUsedSubsets } from '../translate/link-subsets.ts';
import type { ReadOptions } from '../translate/received.ts';
import type { XdsSourceOptions } from '../source.ts';
import type { Authority } from './authority.ts';
import type { RouteFinding } from './find-ways.ts';
import { InForce, type RefusedByStore } from './in-force.ts';
import type { KeptKind, KeptResources } from './kept-resources.ts';
import type { Listeners } from './listeners.ts';
import { LoadWatch } from './load-watch.ts';
import { NeededNames } from './needed-names.ts';
import { Pace } from './pace.ts';
import { ReadTables } from './read-tables.ts';
import { resourcesInUse, savedFrom, stalenessOf, type ResourceInUse } from './resources-in-use.ts';
import type { SecretDelivery } from './secrets.ts';
import type { SavedResource } from './snapshot-file.ts';
import type { SourceStatus } from './source-status.ts';
import type { Subscriptions } from './subscriptions.ts';
import { ClusterReader, clustersOfTables, type EndpointsReader, type WantedCluster } from './wanted-clusters.ts';
import { findRoutes, type ServedNow, type WantedRoutes } from './wanted-routes.ts';
import { WantedSecrets } from './wanted-secrets.ts';
import { Wants } from './wants.ts';
import { clustersOfWaysIn, WaysIn } from './ways-in.ts';
import { whyNoCluster } from './why-no-cluster.ts';

/** What delivering needs. */
export interface DeliveryParts {
  readonly options: XdsSourceOptions;
  readonly read: ReadOptions;
  readonly context: ControlPlaneContext;
  readonly kept: Readonly<Record<KeptKind, KeptResources>>;
  readonly absences: Readonly<Record<KeptKind, ReadonlyMap<string, string>>>;
  readonly subscriptions: Subscriptions;
  readonly listeners: Listeners;
  readonly endpoints: EndpointsReader;
  readonly secrets: SecretDelivery;
  readonly status: SourceStatus;
}

const noRoutes: WantedRoutes = {
  listeners: new Map(),
  drafts: new Map(),
  answers: new Map(),
  listenerNames: new Set(),
  tableNames: new Set(),
  used: new Set(),
};

export class Delivery {
  readonly waysIn: WaysIn;
  /** Of the response that is being delivered. */
  version = '';
  private readonly parts: DeliveryParts;
  private readonly finding: RouteFinding;
  private readonly tables: ReadTables;
  private readonly clusters: ClusterReader;
  private readonly loads: LoadWatch;
  private readonly wants = new Wants();
  private readonly served: ServedNow = new WeakMap();
  private routes: WantedRoutes = noRoutes;
  /** Clusters in force or on the way, with their endpoints' names. */
  private wanted: ReadonlyMap<string, WantedCluster> = new Map();
  /** Clusters that are wanted and not there. */
  private missing: ReadonlySet<string> = new Set();
  /** What is wanted is being found out, so that anything may turn out to be. */
  private isFinding = false;
  private readonly inForce: InForce;
  private readonly needed: NeededNames;
  private readonly wantedSecrets: WantedSecrets;
  private listenersInUse: ReadonlySet<string> = new Set();
  /** Route tables that ways out and ways in need. */
  private tableNames: ReadonlySet<string> = new Set();
  private isStarted = false;
  private isAllDirty = false;
  /** Clusters that were set since it was told last what is absent. */
  private justSet = new Set<string>();
  private dirtyEndpoints = new Set<string>();
  private running: Promise<readonly RefusedByStore[]> | undefined = undefined;

  constructor(parts: DeliveryParts) {
    this.parts = parts;
    this.tables = new ReadTables(parts.kept['route-table'], parts.read);
    this.clusters = new ClusterReader(parts.kept.cluster, parts.read);
    const { options, absences, listeners, kept } = parts;
    this.inForce = new InForce(parts.context, kept);
    this.waysIn = new WaysIn(parts, this.allChanged);
    this.needed = new NeededNames(parts);
    this.wantedSecrets = new WantedSecrets(parts);
    this.loads = new LoadWatch(options.loadReports, parts.context, parts.status);
    const defaultNames = ({ host, port }: Authority): readonly string[] => [`${host}:${port}`, host];
    this.finding = {
      mode: options.mode,
      listenerNames: options.listenerNames ?? defaultNames,
      searchDomains: options.searchDomains ?? [],
      absence: (kind, name) => absences[kind].get(name),
      isPassThrough: (cluster) => (this.clusters.discoveryOf(cluster) ?? 'original-destination') === 'original-destination',
      isIncomplete: (name) =>
        (listeners.read(name)?.extensionNames ?? []).some(
          (extension) => !kept.extension.has(extension) && !absences.extension.has(extension),
        ),
    };
  }

  /** From here on it delivers. */
  start(): void {
    this.isStarted = true;
    void this.flush();
  }

  demand(want: Demand, until: AbortSignal): void {
    if (until.aborted) return;
    this.wants.add(want, until, this.allChanged);
    this.allChanged();
  }

  private readonly allChanged = (): void => {
    this.isAllDirty = true;
    void this.flush();
  };

  /** What an answer waits for. */
  awaits(want: Demand): string | undefined {
    if (want.kind === 'authority') {
      const authority = this.wants.authorityOf(want);
      const answer = authority && this.routes.answers.get(authority);
      return answer?.kind === 'awaited' ? answer.what : undefined;
    }
    const name = JSON.stringify(want.name);
    const cluster = this.wanted.get(want.name);
    if (cluster !== undefined)
      return this.wantedSecrets.areKnown(cluster.read) ? `the endpoints of cluster ${name}` : `the secrets of cluster ${name}`;
    return this.parts.subscriptions.isWildcard('cluster') ? 'its clusters' : `cluster ${name}`;
  }

  /** What there is of a resource changed. */
  changed(kind: KeptKind, name: string): void {
    if (kind === 'extension') this.parts.listeners.extensionChanged(name);
    if (kind === 'route-table') this.parts.listeners.tableChanged(name);
    if (kind === 'endpoints' && this.inForce.has({ kind, name })) this.dirtyEndpoints.add(name);
    else if (kind !== 'cluster' || this.isOfInterest(name)) this.isAllDirty = true;
  }

  /** Whether something depends on this cluster; a server changes thousands that nobody here calls. */
  private isOfInterest(cluster: string): boolean {
    if (this.isFinding || cluster === '*' || this.wanted.has(cluster) || this.missing.has(cluster)) return true;
    return this.parts.listeners.catchAll()?.cluster === cluster;
  }

  /** Whether the store reports what has no effect in it. */
  isReported(kind: KeptKind, name: string): boolean {
    return (kind === 'cluster' || kind === 'endpoints') && this.inForce.has({ kind, name });
  }

  /** What is in use and may be written to the disk; undefined while it is itself from there. */
  saved(): readonly SavedResource[] | undefined {
    return this.staleness().stale > 0 ? undefined : savedFrom(this.inUse());
  }

  /** How many of the resources in use the server has not confirmed. */
  staleness(): { readonly stale: number; readonly all: number } {
    return stalenessOf(this.inUse());
  }

  private inUse(): Iterable<ResourceInUse> {
    const now = { listenerNames: this.listenersInUse, tableNames: this.tableNames, clusters: this.wanted };
    return resourcesInUse(now, this.parts);
  }

  /** Delivers until nothing is left that changed. Never rejects. */
  flush(): Promise<readonly RefusedByStore[]> {
    if (!this.isStarted || this.isOver) return Promise.resolve([]);
    return (this.running ??= this.deliverAll());
  }

  private get isOver(): boolean {
    return this.parts.context.signal.aborted;
  }

  private async deliverAll(): Promise<readonly RefusedByStore[]> {
    const refused: RefusedByStore[] = [];
    // Demands of one turn are delivered together.
    await Promise.resolve();
    while ((this.isAllDirty || this.dirtyEndpoints.size > 0) && !this.isOver) {
      try {
        refused.push(...(this.isAllDirty ? await this.deliverWanted() : await this.deliverEndpoints()));
        this.parts.status.note('delivery', undefined);
        this.parts.status.setUnapplied(this.inForce.refused());
      } catch (error) {
        // Nothing is in force of it; the next change tries again.
        const reason = `could not be delivered: ${error instanceof Error ? error.message : String(error)}`;
        this.parts.status.note('delivery', { key: { kind: 'listener', name: '*' }, path: '', reason });
      }
    }
    // In the same step as the last look: what changes from here on begins another run.
    this.running = undefined;
    return refused;
  }

  private async deliverEndpoints(): Promise<readonly RefusedByStore[]> {
    const names = this.dirtyEndpoints;
    this.dirtyEndpoints = new Set();
    const set: Resource[] = [];
    const wanted = new Set(Array.from(this.wanted.values(), ({ read }) => read.endpointsName));
    for (const name of names) {
      const value = wanted.has(name) ? this.parts.endpoints.read(name) : undefined;
      if (value !== undefined) set.push({ kind: 'endpoints', name, value });
    }
    return this.inForce.set(set, this.version);
  }

  private async deliverWanted(): Promise<readonly RefusedByStore[]> {
    this.isAllDirty = false;
    this.dirtyEndpoints = new Set();
    const { context, listeners, options, endpoints, secrets } = this.parts;
    const pace = new Pace(context.clock);
    const { finding, tables, served: now } = this;
    this.isFinding = true;
    this.routes = await findRoutes(this.wants.authorities(), { finding, listeners, tables, now, last: this.routes }, pace);
    const inbound = this.waysIn.names();
    const used = new Set([...this.routes.used, ...inbound]);
    listeners.retain(used);
    this.listenersInUse = used;
    const reads = [...used].flatMap((name) => listeners.read(name) ?? []);

    const outbound = [...this.routes.listeners.values()];
    const waysIn = this.waysIn.ready(reads.flatMap((read) => read.inbound));
    const asked = new Set([
      ...this.wants.clusters(),
      ...clustersOfTables(outbound.map(({ routes }) => routes)),
      ...clustersOfWaysIn(waysIn),
    ]);
    const { clusters, missing } = await this.clusters.closure(asked, pace);
    this.clusters.retain(clusters);
    this.wanted = clusters;
    this.missing = missing;
    this.isFinding = false;
    this.loads.wanted(clusters);

    const endpointsNames = new Set([...clusters.values()].flatMap(({ read }) => read.endpointsName ?? []));
    endpoints.retain(endpointsNames);
    this.tableNames = new Set([...this.routes.tableNames, ...reads.flatMap(({ inboundTableNames }) => inboundTableNames)]);
    this.needed.set('route-table', this.tableNames);
    if (options.mode === 'proxyless') {
      this.needed.set('listener', new Set([...this.routes.listenerNames, ...inbound]));
      this.needed.set('cluster', new Set([...clusters.keys(), ...missing]));
    }
    this.needed.set('endpoints', endpointsNames);
    this.needed.set('extension', new Set(reads.flatMap(({ extensionNames }) => extensionNames)));
    const secretUsers = [...Array.from(clusters.values(), ({ read }) => read), ...reads];
    this.needed.set('secret', this.wantedSecrets.namesOf(secretUsers));
    secrets.setOfResources(secretUsers.flatMap((read) => read.secrets));

    const selectable = Array.from(clusters.values(), ({ value }) => value);
    const linked = withFallbacks(
      outbound.map(({ routes }) => routes),
      selectable,
    );
    const wanted: Resource[] = [
      ...withUsedSubsets(linked, selectable).flatMap((value): Resource[] => {
        const cluster = clusters.get(value.name);
        const resource: Resource = { kind: 'cluster', name: value.name, value };
        // What is in use stays in use; one that nobody has used yet could make no connection (Envoy: "cluster warming").
        return cluster === undefined || this.wantedSecrets.areKnown(cluster.read) || this.inForce.has(resource) ? [resource] : [];
      }),
      ...[...endpointsNames].flatMap((name): Resource[] => {
        const value = endpoints.read(name);
        return value === undefined ? [] : [{ kind: 'endpoints', name, value }];
      }),
      ...outbound.map((listener, index): Resource => {
        const routes = linked[index]!;
        const value = routes === listener.routes ? listener : { ...listener, routes };
        return { kind: 'listener', name: value.name, value };
      }),
      ...waysIn.map((way): Resource => ({ kind: 'listener', name: way.name, value: way })),
    ];

    const { set, refused } = await this.inForce.replace(wanted, this.version);
    for (const { kind, name } of set) if (kind === 'cluster') this.justSet.add(name);
    // What was found may not hold any more: the next run tells.
    if (this.isAllDirty) return refused;
    const justSet = this.justSet;
    this.justSet = new Set();
    this.wants.tell(
      context.sink,
      (authority) => {
        const answer = this.routes.answers.get(authority);
        return answer?.kind === 'absent' ? answer.reason : undefined;
      },
      (name) => whyNoCluster(name, this.wanted.get(name), this.parts),
      justSet,
    );
    return refused;
  }
}

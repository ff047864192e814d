/**
 * Whatever resources of Envoy there are, as those of the model: of a bootstrap (`static_resources`), or a list of single ones. What
 * each is, is told by its `@type`, else by its fields.
 */
import type { ClusterConfig, EndpointsConfig } from '../../../model/cluster.ts';
import type { Problem } from '../../../model/contracts.ts';
import type { InboundListenerConfig, OutboundListenerConfig } from '../../../model/listener.ts';
import type { RouteTableConfig } from '../../../model/route.ts';
import type { Resource, ResourceKey, ResourceKind } from '../../../model/snapshot.ts';
import { clusterFrom } from './cluster.ts';
import { endpointsFrom } from './endpoints.ts';
import { withFallbacks, withUsedSubsets, type SelectableCluster } from './link-subsets.ts';
import { outboundListenersFrom, type ListenerOptions } from './listener.ts';
import { inboundListenersFrom, isInbound, placeOfTable } from './inbound/listener.ts';
import { Findings, type Finding, type Message } from './message.ts';
import { routeTableFrom } from './route-configuration.ts';
import { secretFrom } from './secret.ts';
import { TlsSecrets, type ReceivedSecret } from './tls-secrets.ts';

/** What became of resources of Envoy. */
export interface TranslatedResources {
  /** Those without problems. */
  readonly resources: readonly Resource[];
  /** Why others cannot be used. */
  readonly problems: readonly Problem[];
  /** Fields that were received and have no effect. */
  readonly unhonoured: readonly Problem[];
  /** Each resource that was read, good or not, in the order in which they stand. */
  readonly readings: readonly ResourceReading[];
  /** Certificates and roots: secrets, and what stood in TLS contexts. */
  readonly secrets: readonly ReceivedSecret[];
}

/** What was found in one resource. */
export interface ResourceReading {
  /** By the name of its type: `Listener`, `Secret`. */
  readonly type: string;
  readonly name: string;
  /** Where it stands in what was given. */
  readonly path: string;
  readonly problems: readonly Finding[];
  readonly unhonoured: readonly Finding[];
}

/** Translates resources of any kind. */
export function translateResources(list: readonly unknown[], options: ListenerOptions = {}): TranslatedResources {
  const translation = new Translation(options);
  const place = (index: number): string => (list.length === 1 ? '' : `[${index}]`);
  // Listeners may name them, wherever they stand.
  for (const [index, resource] of list.entries()) translation.addPart(resource, place(index));
  for (const [index, resource] of list.entries()) translation.add(resource, place(index));
  return translation.result();
}

type Kind = ResourceKind | 'bootstrap' | 'secret' | 'extension';

const kindsByType: readonly (readonly [type: RegExp, kind: Kind])[] = [
  [/\.RouteConfiguration$/, 'route-table'],
  [/\.Cluster$/, 'cluster'],
  [/\.ClusterLoadAssignment$/, 'endpoints'],
  [/\.Listener$/, 'listener'],
  [/\.Bootstrap$/, 'bootstrap'],
  [/\.tls\.v3\.Secret$/, 'secret'],
  [/\.TypedExtensionConfig$/, 'extension'],
];

const typeNames = {
  'route-table': 'RouteConfiguration',
  cluster: 'Cluster',
  endpoints: 'ClusterLoadAssignment',
  listener: 'Listener',
  bootstrap: 'Bootstrap',
  secret: 'Secret',
  extension: 'TypedExtensionConfig',
} as const;

function kindOf(message: Message): Kind | undefined {
  const type = message.text('@type') ?? '';
  if (type !== '') return kindsByType.find(([pattern]) => pattern.test(type))?.[1];
  if (['static_resources', 'clusters', 'listeners', 'route_configs'].some((name) => message.has(name))) return 'bootstrap';
  if (message.has('virtual_hosts')) return 'route-table';
  if (['filter_chains', 'default_filter_chain', 'api_listener'].some((name) => message.has(name))) return 'listener';
  if (message.has('cluster_name') && message.has('endpoints')) return 'endpoints';
  const ofClusters = [
    'type',
    'cluster_type',
    'load_assignment',
    'lb_policy',
    'connect_timeout',
    'eds_cluster_config',
    'load_balancing_policy',
  ];
  if (ofClusters.some((name) => message.has(name))) return 'cluster';
  if (['tls_certificate', 'validation_context'].some((name) => message.has(name))) return 'secret';
  if (message.has('name') && message.has('typed_config')) return 'extension';
  return undefined;
}

/** Whether an object is a resource of Envoy, or has some. */
export function isEnvoyResource(value: object): boolean {
  const message = new Findings().message(value, '');
  return message !== undefined && kindOf(message) !== undefined;
}

/** What a resource is that is none of Envoy's. */
function strangeKind(message: Message): string {
  const kind = message.has('apiVersion') ? message.text('kind') : undefined;
  if (kind === undefined)
    return 'is none of RouteConfiguration, Cluster, ClusterLoadAssignment, Listener and Bootstrap; give its @type when it is, for example type.googleapis.com/envoy.config.route.v3.RouteConfiguration';
  const version = message.text('apiVersion') ?? '';
  const what = `is a ${kind} of Kubernetes (${version}), which is not supported here`;
  return version.includes('istio.io')
    ? `${what}; give what istiod makes of it, in the words of Envoy: istioctl proxy-config routes POD -o json`
    : `${what}; give resources of Envoy`;
}

class Translation {
  private readonly tables: RouteTableConfig[] = [];
  private readonly clusters: SelectableCluster[] = [];
  private readonly listeners: OutboundListenerConfig[] = [];
  private readonly inbound: InboundListenerConfig[] = [];
  private readonly endpoints: EndpointsConfig[] = [];
  private readonly problems: Problem[] = [];
  private readonly unhonoured: Problem[] = [];
  private readonly names = new Set<string>();
  private readonly readings: ResourceReading[] = [];
  private readonly secrets: ReceivedSecret[] = [];
  private readonly extensions = new Map<string, Message>();
  /** Route configurations as they were written: what a way in names is read anew, together with its filters. */
  private readonly written = new Map<string, object>();
  /** Of files that somebody wrote here: what they name is named. */
  private readonly tls = new TlsSecrets('name');
  private readonly options: ListenerOptions;

  constructor(options: ListenerOptions) {
    this.options = options;
  }

  /** Takes what is a part of listeners: configurations of filters that are delivered apart (ECDS), route tables that ways in name. */
  addPart(resource: unknown, path: string): void {
    if (typeof resource !== 'object' || resource === null || Array.isArray(resource)) return;
    const message = new Findings().message(resource, path);
    const kind = message && kindOf(message);
    const name = message?.text('name') ?? '';
    if (kind === 'route-table') this.written.set(name, resource);
    if (kind !== 'extension') return;
    message!.skip('@type', 'name');
    this.extensions.set(name, message!);
  }

  add(resource: unknown, path: string): void {
    const findings = new Findings();
    const message = findings.message(resource, path);
    if (message === undefined) {
      this.report(findings, 'Resource', '', path);
      return;
    }
    const kind = kindOf(message);
    if (kind === 'bootstrap') this.addBootstrap(message);
    else if (kind === undefined) {
      const name = message.text('name') ?? '';
      message.markRead();
      findings.problem(path, strangeKind(message));
      this.report(findings, 'Resource', name, path);
    } else if (kind !== 'extension') this.addOne(kind, message);
  }

  /** `static_resources` by itself, or what has it. */
  private addBootstrap(message: Message): void {
    const findings = message.findings;
    message.skip('@type', 'node', 'admin');
    const inner = message.message('static_resources') ?? message;
    for (const [name, kind] of [
      ['clusters', 'cluster'],
      ['listeners', 'listener'],
      ['route_configs', 'route-table'],
      ['secrets', 'secret'],
    ] as const) {
      for (const [index, value] of inner.list(name).entries()) {
        const own = new Findings();
        const resource = own.message(value, `${inner.at(name)}[${index}]`);
        if (resource === undefined) this.report(own, typeNames[kind], '', `${inner.at(name)}[${index}]`);
        else this.addOne(kind, resource);
      }
    }
    this.report(findings, 'Bootstrap', '', message.path);
  }

  private addOne(kind: ResourceKind | 'secret', message: Message): void {
    const { findings } = message;
    if (kind === 'listener') {
      this.addListeners(message);
      return;
    }
    const value = kind === 'secret' ? undefined : read(kind, message, this.tls, this.options);
    const secret = kind === 'secret' ? secretFrom(message) : undefined;
    const name = value === undefined ? (message.name('name') ?? message.name('cluster_name') ?? '') : value.name;
    this.claim(kind, name, message);
    this.report(findings, typeNames[kind], name, message.path);
    if (findings.problems.length > 0) return;
    if (secret !== undefined) this.secrets.push(secret);
    if (value === undefined) return;
    if (kind === 'cluster') this.clusters.push(value as Named<SelectableCluster>);
    else if (kind === 'endpoints') this.endpoints.push(value as EndpointsConfig);
    else this.tables.push(value as RouteTableConfig);
  }

  /** One listener of Envoy may serve several ports, or none with HTTP. */
  private addListeners(message: Message): void {
    const name = message.name('name') ?? 'listener';
    const isIn = isInbound(message);
    const { surroundings } = this.options;
    const extension = (wanted: string): Message | undefined => this.extensions.get(wanted);
    const routeTable = (table: string): Message | undefined => {
      const written = this.written.get(table);
      return written && message.findings.message(written, placeOfTable(table));
    };
    const inbound = isIn
      ? inboundListenersFrom(message, { tls: this.tls, extension, routeTable, ...(surroundings && { surroundings }) })
      : [];
    const outbound = isIn ? [] : outboundListenersFrom(message, { extensions: extension, ...this.options }).listeners;
    this.claim('listener', name, message);
    this.report(message.findings, 'Listener', name, message.path);
    if (message.findings.problems.length > 0) return;
    this.listeners.push(...outbound);
    this.inbound.push(...inbound);
  }

  private claim(kind: ResourceKind | 'secret', name: string, message: Message): void {
    if (name !== '' && this.names.has(`${kind} ${name}`))
      message.problem('name', `there is another ${kind} named ${JSON.stringify(name)}`);
    this.names.add(`${kind} ${name}`);
  }

  private report(findings: Findings, type: string, name: string, path: string): void {
    findings.reportUnread();
    const { problems, unhonoured } = findings;
    this.readings.push({ type, name, path, problems, unhonoured });
    const key: ResourceKey = { kind: kindByTypeName.get(type) ?? 'route-table', name };
    for (const each of problems) this.problems.push({ key, path: each.path, reason: each.reason });
    for (const each of unhonoured) this.unhonoured.push({ key, path: each.path, reason: each.reason });
  }

  result(): TranslatedResources {
    for (const [name, message] of this.extensions) this.report(message.findings, typeNames.extension, name, message.path);
    const inline = this.listeners.flatMap(({ routes }) => (typeof routes === 'string' ? [] : [routes]));
    const linked = withFallbacks([...this.tables, ...inline], this.clusters);
    const tables = linked.slice(0, this.tables.length);
    const ofListeners = linked.slice(this.tables.length);
    let next = 0;
    const listeners = this.listeners.map((listener) =>
      typeof listener.routes === 'string' ? listener : { ...listener, routes: ofListeners[next++]! },
    );
    const clusters: readonly ClusterConfig[] = withUsedSubsets(linked, this.clusters);
    return {
      resources: [
        ...tables.map((value): Resource => ({ kind: 'route-table', name: value.name, value })),
        ...[...listeners, ...this.inbound].map((value): Resource => ({ kind: 'listener', name: value.name, value })),
        ...clusters.map((value): Resource => ({ kind: 'cluster', name: value.name, value })),
        ...this.endpoints.map((value): Resource => ({ kind: 'endpoints', name: value.name, value })),
      ],
      problems: this.problems,
      unhonoured: this.unhonoured,
      readings: this.readings,
      secrets: [...this.secrets, ...this.tls.secrets],
    };
  }
}

/** Secrets and configurations of filters belong to the listeners and clusters that name them. */
const kindByTypeName = new Map<string, ResourceKind>([
  ...(['route-table', 'cluster', 'endpoints', 'listener'] as const).map((kind) => [typeNames[kind], kind] as const),
  [typeNames.secret, 'cluster'],
  [typeNames.extension, 'listener'],
]);

type Named<T> = T & { readonly name: string };

function read(
  kind: Exclude<ResourceKind, 'listener'>,
  message: Message,
  tls: TlsSecrets,
  options: ListenerOptions,
): RouteTableConfig | Named<SelectableCluster> | EndpointsConfig {
  switch (kind) {
    case 'cluster': {
      const cluster = clusterFrom(message, tls);
      return { ...cluster, name: cluster.value.name };
    }
    case 'endpoints':
      return endpointsFrom(message, '');
    default:
      return routeTableFrom(message, options.surroundings === undefined ? {} : { surroundings: options.surroundings });
  }
}

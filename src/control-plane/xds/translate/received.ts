/**
 * Resources as they come over the wire, by kind: bytes in, what they mean in the words of the model out, with what was found on the
 * way. Each call reads one resource and remembers nothing, so that whoever keeps bytes may read them again when they are wanted.
 */
import type { ClusterConfig } from '../../../model/cluster.ts';
import type { InboundListenerConfig, OutboundListenerConfig } from '../../../model/listener.ts';
import type { RouteTableConfig } from '../../../model/route.ts';
import type { SecretRef } from '../../../model/tls.ts';
import { messageFromWire } from '../wire/message-from-wire.ts';
import { clusterFrom } from './cluster.ts';
import type { Surroundings } from './format.ts';
import type { SelectableCluster } from './link-subsets.ts';
import { inboundListenersFrom, isInbound, placeOfTable } from './inbound/listener.ts';
import { outboundListenersFrom, type OutboundReading } from './listener.ts';
import { Findings, type Finding, type Message } from './message.ts';
import { routeTableFrom } from './route-configuration.ts';
import { secretFrom } from './secret.ts';
import { reservedName, TlsSecrets, type ReceivedSecret } from './tls-secrets.ts';

export type { ReceivedSecret };

/** What was found in a resource. With problems it is refused, and `value` is undefined. */
export interface ReceivedFindings {
  readonly problems: readonly Finding[];
  /** Fields that are accepted and have no effect. */
  readonly unhonoured: readonly Finding[];
}

/** What reading needs to know of its surroundings. */
export interface ReadOptions {
  /** For `%HOSTNAME%` and `%ENVIRONMENT(…)%`. */
  readonly surroundings?: Surroundings;
  /** A sidecar has a listener for each port that requests go to; without a proxy there is one for each authority. */
  readonly mode: 'sidecar' | 'proxyless';
  /** Configuration of a filter that is delivered apart (ECDS), whose findings are those of the listener; undefined while it is not there. */
  readonly extension?: (name: string, findings: Findings) => Message | undefined;
  /** Bytes of a route configuration that a way in names; undefined while they are not there. */
  readonly inboundTable?: (name: string) => Uint8Array | undefined;
  /** Whether a listener was asked for as a way in, by its name. Default: what it says of itself decides. */
  readonly isInboundName?: (name: string) => boolean;
  /** The last word of a preset on a cluster. */
  readonly adaptCluster?: (cluster: ClusterConfig) => ClusterConfig;
  /** The name by which the mesh knows a secret that the server names. Default: the same. */
  readonly secretName?: (name: SecretRef) => SecretRef;
}

/** A listener: ways out, ways in, or neither (one for raw TCP). */
export interface ReadListener {
  readonly findings: ReceivedFindings;
  readonly outbound: readonly OutboundListenerConfig[];
  /** One for each port of the app that the listener serves. */
  readonly inbound: readonly InboundListenerConfig[];
  /** Route configurations that its ways out name, and those of its ways in that are not there. */
  readonly routeNames: readonly string[];
  /** Route configurations that its ways in name, there or not. */
  readonly inboundTableNames: readonly string[];
  /** Configurations of filters that it names (ECDS). */
  readonly extensionNames: readonly string[];
  /** Of a listener for all connections that no other one takes (`use_original_dst`): the cluster that these go to. */
  readonly catchAllCluster?: string;
  /** Of a listener of raw TCP: its port. */
  readonly rawPort?: number;
  readonly secrets: readonly ReceivedSecret[];
  readonly secretNames: readonly SecretRef[];
}

/** Reads an `envoy.config.listener.v3.Listener`. */
export function readListener(bytes: Uint8Array, options: ReadOptions): ReadListener {
  const findings = new Findings();
  const message = messageFromWire(bytes, 'envoy.config.listener.v3.Listener', '', findings);
  const tls = new TlsSecrets('refuse', options.secretName);
  const { surroundings } = options;
  // Several chains may name one filter: what one of them reads of it counts for all.
  const extensions = new Map<string, Message | undefined>();
  const extension = (name: string): Message | undefined => {
    if (!extensions.has(name)) extensions.set(name, options.extension?.(name, findings));
    return extensions.get(name);
  };
  let inbound: readonly InboundListenerConfig[] = [];
  let out: OutboundReading = { listeners: [], extensionNames: [] };
  const inboundTables = new Map<string, Message | undefined>();
  const routeTable = (name: string): Message | undefined => {
    if (!inboundTables.has(name)) {
      const table = options.inboundTable?.(name);
      inboundTables.set(name, table && routeTableMessage(name, table, findings));
    }
    return inboundTables.get(name);
  };
  if (message !== undefined && (isInbound(message) || options.isInboundName?.(message.text('name') ?? '') === true)) {
    const wanted = new Set<string>();
    const asked = (name: string): Message | undefined => {
      wanted.add(name);
      return extension(name);
    };
    inbound = inboundListenersFrom(message, { tls, extension: asked, routeTable, ...(surroundings && { surroundings }) });
    out = { listeners: [], extensionNames: [...wanted] };
  } else if (message !== undefined) {
    out = outboundListenersFrom(message, {
      port: options.mode === 'sidecar' ? 'bound' : 'any',
      ...(surroundings && { surroundings }),
      extensions: extension,
    });
  }
  findings.reportUnread();
  const isGood = findings.problems.length === 0;
  const outbound = isGood ? out.listeners : [];
  return {
    findings,
    outbound,
    inbound: isGood ? inbound : [],
    routeNames: [...outbound, ...(isGood ? inbound.flatMap(({ filterChains }) => filterChains) : [])].flatMap(({ routes }) =>
      typeof routes === 'string' ? [routes] : [],
    ),
    inboundTableNames: isGood ? [...inboundTables.keys()] : [],
    extensionNames: isGood ? out.extensionNames : [],
    ...(out.catchAllCluster !== undefined && { catchAllCluster: out.catchAllCluster }),
    ...(out.rawPort !== undefined && { rawPort: out.rawPort }),
    secrets: isGood ? tls.secrets : [],
    secretNames: isGood ? tls.names : [],
  };
}

function routeTableMessage(name: string, bytes: Uint8Array, findings: Findings): Message | undefined {
  return messageFromWire(bytes, 'envoy.config.route.v3.RouteConfiguration', placeOfTable(name), findings);
}

/** A route configuration. */
export interface ReadRouteTable {
  readonly findings: ReceivedFindings;
  readonly value?: RouteTableConfig;
}

/**
 * Reads an `envoy.config.route.v3.RouteConfiguration`. `serves` says by its domains which virtual hosts are read; the others are
 * neither built nor checked.
 */
export function readRouteTable(
  bytes: Uint8Array,
  options: ReadOptions & { readonly serves?: (domains: readonly string[]) => boolean },
): ReadRouteTable {
  const findings = new Findings();
  const message = messageFromWire(bytes, 'envoy.config.route.v3.RouteConfiguration', '', findings);
  const value =
    message &&
    routeTableFrom(message, {
      ...(options.surroundings !== undefined && { surroundings: options.surroundings }),
      ...(options.serves !== undefined && { serves: options.serves }),
    });
  findings.reportUnread();
  return { findings, ...(value !== undefined && findings.problems.length === 0 && { value }) };
}

/** A cluster. */
export interface ReadCluster {
  readonly findings: ReceivedFindings;
  readonly value?: SelectableCluster;
  /** The resource that has its endpoints (EDS). */
  readonly endpointsName?: string;
  /** The server wants to know what it did (`lrs_server`). */
  readonly reportsLoad: boolean;
  /** Metrics of its endpoints that go with it (`lrs_report_endpoint_metrics`): by path, or `named_metrics.*`. */
  readonly loadMetrics: readonly string[];
  readonly secrets: readonly ReceivedSecret[];
  readonly secretNames: readonly SecretRef[];
}

/** Reads an `envoy.config.cluster.v3.Cluster`. */
export function readCluster(bytes: Uint8Array, options: ReadOptions): ReadCluster {
  const findings = new Findings();
  const message = messageFromWire(bytes, 'envoy.config.cluster.v3.Cluster', '', findings);
  const tls = new TlsSecrets('refuse', options.secretName);
  const cluster = message && clusterFrom(message, tls);
  findings.reportUnread();
  if (cluster === undefined || findings.problems.length > 0)
    return { findings, reportsLoad: false, loadMetrics: [], secrets: [], secretNames: [] };
  const value = options.adaptCluster?.(cluster.value) ?? cluster.value;
  const { discovery } = value;
  return {
    findings,
    value: { ...cluster, value },
    ...(discovery.kind === 'endpoints' && { endpointsName: discovery.name }),
    reportsLoad: message?.has('lrs_server') === true,
    loadMetrics: message?.texts('lrs_report_endpoint_metrics') ?? [],
    secrets: tls.secrets,
    secretNames: tls.names,
  };
}

/** A secret. */
export interface ReadSecret {
  readonly findings: ReceivedFindings;
  readonly value?: ReceivedSecret;
}

/** Reads an `envoy.extensions.transport_sockets.tls.v3.Secret`. */
export function readSecret(bytes: Uint8Array): ReadSecret {
  const findings = new Findings();
  const message = messageFromWire(bytes, 'envoy.extensions.transport_sockets.tls.v3.Secret', '', findings);
  const value = message && secretFrom(message);
  const reserved = reservedName(message?.name('name') ?? '');
  if (reserved !== undefined) message!.problem('name', reserved);
  findings.reportUnread();
  return { findings, ...(value !== undefined && findings.problems.length === 0 && { value }) };
}

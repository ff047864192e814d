/** The labels by which Istio names who called whom, as its proxies put them on the metrics of a client. Source: `istio_stats.cc`. */
import type { Attributes } from '@opentelemetry/api';
import type { WorkloadConfig } from '../model/workload.ts';
import type { Metadata, MetadataValue } from '../model/tls.ts';
import { otherName } from './bounded-names.ts';

/** The workload at the other end, as it said itself or as the control plane says; `''` = not known. */
export interface PeerWorkload {
  readonly name: string;
  readonly namespace: string;
  readonly canonicalName: string;
  readonly canonicalRevision: string;
  readonly app: string;
  readonly version: string;
  readonly clusterId: string;
  /** SPIFFE ID, where the connection proves none. */
  readonly identity: string;
}

/** Where a request went. */
export interface Destination {
  readonly cluster: string;
  readonly clusterMetadata: Metadata | undefined;
  readonly endpointMetadata: Metadata | undefined;
}

const unknown = 'unknown';

/** Clusters of Istio that stand for no service, and are named in its place. */
const namelessClusters: ReadonlySet<string> = new Set(['BlackHoleCluster', 'PassthroughCluster', 'InboundPassthroughCluster']);

/** Labels that say who the client is. */
export const sourceLabelNames = [
  'source_workload',
  'source_workload_namespace',
  'source_principal',
  'source_app',
  'source_version',
  'source_canonical_service',
  'source_canonical_revision',
  'source_cluster',
] as const;

/** Labels that say who answered. */
export const destinationLabelNames = [
  'destination_workload',
  'destination_workload_namespace',
  'destination_principal',
  'destination_app',
  'destination_version',
  'destination_service',
  'destination_service_name',
  'destination_service_namespace',
  'destination_canonical_service',
  'destination_canonical_revision',
  'destination_cluster',
] as const;

/** Who this process is. */
export function sourceLabels(own: WorkloadConfig, principal: string | undefined): Attributes {
  return {
    source_workload: known(own.name),
    source_workload_namespace: known(own.namespace),
    source_principal: known(principal),
    source_app: known(own.app),
    source_version: known(own.version),
    source_canonical_service: known(own.canonicalName),
    source_canonical_revision: own.canonicalRevision === '' ? 'latest' : own.canonicalRevision,
    source_cluster: known(own.clusterId),
  };
}

/** Who answered: what the peer said of itself, else what the control plane says of its endpoint; the service by the cluster, else by its host. */
export function destinationLabels(
  host: string,
  destination: Destination | undefined,
  said: PeerWorkload | undefined,
  principal: string | undefined,
): Attributes {
  const peer = said ?? workloadOfEndpoint(destination?.endpointMetadata);
  const proven = principal ?? said?.identity;
  const namespace = namespaceOf(proven) ?? peer?.namespace;
  const service = serviceOf(host, destination);
  return {
    destination_workload: known(peer?.name),
    destination_workload_namespace: known(namespace),
    destination_principal: known(proven),
    destination_app: known(peer?.app),
    destination_version: known(peer?.version),
    destination_service: known(service.host),
    destination_service_name: known(service.name),
    destination_service_namespace: known(service.namespace === '' ? namespace : service.namespace),
    destination_canonical_service: known(peer?.canonicalName),
    destination_canonical_revision: (peer?.canonicalRevision ?? '') === '' ? 'latest' : peer!.canonicalRevision,
    destination_cluster: known(peer?.clusterId),
  };
}

/** Who asked, at the server: what the peer said of itself, and what its certificate proves. */
export function peerSourceLabels(said: PeerWorkload | undefined, principal: string | undefined): Attributes {
  const proven = principal ?? said?.identity;
  return {
    source_workload: known(said?.name),
    source_workload_namespace: known(namespaceOf(proven) ?? said?.namespace),
    source_principal: known(proven),
    source_app: known(said?.app),
    source_version: known(said?.version),
    source_canonical_service: known(said?.canonicalName),
    source_canonical_revision: (said?.canonicalRevision ?? '') === '' ? 'latest' : said!.canonicalRevision,
    source_cluster: known(said?.clusterId),
  };
}

/** The service that a port of this process serves. */
export interface ServedName {
  readonly host: string;
  readonly name: string;
  /** `''` = that of the workload. */
  readonly namespace: string;
}

/** Who answered, at the server: this process. What its caller wrote as the host is no name of a service. */
export function ownDestinationLabels(
  own: WorkloadConfig,
  principal: string | undefined,
  service: ServedName | undefined,
): Attributes {
  return {
    destination_workload: known(own.name),
    destination_workload_namespace: known(own.namespace),
    destination_principal: known(principal),
    destination_app: known(own.app),
    destination_version: known(own.version),
    destination_service: known(service?.host),
    destination_service_name: known(service?.name),
    destination_service_namespace: known(service === undefined || service.namespace === '' ? own.namespace : service.namespace),
    destination_canonical_service: known(own.canonicalName),
    destination_canonical_revision: own.canonicalRevision === '' ? 'latest' : own.canonicalRevision,
    destination_cluster: known(own.clusterId),
  };
}

/** Instead of those beyond the cap. */
export const otherSource: Attributes = Object.fromEntries(sourceLabelNames.map((name) => [name, otherName]));

/** Instead of those beyond the cap. */
export const otherDestination: Attributes = Object.fromEntries(destinationLabelNames.map((name) => [name, otherName]));

function known(value: string | undefined): string {
  return value === undefined || value === '' ? unknown : value;
}

/** `metadata.istio.services[0]` of the cluster: host, name and namespace. */
function serviceOf(
  host: string,
  destination: Destination | undefined,
): { readonly host: string; readonly name: string; readonly namespace: string } {
  if (destination !== undefined && namelessClusters.has(destination.cluster))
    return { host, name: destination.cluster, namespace: '' };
  const services = recordAt(destination?.clusterMetadata?.['istio'])?.['services'];
  const first = Array.isArray(services) ? recordAt((services as readonly MetadataValue[])[0]) : undefined;
  if (first === undefined) return { host, name: host, namespace: '' };
  const serviceHost = textAt(first['host']) ?? host;
  return {
    host: serviceHost,
    name: textAt(first['name']) ?? serviceHost.slice(0, (serviceHost.indexOf('.') + 1 || serviceHost.length + 1) - 1),
    namespace: textAt(first['namespace']) ?? '',
  };
}

/** `metadata.istio.workload` of an endpoint: `name;namespace;canonical name;canonical revision;cluster`. */
function workloadOfEndpoint(metadata: Metadata | undefined): PeerWorkload | undefined {
  const parts = textAt(recordAt(metadata?.['istio'])?.['workload'])?.split(';');
  if (parts === undefined || parts.length < 5) return undefined;
  const [name = '', namespace = '', canonicalName = '', canonicalRevision = '', clusterId = ''] = parts;
  return { name, namespace, canonicalName, canonicalRevision, clusterId, app: '', version: '', identity: '' };
}

/** Of `spiffe://<domain>/ns/<namespace>/sa/<account>`. */
function namespaceOf(principal: string | undefined): string | undefined {
  const start = principal?.indexOf('/ns/') ?? -1;
  if (start === -1) return undefined;
  const rest = principal!.slice(start + '/ns/'.length);
  const end = rest.indexOf('/');
  const namespace = end === -1 ? rest : rest.slice(0, end);
  return namespace === '' ? undefined : namespace;
}

function recordAt(value: MetadataValue | undefined): Readonly<Record<string, MetadataValue>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, MetadataValue>>)
    : undefined;
}

function textAt(value: MetadataValue | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

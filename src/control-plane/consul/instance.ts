/** Reads one entry of a health answer. What comes from outside is looked at property by property; nothing is taken over unseen. */
import type { Locality } from '../../model/cluster.ts';
import type { Metadata, MetadataValue } from '../../model/tls.ts';

/** The worst of an instance's checks. */
export type CheckStatus = 'passing' | 'warning' | 'critical';

/** One registered instance. */
export interface Instance {
  readonly id: string;
  /** IP address or host name. */
  readonly address: string;
  readonly port: number;
  readonly status: CheckStatus;
  /** The weight of its status, 0 … 65 535. */
  readonly weight: number;
  readonly locality: Locality;
  readonly metadata: Metadata;
}

/** Reports a field that has no effect, or why the entry cannot be used. `field` is its path inside the entry. */
export type Report = (field: string, reason: string) => void;

/** Fields of a service that are used here, or that say nothing about how to reach it. Any other one is reported when it is set. */
const knownFields = new Set([
  'ID',
  'Service',
  'Kind',
  'Tags',
  'Address',
  'TaggedAddresses',
  'Meta',
  'Port',
  'Ports',
  'SocketPath',
  'Weights',
  'EnableTagOverride',
  'Locality',
  'Proxy',
  'Connect',
  'PeerName',
  'Namespace',
  'Partition',
  'Datacenter',
  'CreateIndex',
  'ModifyIndex',
]);

/** `Service.ID` of an entry, if it has one. */
export function instanceId(entry: unknown): string | undefined {
  return string(object(own(entry, 'Service')) ?? {}, 'ID');
}

/** Undefined, and reported, when the entry cannot be used. */
export function readInstance(entry: unknown, report: Report): Instance | undefined {
  const service = object(own(entry, 'Service'));
  const node = object(own(entry, 'Node')) ?? {};
  if (service === undefined) {
    report('.Service', 'is missing, so the instance is left out');
    return undefined;
  }
  const place = readAddress(service, node, report);
  if (place === undefined) return undefined;
  reportUnhonoured(service, report);
  const status = worstStatus(own(entry, 'Checks'), report);
  return {
    ...place,
    id: string(service, 'ID') ?? '',
    status,
    weight: readWeight(service, status, report),
    locality: readLocality(service, node),
    metadata: readMetadata(service, node, report),
  };
}

function readAddress(
  service: Readonly<Record<string, unknown>>,
  node: Readonly<Record<string, unknown>>,
  report: Report,
): { readonly address: string; readonly port: number } | undefined {
  // Source: Consul API, health: "Service.Address … if empty, Node.Address should be used".
  const address = (string(service, 'Address') ?? string(node, 'Address') ?? '').replace(/^\[(.*)\]$/, '$1');
  if (!/^[\w.:%-]{1,253}$/.test(address)) {
    report('.Service.Address', 'and Node.Address hold no IP address or host name, so the instance is left out');
    return undefined;
  }
  const port = readPort(service, report);
  if (port === undefined || port < 1 || port > 65_535) {
    report('.Service.Port', 'is not a port, so the instance is left out; register the service with one');
    return undefined;
  }
  return { address, port };
}

/** `Port`, or the default one of `Ports` (Consul 1.22). */
function readPort(service: Readonly<Record<string, unknown>>, report: Report): number | undefined {
  const port = integer(service, 'Port');
  const ports = own(service, 'Ports');
  if (!Array.isArray(ports) || ports.length === 0) return port;
  const candidates = (ports as unknown[]).map(object).filter((candidate) => candidate !== undefined);
  const chosen = candidates.find((candidate) => own(candidate, 'Default') === true) ?? candidates[0];
  if (ports.length > 1) report('.Service.Ports', 'only the default port is used');
  return port !== undefined && port > 0 ? port : chosen && integer(chosen, 'Port');
}

/** Any critical check makes the instance critical, any warning makes it warning. Source: Consul, `HealthChecks.AggregatedStatus`. */
function worstStatus(checks: unknown, report: Report): CheckStatus {
  let worst: CheckStatus = 'passing';
  for (const [position, check] of (Array.isArray(checks) ? (checks as unknown[]) : []).entries()) {
    const status = own(check, 'Status');
    if (status === 'passing') continue;
    if (status === 'warning') worst = worst === 'critical' ? worst : 'warning';
    else {
      worst = 'critical';
      if (status !== 'critical')
        report(`.Checks[${position}].Status`, 'is not passing, warning or critical, and counts as critical');
    }
  }
  return worst;
}

/** 1 where none is given. Source: Consul service definition, `weights`: default 1 and 1, at most 65 535. */
function readWeight(service: Readonly<Record<string, unknown>>, status: CheckStatus, report: Report): number {
  const weights = object(own(service, 'Weights'));
  if (weights === undefined) return 1;
  const name = status === 'warning' ? 'Warning' : 'Passing';
  const weight = integer(weights, name);
  const least = status === 'warning' ? 0 : 1;
  if (weight !== undefined && weight >= least && weight <= 65_535) return weight;
  report(`.Service.Weights.${name}`, `is not a whole number from ${least} to 65535, so 1 is used`);
  return 1;
}

/** `Locality` of the service, else of the node, else the node's metadata `region` and `zone`. */
function readLocality(service: Readonly<Record<string, unknown>>, node: Readonly<Record<string, unknown>>): Locality {
  const declared = object(own(service, 'Locality')) ?? object(own(node, 'Locality'));
  const meta = object(own(node, 'Meta')) ?? {};
  const region = declared === undefined ? string(meta, 'region') : string(declared, 'Region');
  const zone = declared === undefined ? string(meta, 'zone') : string(declared, 'Zone');
  return { ...(region !== undefined && { region }), ...(zone !== undefined && { zone }) };
}

/** `Service.Meta`, with `tags` and `dc` added. */
function readMetadata(
  service: Readonly<Record<string, unknown>>,
  node: Readonly<Record<string, unknown>>,
  report: Report,
): Metadata {
  const metadata = new Map<string, MetadataValue>();
  for (const [key, value] of Object.entries(object(own(service, 'Meta')) ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (key === '__proto__') report('.Service.Meta.__proto__', 'is not a name for metadata');
    else if (key === 'tags' || key === 'dc')
      report(`.Service.Meta.${key}`, `\`${key}\` of the metadata holds the instance's own ${key}`);
    else if (typeof value === 'string') metadata.set(key, value);
    else report(`.Service.Meta.${key}`, 'is not a string');
  }
  const tags = own(service, 'Tags');
  metadata.set('tags', Array.isArray(tags) ? (tags as unknown[]).filter((tag) => typeof tag === 'string') : []);
  const datacenter = string(node, 'Datacenter');
  if (datacenter !== undefined) metadata.set('dc', datacenter);
  return Object.fromEntries(metadata);
}

function reportUnhonoured(service: Readonly<Record<string, unknown>>, report: Report): void {
  const kind = string(service, 'Kind');
  if (kind !== undefined)
    report('.Service.Kind', `a "${kind}" expects mutual TLS of Consul's service mesh, which this source does not set up`);
  if (own(own(service, 'Connect'), 'Native') === true) {
    report(
      '.Service.Connect.Native',
      "the instance expects mutual TLS of Consul's service mesh, which this source does not set up",
    );
  }
  // A path says nothing on another machine, and a registrant must not choose which local socket a client opens.
  if (string(service, 'SocketPath') !== undefined)
    report('.Service.SocketPath', 'is not used: instances are reached by address and port');
  for (const [key, value] of Object.entries(service)) {
    if (!knownFields.has(key) && value !== null && value !== '' && value !== 0 && value !== false)
      report(`.Service.${key}`, 'is not known here');
  }
}

/** An own property: an inherited one is never configuration. */
function own(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Record<string, unknown>)[key]
    : undefined;
}

function object(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
}

function string(from: object, key: string): string | undefined {
  const value = own(from, key);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function integer(from: object, key: string): number | undefined {
  const value = own(from, key);
  return typeof value === 'number' && Number.isInteger(value) ? value : undefined;
}

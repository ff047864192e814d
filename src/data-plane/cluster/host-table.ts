/**
 * The hosts of a cluster by address and TLS identity: what is there under the same key stays the same object, with all that was
 * learnt of it.
 *
 * An update that shares most of its endpoints (`===`) with the one before is applied by its difference alone: what is the same at
 * both ends of a list is passed over, and only what lies between is looked up. Everything else is compared by key.
 */
import type { ClusterConfig, EndpointConfig, LocalityEndpoints } from '../../model/cluster.ts';
import type { HostObserver, LocalityShare } from '../../model/contracts.ts';
import type { UpstreamTls } from '../../model/tls.ts';
import type { ClusterCounters } from './cluster-load.ts';
import { isSameLocality, span } from './endpoint-span.ts';
import { hasMetadata } from './has-metadata.ts';
import { Host, addressOf } from './host.ts';

/** An endpoint whose address its source may not name. */
export interface RefusedEndpoint {
  readonly address: string;
  readonly reason: string;
}

/** What an update did to the hosts. */
export interface HostChanges {
  /** All hosts may be others, at other places: only who is gone is named. */
  readonly isWhole: boolean;
  readonly added: readonly Host[];
  /** Weight, health, metadata or something else of the endpoint is another; its priority and locality are not. */
  readonly changed: readonly Host[];
  readonly gone: readonly Host[];
  readonly refused: readonly RefusedEndpoint[];
}

/** Endpoints of one locality with their hosts; `undefined` where an endpoint has none of its own. */
interface Section {
  source: LocalityEndpoints;
  readonly share: LocalityShare | undefined;
  hosts: (Host | undefined)[];
}

/** Hosts that take the places of others in a section. */
interface Edit {
  readonly start: number;
  readonly count: number;
  readonly hosts: readonly Host[];
}

type RefusalOf = (address: string) => string | undefined;

export class HostTable {
  private readonly byKey = new Map<string, Host>();
  private makeObserver: ((host: Host) => HostObserver | undefined) | undefined = undefined;
  private counters: ClusterCounters | undefined = undefined;
  private config: ClusterConfig | undefined = undefined;
  private sections: readonly Section[] = [];
  /** Every endpoint has a host of its own, so that the difference of two lists is that of their hosts. */
  private isPlain = false;

  /** Another policy: what the one before learnt of the hosts means nothing to it. Undefined = it learns nothing. */
  observeBy(makeObserver: ((host: Host) => HostObserver | undefined) | undefined): void {
    this.makeObserver = makeObserver;
    for (const host of this.byKey.values()) {
      host.score = -1;
      host.observer = makeObserver?.(host);
    }
  }

  /** Counts what the hosts do from now on. */
  countLoad(counters: ClusterCounters): void {
    this.counters = counters;
    for (const host of this.byKey.values()) counters.place(host);
  }

  all(): Iterable<Host> {
    return this.byKey.values();
  }

  get size(): number {
    return this.byKey.size;
  }

  /** Puts endpoints in force. */
  update(config: ClusterConfig, localities: readonly LocalityEndpoints[], refusalOf: RefusalOf): HostChanges {
    const few = this.config === config ? this.updateFew(config, localities, refusalOf) : undefined;
    this.config = config;
    return few ?? this.updateAll(config, localities, refusalOf);
  }

  /** Takes all of them out. */
  clear(): readonly Host[] {
    const hosts = [...this.byKey.values()];
    this.byKey.clear();
    this.sections = [];
    this.isPlain = false;
    return hosts;
  }

  /** By the keys of all endpoints. One that is listed twice counts once: where its priority is the most preferred, then the first. */
  private updateAll(config: ClusterConfig, localities: readonly LocalityEndpoints[], refusalOf: RefusalOf): HostChanges {
    const seen = new Set<string>();
    const refused: RefusedEndpoint[] = [];
    const shares = sharesOf(config, localities);
    let endpointCount = 0;
    const hostsOf = ({ source, share }: Section): (Host | undefined)[] =>
      source.endpoints.map((endpoint) => {
        endpointCount++;
        const reason = refusalOf(endpoint.address);
        if (reason !== undefined) refused.push({ address: endpoint.address, reason });
        // Going around a tunnel would go around its mutual TLS.
        if (reason !== undefined || endpoint.tunnel !== undefined) return undefined;
        const tls = tlsOf(config, endpoint);
        const key = keyOf(endpoint, tls);
        if (seen.has(key)) return undefined;
        seen.add(key);
        const host = this.byKey.get(key) ?? this.create(key, endpoint, tls, source);
        this.place(host, endpoint, source, share);
        return host;
      });
    const sections = localities.map((source, index): Section => ({ source, share: shares?.[index], hosts: [] }));
    for (const section of sections.toSorted((a, b) => a.source.priority - b.source.priority)) section.hosts = hostsOf(section);
    this.sections = sections;
    this.isPlain = endpointCount === seen.size;
    const gone = [...this.byKey.values()].filter(({ key }) => !seen.has(key));
    for (const { key } of gone) this.byKey.delete(key);
    return { isWhole: true, added: [], changed: [], gone, refused };
  }

  /** By the difference to the endpoints before; undefined where that does not say enough. */
  private updateFew(
    config: ClusterConfig,
    localities: readonly LocalityEndpoints[],
    refusalOf: RefusalOf,
  ): HostChanges | undefined {
    const { sections } = this;
    if (!this.isPlain || localities.length !== sections.length) return undefined;
    if (!localities.every((source, index) => isSameLocality(source, sections[index]!.source))) return undefined;
    const changes = { isWhole: false, added: [] as Host[], changed: [] as Host[], gone: [] as Host[], refused: [] };
    const edits: Edit[] = [];
    for (const [index, source] of localities.entries()) {
      const edit = this.editOf(config, sections[index]!, source, refusalOf, changes);
      // A host has moved here from another locality, or its address is refused.
      if (edit === undefined) return undefined;
      edits.push(edit);
    }
    for (const { key } of changes.gone) this.byKey.delete(key);
    for (const [index, source] of localities.entries()) {
      sections[index]!.source = source;
      apply(edits[index]!, sections[index]!);
    }
    return changes;
  }

  private editOf(
    config: ClusterConfig,
    { source: before, share, hosts }: Section,
    source: LocalityEndpoints,
    refusalOf: RefusalOf,
    changes: { added: Host[]; changed: Host[]; gone: Host[] },
  ): Edit | undefined {
    const { start, end, endBefore } = span(before.endpoints, source.endpoints);
    const between: Host[] = [];
    const leaving = new Map<string, Host>();
    for (let index = start; index < endBefore; index++) leaving.set(hosts[index]!.key, hosts[index]!);
    for (let index = start; index < end; index++) {
      const endpoint = source.endpoints[index]!;
      const tls = tlsOf(config, endpoint);
      const key = keyOf(endpoint, tls);
      let host = leaving.get(key);
      if (host !== undefined) {
        leaving.delete(key);
        changes.changed.push(host);
      } else {
        if (this.byKey.has(key) || endpoint.tunnel !== undefined || refusalOf(endpoint.address) !== undefined) return undefined;
        host = this.create(key, endpoint, tls, source);
        changes.added.push(host);
      }
      this.place(host, endpoint, source, share);
      between.push(host);
    }
    for (const host of leaving.values()) changes.gone.push(host);
    return { start, count: endBefore - start, hosts: between };
  }

  private create(key: string, endpoint: EndpointConfig, tls: UpstreamTls | undefined, { locality }: LocalityEndpoints): Host {
    const host = new Host(key, endpoint, tls, locality);
    host.observer = this.makeObserver?.(host);
    this.byKey.set(key, host);
    return host;
  }

  /** What an endpoint says of its host. */
  private place(
    host: Host,
    endpoint: EndpointConfig,
    { locality, priority }: LocalityEndpoints,
    share: LocalityShare | undefined,
  ): void {
    host.endpoint = endpoint;
    host.locality = locality;
    host.priority = priority;
    host.share = share;
    host.weight = endpoint.weight ?? 1;
    host.isWithdrawn = endpoint.health === 'unhealthy' || endpoint.health === 'draining';
    this.counters?.place(host);
  }
}

/** In place, where the rest stays where it is: a list of 10,000 is not copied for one of them. */
function apply({ start, count, hosts }: Edit, section: Section): void {
  if (hosts.length === count) for (const [index, host] of hosts.entries()) section.hosts[start + index] = host;
  else if (hosts.length <= 1) section.hosts.splice(start, count, ...hosts);
  else section.hosts = section.hosts.slice(0, start).concat(hosts, section.hosts.slice(start + count));
}

/** The share of each locality in its priority, where localities are weighted; beside those with a weight one without gets nothing (Envoy). */
function sharesOf(
  { locality }: ClusterConfig,
  localities: readonly LocalityEndpoints[],
): readonly (LocalityShare | undefined)[] | undefined {
  if (locality?.mode !== 'weighted') return undefined;
  const totals = new Map<number, number>();
  for (const { priority, weight = 0 } of localities) totals.set(priority, (totals.get(priority) ?? 0) + weight);
  return localities.map(({ locality: { region, zone, subZone }, priority, weight = 0 }) => {
    const totalWeight = totals.get(priority)!;
    return totalWeight === 0 ? undefined : { locality: [region, zone, subZone].join('\0'), weight, totalWeight };
  });
}

function tlsOf({ tlsMatches, tls }: ClusterConfig, endpoint: EndpointConfig): UpstreamTls | undefined {
  return endpoint.tls ?? tlsMatches?.find((match) => hasMetadata(endpoint.metadata, match.metadata))?.tls ?? tls;
}

function keyOf({ address, port }: EndpointConfig, tls: UpstreamTls | undefined): string {
  return `${addressOf(address, port)}|${tlsKey(tls)}`;
}

const tlsKeys = new WeakMap<object, string>();

function tlsKey(tls: UpstreamTls | undefined): string {
  if (tls === undefined || tls.mode === 'disabled') return '';
  let key = tlsKeys.get(tls);
  if (key === undefined) tlsKeys.set(tls, (key = JSON.stringify(tls)));
  return key;
}

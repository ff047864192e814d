import type { LRUCache } from 'lru-cache';
import type { EndpointConfig, Locality } from '../../model/cluster.ts';
import type { UpstreamTls } from '../../model/tls.ts';
import type { HostObserver, LocalityShare, PickableHost } from '../../model/contracts.ts';
import type { SlowStart } from './slow-start.ts';
import type { LocalityCounter } from './cluster-load.ts';
import type { HostRecord } from './host-record.ts';
import type { HostConnections } from '../transport/host-connections.ts';

let hostsMade = 0;

/**
 * An endpoint as this process knows it: its connections, load and health. Keyed by address and TLS identity alone, so weights and
 * metadata change in place and nothing learnt is lost. Fields on the request path are initialised with their final type, so that
 * V8 keeps one shape (a double initialised as integer costs 15 times as much to update).
 */
export class Host implements PickableHost {
  /** Tells it from other hosts where objects cannot: in typed arrays. */
  readonly number: number;
  readonly key: string;
  readonly address: string;
  readonly ip: string;
  readonly port: number;
  readonly tls: UpstreamTls | undefined;
  weight = 1;
  endpoint: EndpointConfig;
  locality: Locality;
  priority = 0;
  /** In a cluster whose localities are weighted. */
  share: LocalityShare | undefined = undefined;
  inFlight = 0;
  /** Where its requests are counted; undefined while no source asks for that. */
  load: LocalityCounter | undefined = undefined;
  /** What the policy's observer noted for its picker; −1 = nothing. */
  score = -1;
  /** Finished attempts. */
  requests = 0;
  failures = 0;
  /** Smoothed time to response head in milliseconds; negative before the first. */
  latencyMs = -0.1;
  /** Who opened its breaker; undefined while it is closed. */
  openedBy: 'outlier' | 'circuit' | undefined = undefined;
  /** What detection keeps of it; undefined while nothing spoke against it. */
  record: HostRecord | undefined = undefined;
  /** What the policy of its cluster learns about it. */
  observer: HostObserver | undefined = undefined;
  /** Monotonic milliseconds of the last sign of life: a response head or a connection made. */
  lastHeardMs = 0.1;
  /** True while it takes less than its share: new (slow start) or suspected. The next three fields have a meaning then only. */
  isReduced = false;
  /** Share of its requests that suspicion leaves it, 0…1. */
  trustRatio = 0.1;
  /** Its slow start, until that is over, and the monotonic milliseconds from which it counts. */
  slowStart: SlowStart | undefined = undefined;
  slowStartMs = 0.1;
  /** True while its active health checks fail, or have not passed yet. */
  isFailedByCheck = false;
  /** True while its health check calls it degraded. */
  isDegraded = false;
  /** True since it may be picked: what it was when its cluster looked last. */
  isIn = false;
  /** True while the control plane calls it unhealthy or draining. */
  isWithdrawn = false;
  /** Monotonic milliseconds of the end of the ejection, for `status()`. */
  outUntilMs = 0.1;
  /** True once the control plane dropped it: it finishes what it has. */
  isRemoved = false;
  /** Connections of the usual kind; those for gRPC where that is another kind; others (HTTP/1.1 only, TLS asked for by the URL) by name. */
  connections: HostConnections | undefined = undefined;
  http2Connections: HostConnections | undefined = undefined;
  otherConnections: LRUCache<string, HostConnections> | undefined = undefined;

  constructor(key: string, endpoint: EndpointConfig, tls: UpstreamTls | undefined, locality: Locality) {
    this.number = hostsMade++;
    this.key = key;
    this.endpoint = endpoint;
    this.ip = endpoint.address;
    this.port = endpoint.port;
    this.address = endpoint.port === 0 ? endpoint.address : addressOf(endpoint.address, endpoint.port);
    this.tls = tls;
    this.weight = endpoint.weight ?? 1;
    this.locality = locality;
  }

  /** Key of the endpoint for hashing policies, by its metadata. Source: Envoy `hash_key` in `envoy.lb`, gRFC A76. */
  get hashKey(): string | undefined {
    const key = this.endpoint.metadata?.['hash_key'];
    return typeof key === 'string' ? key : undefined;
  }

  get hostname(): string | undefined {
    return this.endpoint.hostname;
  }

  /** Why the host is out; undefined while it may be picked. */
  get out(): 'outlier' | 'circuit' | 'control-plane' | 'health-check' | undefined {
    return this.isWithdrawn ? 'control-plane' : this.isFailedByCheck ? 'health-check' : this.openedBy;
  }

  /** What it is good for: degraded hosts serve when the healthy ones do not suffice (Envoy). */
  get availability(): 'healthy' | 'degraded' | 'out' {
    if (this.out !== undefined) return 'out';
    return this.isDegraded || this.endpoint.health === 'degraded' ? 'degraded' : 'healthy';
  }

  /** A response head came after so long. */
  recordLatency(elapsedMs: number): void {
    this.requests++;
    this.latencyMs = this.latencyMs < 0 ? elapsedMs : this.latencyMs + 0.1 * (elapsedMs - this.latencyMs);
  }

  /** Whether it was ever sent to. */
  get hasConnections(): boolean {
    return this.connections !== undefined || this.http2Connections !== undefined || this.otherConnections !== undefined;
  }

  /** Every stack of connections it has. */
  *allConnections(): Generator<HostConnections> {
    if (this.connections !== undefined) yield this.connections;
    if (this.http2Connections !== undefined) yield this.http2Connections;
    if (this.otherConnections !== undefined) yield* this.otherConnections.values();
  }
}

/** `address:port`, with brackets around IPv6. */
export function addressOf(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

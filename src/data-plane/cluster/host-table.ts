import type { ClusterConfig, EndpointConfig, LocalityEndpoints } from '../../model/cluster.ts';
import type { HostObserver, LocalityShare } from '../../model/contracts.ts';
import type { UpstreamTls } from '../../model/tls.ts';
import { Host, addressOf } from './host.ts';
import { hasMetadata } from './host-group.ts';

/** An endpoint whose address its source may not name. */
export interface RefusedEndpoint {
  readonly address: string;
  readonly reason: string;
}

/** The hosts of a cluster by address and TLS identity: what is there under the same key stays the same object. */
export class HostTable {
  private readonly byKey = new Map<string, Host>();
  private makeObserver: (() => HostObserver | undefined) | undefined = undefined;

  /** Another policy: what the one before learnt of the hosts means nothing to it. Undefined = it learns nothing. */
  observeBy(makeObserver: (() => HostObserver | undefined) | undefined): void {
    this.makeObserver = makeObserver;
    for (const host of this.byKey.values()) host.observer = makeObserver?.();
  }

  get size(): number {
    return this.byKey.size;
  }

  all(): Iterable<Host> {
    return this.byKey.values();
  }

  /** Puts endpoints in force. Returns who is gone, and who was refused. */
  update(
    config: ClusterConfig,
    localities: readonly LocalityEndpoints[],
    refusalOf: (address: string) => string | undefined,
  ): { readonly gone: readonly Host[]; readonly refused: readonly RefusedEndpoint[] } {
    const seen = new Set<string>();
    const refused: RefusedEndpoint[] = [];
    const shares = sharesOf(config, localities);
    for (const [index, { locality, priority, endpoints }] of localities.entries()) {
      for (const endpoint of endpoints) {
        const reason = refusalOf(endpoint.address);
        if (reason !== undefined) {
          refused.push({ address: endpoint.address, reason });
          continue;
        }
        // Going around a tunnel would go around its mutual TLS.
        if (endpoint.tunnel !== undefined) continue;
        const tls = tlsOf(config, endpoint);
        const key = `${addressOf(endpoint.address, endpoint.port)}|${tlsKey(tls)}`;
        seen.add(key);
        let host = this.byKey.get(key);
        if (host === undefined) {
          host = new Host(key, endpoint, tls, locality);
          host.observer = this.makeObserver?.();
          this.byKey.set(key, host);
        }
        host.endpoint = endpoint;
        host.locality = locality;
        host.priority = priority;
        host.share = shares?.[index];
        host.weight = endpoint.weight ?? 1;
        host.isWithdrawn = endpoint.health === 'unhealthy' || endpoint.health === 'draining';
      }
    }
    const gone = [...this.byKey].filter(([key]) => !seen.has(key));
    for (const [key] of gone) this.byKey.delete(key);
    return { gone: gone.map(([, host]) => host), refused };
  }

  /** Takes all of them out. */
  clear(): readonly Host[] {
    const hosts = [...this.byKey.values()];
    this.byKey.clear();
    return hosts;
  }
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

const tlsKeys = new WeakMap<object, string>();

function tlsKey(tls: UpstreamTls | undefined): string {
  if (tls === undefined || tls.mode === 'disabled') return '';
  let key = tlsKeys.get(tls);
  if (key === undefined) tlsKeys.set(tls, (key = JSON.stringify(tls)));
  return key;
}

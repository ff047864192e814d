/**
 * Tells the peers of a mesh who this workload is, and hears who they are, as Istio's proxies do for each other: by request and response
 * headers, which neither program sees. Clusters of other sources, and those that Istio calls external, are told nothing.
 */
import { LRUCache } from 'lru-cache';
import type { ControlPlane } from '../../model/contracts.ts';
import type { WorkloadConfig } from '../../model/workload.ts';
import type { PeerWorkload } from '../../telemetry/workload-labels.ts';
import type { Attempt } from '../attempt.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { ResponseHeaders } from '../routing/edit-request.ts';
import type { SendOptions } from '../send-options.ts';
import { peerMetadataOf, peerWorkloadFrom } from './peer-metadata.ts';

const metadataHeader = 'x-envoy-peer-metadata';
const idHeader = 'x-envoy-peer-metadata-id';
/** Source: istio/proxy, `max_peer_cache_size_`. */
const maxPeers = 500;

/** Headers that say who this workload is. */
export interface OwnHeaders {
  readonly id: string;
  readonly metadata: string;
}

/** The peers of the clusters of one source. */
export class WorkloadPeers {
  private readonly source: string;
  private readonly workload: NonNullable<ControlPlane['workload']>;
  private told: WorkloadConfig | undefined = undefined;
  private own: OwnHeaders | undefined = undefined;
  private readonly known = new LRUCache<string, { readonly metadata: string; readonly workload: PeerWorkload | undefined }>({
    max: maxPeers,
  });

  constructor(source: string, workload: NonNullable<ControlPlane['workload']>) {
    this.source = source;
    this.workload = workload;
  }

  /** What a request to this cluster says of us; undefined = nothing. */
  headersFor(cluster: Cluster): OwnHeaders | undefined {
    return cluster.source === this.source && exchangesMetadata(cluster) ? this.ownHeaders() : undefined;
  }

  /** Puts them on a request, in the place of those that the program may have handed on. */
  tell(own: OwnHeaders, send: SendOptions): void {
    send.setHeader(metadataHeader, own.metadata);
    send.setHeader(idHeader, own.id);
  }

  /** Hears what a response says of the peer; returns the headers without that where there is something, else undefined. */
  hear({ cluster, call, peer }: Attempt, headers: ResponseHeaders): ResponseHeaders | undefined {
    const exchange = call.span?.exchange;
    exchange?.ended(headers['grpc-status']);
    if (cluster.source !== this.source) return undefined;
    const metadata = headers[metadataHeader];
    const id = headers[idHeader];
    if (exchange !== undefined) {
      if (typeof metadata === 'string') exchange.peer = this.peerOf(typeof id === 'string' ? id : '', metadata);
      exchange.peerPrincipal = peer?.identity.spiffeId;
      exchange.ownPrincipal = peer?.ownId;
    }
    if (metadata === undefined && id === undefined) return undefined;
    const { [metadataHeader]: _metadata, [idHeader]: _id, ...others } = headers;
    return others;
  }

  private peerOf(id: string, metadata: string): PeerWorkload | undefined {
    const known = id === '' ? undefined : this.known.get(id);
    if (known?.metadata === metadata) return known.workload;
    const workload = peerWorkloadFrom(metadata);
    if (id !== '') this.known.set(id, { metadata, workload });
    return workload;
  }

  private ownHeaders(): OwnHeaders | undefined {
    const current = this.workload.current();
    if (current !== this.told) {
      this.told = current;
      const id = current?.nodeId;
      this.own = current === undefined || id === undefined ? undefined : { id, metadata: peerMetadataOf(current) };
    }
    return this.own;
  }
}

/** Source: istio/proxy `skipMXHeaders`, with `skip_external_clusters` as istiod sends it to sidecars. */
function exchangesMetadata({ name, config: { metadata } }: Cluster): boolean {
  if (name === 'PassthroughCluster') return false;
  const istio = metadata?.['istio'];
  if (typeof istio !== 'object' || istio === null || Array.isArray(istio)) return true;
  const { external, disable_mx: isOff } = istio as Readonly<Record<string, unknown>>;
  return external !== true && isOff !== true;
}

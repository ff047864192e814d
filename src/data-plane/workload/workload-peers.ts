/**
 * Tells the peers of a mesh who this workload is, and hears who they are, as Istio's proxies do for each other: by request and response
 * headers, which neither program sees. Clusters of other sources, and those that Istio calls external, are told nothing.
 */
import type { ControlPlane } from '../../model/contracts.ts';
import type { Attempt } from '../attempt.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { ResponseHeaders } from '../routing/edit-request.ts';
import type { SendOptions } from '../send-options.ts';
import { idHeader, KnownWorkloads, metadataHeader, type OwnHeaders } from './known-workloads.ts';

/** The peers of the clusters of one source. */
export class WorkloadPeers {
  private readonly source: string;
  readonly known: KnownWorkloads;

  constructor(source: string, workload: NonNullable<ControlPlane['workload']>) {
    this.source = source;
    this.known = new KnownWorkloads(workload);
  }

  /** What a request to this cluster says of us; undefined = nothing. */
  headersFor(cluster: Cluster): OwnHeaders | undefined {
    return cluster.source === this.source && exchangesMetadata(cluster) ? this.known.ownHeaders() : undefined;
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
      if (typeof metadata === 'string') exchange.peer = this.known.peerOf(typeof id === 'string' ? id : '', metadata);
      exchange.peerPrincipal = peer?.identity.spiffeId;
      exchange.ownPrincipal = peer?.ownId;
    }
    if (metadata === undefined && id === undefined) return undefined;
    const { [metadataHeader]: _metadata, [idHeader]: _id, ...others } = headers;
    return others;
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

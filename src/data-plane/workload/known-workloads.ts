/** Who this workload is, as peers are told, and who they said that they are. One for both ways of a mesh. */
import { LRUCache } from 'lru-cache';
import type { ControlPlane } from '../../model/contracts.ts';
import type { WorkloadConfig } from '../../model/workload.ts';
import type { PeerWorkload } from '../../telemetry/workload-labels.ts';
import { peerMetadataOf, peerWorkloadFrom } from './peer-metadata.ts';

/** Source: istio/proxy, `max_peer_cache_size_`. */
const maxPeers = 500;

/** Header with what a workload says of itself. */
export const metadataHeader = 'x-envoy-peer-metadata';
/** Header with its name, by which what it said is known again. */
export const idHeader = 'x-envoy-peer-metadata-id';

/** Headers that say who this workload is. */
export interface OwnHeaders {
  readonly id: string;
  readonly metadata: string;
}

/** The workloads of one source. */
export class KnownWorkloads {
  private readonly workload: NonNullable<ControlPlane['workload']>;
  private told: WorkloadConfig | undefined = undefined;
  private own: OwnHeaders | undefined = undefined;
  private readonly known = new LRUCache<string, { readonly metadata: string; readonly workload: PeerWorkload | undefined }>({
    max: maxPeers,
  });

  constructor(workload: NonNullable<ControlPlane['workload']>) {
    this.workload = workload;
  }

  /** What the headers of a peer say; undefined for what cannot be read. `id` may be empty. */
  peerOf(id: string, metadata: string): PeerWorkload | undefined {
    const known = id === '' ? undefined : this.known.get(id);
    if (known?.metadata === metadata) return known.workload;
    const workload = peerWorkloadFrom(metadata);
    if (id !== '') this.known.set(id, { metadata, workload });
    return workload;
  }

  /** What peers are told; undefined = nothing, while this workload has no name. */
  ownHeaders(): OwnHeaders | undefined {
    const current = this.workload.current();
    if (current !== this.told) {
      this.told = current;
      const id = current?.nodeId;
      this.own = current === undefined || id === undefined ? undefined : { id, metadata: peerMetadataOf(current) };
    }
    return this.own;
  }
}

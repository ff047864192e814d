/**
 * What passes between the stream to an xDS server and the source that keeps resources. The stream knows requests, versions, nonces and
 * back-off and nothing of what is in a resource; the source knows resources and nothing of how they travel, so that state-of-the-world
 * and incremental (delta) servers look the same to it.
 */
import type { ControlPlaneStatus } from '../../../model/contracts.ts';

/** Full type URL of a kind of resource, such as {@link typeUrls.cluster}. */
export type TypeUrl = string;

/** Those that are subscribed to here. */
export const typeUrls = {
  listener: 'type.googleapis.com/envoy.config.listener.v3.Listener',
  routeConfiguration: 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
  cluster: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  endpoints: 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
  secret: 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret',
  extension: 'type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig',
} as const satisfies Readonly<Record<string, TypeUrl>>;

/** One resource as it came over the wire. */
export interface ReceivedResource {
  /** From the wrapper, or read from field 1 of the resource, which is the name in every kind that is subscribed to. */
  readonly name: string;
  readonly version: string;
  /** The resource itself, out of its `Any`. Not copied: whoever keeps it for long copies it, else it holds the whole response. */
  readonly bytes: Uint8Array;
}

/** A response of the server about one kind. */
export interface AdsResponse {
  readonly typeUrl: TypeUrl;
  readonly version: string;
  /** Whether what is not in it does not exist: state-of-the-world responses about listeners and clusters. */
  readonly isWhole: boolean;
  readonly resources: readonly ReceivedResource[];
  /** Names that the server says are gone (delta). */
  readonly removed: readonly string[];
  /** Parts of the response that are no resource of this kind (other type URL, garbage): refused already, for the report. */
  readonly broken: readonly RefusedResource[];
}

/** A resource that is refused: the response is answered with a NACK that says so. */
export interface RefusedResource {
  /** `''` where it could not be read. */
  readonly name: string;
  readonly reason: string;
}

/** Who hears what the stream brings. Responses come one at a time: the next one waits until the promise of the last is settled. */
export interface AdsListener {
  /** Checks and keeps the resources; the refused ones make the answer a NACK with all of their reasons. */
  onResponse(response: AdsResponse): Promise<readonly RefusedResource[]>;
  /** The server has no such resource: its time ran out while connected, or it said so. */
  onAbsent(typeUrl: TypeUrl, name: string, reason: string): void;
  onStatus(status: ControlPlaneStatus): void;
}

/** The subscriptions and the stream that carries them. */
export interface AdsClient {
  /** Connects, resubscribes after each loss with what is known, falls back and returns; resolves when the signal aborts. */
  run(listener: AdsListener, signal: AbortSignal): Promise<void>;
  /** Subscribes to a resource by name, or to all of a kind with `'*'`. Idempotent; may be called before `run`. Sent at the next turn, names together. */
  subscribe(typeUrl: TypeUrl, name: string): void;
  /** Ends a subscription. What it brought is taken for thrown away: wanted again, even in the same turn, it is sent again. */
  unsubscribe(typeUrl: TypeUrl, name: string): void;
  /**
   * These are in use although no server has sent them, as they come from the disk. An incremental server is told their names, so that
   * it says which of them are gone; they are awaited all the same. Told before the subscriptions to their names, as far as there are any.
   */
  restored(typeUrl: TypeUrl, names: Iterable<string>): void;
}

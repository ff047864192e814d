import type { ReceivedResource, TypeUrl } from './contract.ts';
import type { DiscoveryResponse } from './discovery-responses.ts';

/** How an xDS server is spoken to: whole lists of names, or changes. */
export type XdsVariant = 'state-of-the-world' | 'delta';

/** What is said on one stream: made anew for each, since nonces and what the server knows end with it. */
export interface StreamProtocol {
  readonly variant: XdsVariant;
  /** Method of the stream. */
  readonly path: string;
  /** Tells what is wanted of a kind; undefined = the server knows. */
  request(typeUrl: TypeUrl): Uint8Array | undefined;
  /** Must be told of each response before it is answered. False = nothing of the kind is wanted: the response is dismissed. */
  receive(response: DiscoveryResponse): boolean;
  /** ACK, or with an error NACK, together with what is wanted now; undefined = nothing is to be said. */
  answer(response: DiscoveryResponse, accepted: readonly ReceivedResource[], error: string | undefined): Uint8Array | undefined;
  /** A resource that was subscribed to is no longer: should it be wanted again, it must be sent again. */
  lose(typeUrl: TypeUrl): void;
  /** What a response that nobody wants is answered with. */
  dismiss(response: DiscoveryResponse): Uint8Array | undefined;
}

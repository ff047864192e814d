import type { ReceivedResource, TypeUrl } from './contract.ts';
import type { DiscoveryResponse } from './discovery-responses.ts';

/** How an xDS server is spoken to: whole lists of names, or changes. */
export type XdsVariant = 'state-of-the-world' | 'delta';

/** What is said on one stream: made anew for each, since nonces and what the server knows end with it. */
export interface StreamProtocol {
  readonly variant: XdsVariant;
  /** Method of the stream. */
  readonly path: string;
  /** Tells what is wanted of a kind, in one request or in several; undefined = the server knows. */
  request(typeUrl: TypeUrl): Uint8Array | undefined;
  /** Must be told of each response before it is answered. False = nothing of the kind is wanted: the response is dismissed. */
  receive(response: DiscoveryResponse): boolean;
  /** Notes what was accepted of a response. Its answer may be held back, or never be sent. */
  checked(response: DiscoveryResponse, accepted: readonly ReceivedResource[]): void;
  /** ACK, or with an error NACK; undefined = nothing is to be said. What the server has to be told beside it, `request` gives then. */
  answer(response: DiscoveryResponse, error: string | undefined): Uint8Array | undefined;
  /** What was subscribed to by this name is thrown away: should it be wanted again, it must be sent again. */
  lose(typeUrl: TypeUrl, name: string): void;
  /** What a response that nobody wants is answered with. */
  dismiss(response: DiscoveryResponse): Uint8Array | undefined;
}

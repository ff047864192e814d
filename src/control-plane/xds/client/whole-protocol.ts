/**
 * State of the world: each request names everything that is wanted of a kind, and is at once the answer to the latest response.
 * Source: https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol, with these consequences:
 * - The nonce of a kind is kept for the life of the stream, also while nothing of the kind is wanted: a request with an older nonce is
 *   stale, and servers leave it unanswered.
 * - While a response is checked, a change of names waits: sent before, it would bear the nonce of a response that it does not answer.
 * - An empty list of names means everything only if no name was ever sent on the stream, and only for listeners and clusters. It is
 *   used then (older servers know no `*`); later `*` is said.
 * - `version_info` claims that everything wanted is here. On a new stream it is left out when something is awaited, since a server may
 *   keep silent to whoever has the latest version; and it is dropped when the last name of a kind is, since nothing is kept.
 */
import type { TypeUrl } from './contract.ts';
import { discoveryRequest } from './discovery-requests.ts';
import type { ServerMemory } from './server-memory.ts';
import type { StreamProtocol } from './stream-protocol.ts';
import { everything, isComplete, wholeTypes, type Subscriptions } from './subscriptions.ts';

interface TypeOnStream {
  nonce: string;
  /** Undefined = no request was sent. */
  sent: readonly string[] | undefined;
  /** Whether a request with names was sent, so that an empty one means none. */
  hasNamed: boolean;
  /** A response is being checked. */
  isBusy: boolean;
  /** The server believes that we have what we threw away: it must be asked again, even for the same names. */
  isStale: boolean;
}

/** The protocol of one stream. */
export function createWholeProtocol(subscriptions: Subscriptions, memory: ServerMemory, node: Uint8Array): StreamProtocol {
  const types = new Map<TypeUrl, TypeOnStream>();
  let isFirst = true;
  const typeOnStream = (typeUrl: TypeUrl): TypeOnStream => {
    const known = types.get(typeUrl);
    if (known !== undefined) return known;
    const fresh: TypeOnStream = { nonce: '', sent: undefined, hasNamed: false, isBusy: false, isStale: false };
    types.set(typeUrl, fresh);
    return fresh;
  };

  /** Undefined = there is nothing that could be said. */
  const names = (typeUrl: TypeUrl, state: TypeOnStream): readonly string[] | undefined => {
    const { wanted } = subscriptions.of(typeUrl);
    if (wanted.size === 0) return state.hasNamed ? [] : undefined;
    if (wanted.size === 1 && wanted.has(everything) && !state.hasNamed && wholeTypes.has(typeUrl)) return [];
    return [...wanted];
  };

  const write = (typeUrl: TypeUrl, state: TypeOnStream, list: readonly string[], error?: string): Uint8Array => {
    const subscription = subscriptions.of(typeUrl);
    if (subscription.wanted.size === 0 || (state.sent === undefined && !isComplete(subscription)))
      memory.versions.delete(typeUrl);
    state.sent = list;
    state.isStale = false;
    if (list.length > 0) state.hasNamed = true;
    const request = discoveryRequest({
      typeUrl,
      version: memory.versions.get(typeUrl) ?? '',
      names: list,
      nonce: state.nonce,
      ...(isFirst && { node }),
      ...(error !== undefined && { error }),
    });
    isFirst = false;
    return request;
  };

  const request = (typeUrl: TypeUrl): Uint8Array | undefined => {
    const state = typeOnStream(typeUrl);
    if (state.isBusy) return undefined;
    const list = names(typeUrl, state);
    if (list === undefined) {
      // Everything was asked for by an empty list, which cannot be taken back.
      if (state.sent !== undefined) discard(typeUrl, state);
      return undefined;
    }
    if (state.sent !== undefined && !state.isStale && isSame(state.sent, list)) return undefined;
    return write(typeUrl, state, list);
  };

  const discard = (typeUrl: TypeUrl, state: TypeOnStream): void => {
    state.isStale = true;
    memory.versions.delete(typeUrl);
  };

  return {
    variant: 'state-of-the-world',
    path: '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources',
    request,
    receive(response) {
      const state = typeOnStream(response.typeUrl);
      state.nonce = response.nonce;
      state.isBusy = subscriptions.of(response.typeUrl).wanted.size > 0;
      return state.isBusy;
    },
    answer(response, _accepted, error) {
      const { typeUrl } = response;
      const state = typeOnStream(typeUrl);
      state.isBusy = false;
      if (subscriptions.of(typeUrl).wanted.size === 0) return request(typeUrl);
      if (state.isStale) memory.versions.delete(typeUrl);
      else if (error === undefined) memory.versions.set(typeUrl, response.version);
      return write(typeUrl, state, names(typeUrl, state) ?? [], error);
    },
    lose(typeUrl) {
      const state = typeOnStream(typeUrl);
      if (state.isBusy) state.isStale = true;
    },
    dismiss(response) {
      discard(response.typeUrl, typeOnStream(response.typeUrl));
      return undefined;
    },
  };
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  if (one.length !== other.length) return false;
  const names = new Set(one);
  return other.every((name) => names.has(name));
}

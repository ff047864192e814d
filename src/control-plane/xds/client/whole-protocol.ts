/**
 * State of the world: each request names everything that is wanted of a kind, and is at once the answer to the latest response.
 * Source: https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol, with these consequences:
 * - The nonce of a kind is kept for the life of the stream, also while nothing of the kind is wanted: a request with an older nonce is
 *   stale, and servers leave it unanswered.
 * - While a response is checked, a change of names waits: sent before, it would bear the nonce of a response that it does not answer.
 * - An empty list of names means everything only if no name was ever sent on the stream, and only for listeners and clusters. It is
 *   used then (older servers know no `*`); later `*` is said.
 * - A name that was thrown away and is wanted again takes a request without it and one with it: Istiod compares names. Both are stale
 *   when a response was on its way, so that they are said once more in its answer.
 * - Istiod reads no names in a NACK: where they changed, they are said again without the error.
 * - `version_info` claims that everything wanted is here. On a new stream it is left out when something is awaited, since a server may
 *   keep silent to whoever has the latest version; and it is dropped when the last name of a kind is, since nothing is kept.
 */
import type { TypeUrl } from './contract.ts';
import { discoveryRequest } from './discovery-requests.ts';
import type { DiscoveryResponse } from './discovery-responses.ts';
import type { ServerMemory } from './server-memory.ts';
import type { StreamProtocol } from './stream-protocol.ts';
import { everything, isAwaited, isComplete, wholeTypes, type Subscription, type Subscriptions } from './subscriptions.ts';

interface TypeOnStream {
  nonce: string;
  /** Undefined = no request was sent. */
  sent: ReadonlySet<string> | undefined;
  /** Whether a request with names was sent, so that an empty one means none. */
  hasNamed: boolean;
  /** A response is being checked. */
  isBusy: boolean;
  /** The server believes that we have what we threw away: it must be asked again, even for the same names. */
  isStale: boolean;
  /** Names that were sent, and whose resources were thrown away since. */
  readonly lost: Set<string>;
  /** Names that were left with the nonce of now: a response that is on its way makes the server deaf to it. */
  readonly leaving: Set<string>;
  /** Those that are left a second time, and not a third. */
  readonly repeated: Set<string>;
}

/** The protocol of one stream. */
export function createWholeProtocol(subscriptions: Subscriptions, memory: ServerMemory, node: Uint8Array): StreamProtocol {
  const types = new Map<TypeUrl, TypeOnStream>();
  let isFirst = true;
  const typeOnStream = (typeUrl: TypeUrl): TypeOnStream => {
    const known = types.get(typeUrl);
    if (known !== undefined) return known;
    const fresh: TypeOnStream = {
      nonce: '',
      sent: undefined,
      hasNamed: false,
      isBusy: false,
      isStale: false,
      lost: new Set(),
      leaving: new Set(),
      repeated: new Set(),
    };
    types.set(typeUrl, fresh);
    return fresh;
  };

  /** Undefined = there is nothing that could be said. */
  const names = (typeUrl: TypeUrl, state: TypeOnStream): readonly string[] | undefined => {
    const list = [...subscriptions.of(typeUrl).wanted].filter((name) => !state.lost.has(name));
    if (list.length === 0) return state.hasNamed ? [] : undefined;
    if (list.length === 1 && list[0] === everything && !state.hasNamed && wholeTypes.has(typeUrl)) return [];
    return list;
  };

  const write = (typeUrl: TypeUrl, state: TypeOnStream, list: readonly string[], error?: string): Uint8Array => {
    const subscription = subscriptions.of(typeUrl);
    if (subscription.wanted.size === 0 || (state.nonce === '' && !isComplete(subscription))) memory.versions.delete(typeUrl);
    if (error === undefined) told(state, list);
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

  const told = (state: TypeOnStream, list: readonly string[]): void => {
    const names = new Set(list);
    for (const name of state.sent ?? []) if (!names.has(name) && !state.repeated.has(name)) state.leaving.add(name);
    state.sent = names;
    state.isStale = false;
    state.lost.clear();
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

  /** The server sent this before it read, or without having read, that names were left: those that it still has to send. */
  const leaveAgain = (state: TypeOnStream, subscription: Subscription, { resources }: DiscoveryResponse): void => {
    const brought = new Set(resources.map(({ name }) => name));
    for (const name of state.leaving) {
      if (!state.sent?.has(name) || brought.has(name) || !isAwaited(subscription, name)) continue;
      state.lost.add(name);
      state.repeated.add(name);
    }
    state.leaving.clear();
  };

  return {
    variant: 'state-of-the-world',
    path: '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources',
    request,
    receive(response) {
      const state = typeOnStream(response.typeUrl);
      const subscription = subscriptions.of(response.typeUrl);
      state.nonce = response.nonce;
      state.isBusy = subscription.wanted.size > 0;
      state.repeated.clear();
      if (state.leaving.size > 0) leaveAgain(state, subscription, response);
      return state.isBusy;
    },
    checked: () => {},
    answer(response, error) {
      const { typeUrl } = response;
      const state = typeOnStream(typeUrl);
      state.isBusy = false;
      if (subscriptions.of(typeUrl).wanted.size === 0) return request(typeUrl);
      if (state.isStale) memory.versions.delete(typeUrl);
      else if (error === undefined) memory.versions.set(typeUrl, response.version);
      return write(typeUrl, state, names(typeUrl, state) ?? [], error);
    },
    lose(typeUrl, name) {
      const state = typeOnStream(typeUrl);
      if (state.isBusy) state.isStale = true;
      if (state.sent?.has(name)) state.lost.add(name);
      else if (name === everything && state.sent !== undefined && !state.hasNamed) discard(typeUrl, state);
    },
    dismiss(response) {
      discard(response.typeUrl, typeOnStream(response.typeUrl));
      return undefined;
    },
  };
}

function isSame(names: ReadonlySet<string>, list: readonly string[]): boolean {
  return names.size === list.length && list.every((name) => names.has(name));
}

/**
 * Incremental (delta): requests name what changed, and a response has only resources that changed. Every response is answered, also
 * one of a kind that is no longer wanted; a request that answers nothing has no nonce.
 * Source: https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#incremental-xds, with these consequences:
 * - The first request of a kind on a stream names the versions of what is here already, so that the server sends only what differs and
 *   says what is gone. What came from elsewhere (another server, the disk) has a version there that the server cannot know.
 * - Without names it asks for everything (listeners and clusters; older servers know no `*`). Once a name joins, `*` is said as well:
 *   the empty list no longer counts then.
 * - Names never ride on an answer: Istiod reads none in a NACK, and none in the answer to what is not its latest response.
 * - A name that was thrown away and is wanted again is unsubscribed from and subscribed to in two requests, since Istiod compares names.
 */
import type { TypeUrl } from './contract.ts';
import { deltaDiscoveryRequest } from './discovery-requests.ts';
import type { ServerMemory } from './server-memory.ts';
import type { StreamProtocol } from './stream-protocol.ts';
import { everything, wants, wholeTypes, type Subscription, type Subscriptions } from './subscriptions.ts';

interface TypeOnStream {
  /** Names that the server knows to be wanted. */
  readonly sent: Set<string>;
  /** Those of them whose resources were thrown away. */
  readonly lost: Set<string>;
  /** Everything was asked for by naming nothing. */
  isImplicit: boolean;
  isStarted: boolean;
}

interface Change {
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
  readonly initialVersions?: ReadonlyMap<string, string>;
}

const noChange: Change = { subscribe: [], unsubscribe: [] };
/** No server has a version of this name, so that it sends its own, or says that the resource is gone. */
const foreignVersion = 'not from this server';

/** The protocol of one stream. */
export function createDeltaProtocol(subscriptions: Subscriptions, memory: ServerMemory, node: Uint8Array): StreamProtocol {
  const types = new Map<TypeUrl, TypeOnStream>();
  let isFirst = true;

  const initialVersions = (typeUrl: TypeUrl, subscription: Subscription): ReadonlyMap<string, string> => {
    const known = memory.resourceVersions(typeUrl);
    const versions = new Map<string, string>();
    for (const names of [subscription.inForce, subscription.restored])
      for (const name of names)
        if (wants(subscription, name)) versions.set(name, (names === subscription.inForce && known.get(name)) || foreignVersion);
    return versions;
  };

  const first = (typeUrl: TypeUrl, state: TypeOnStream): Change | undefined => {
    const subscription = subscriptions.of(typeUrl);
    const { wanted } = subscription;
    if (wanted.size === 0) return undefined;
    state.isStarted = true;
    state.isImplicit = wanted.size === 1 && wanted.has(everything) && wholeTypes.has(typeUrl);
    for (const name of wanted) state.sent.add(name);
    const subscribe = state.isImplicit ? [] : [...wanted];
    return { subscribe, unsubscribe: [], initialVersions: initialVersions(typeUrl, subscription) };
  };

  /** What the server does not know yet; it is taken as told. */
  const change = (typeUrl: TypeUrl): Change | undefined => {
    const state = types.get(typeUrl) ?? { sent: new Set(), lost: new Set(), isImplicit: false, isStarted: false };
    types.set(typeUrl, state);
    if (!state.isStarted) return first(typeUrl, state);
    const { wanted } = subscriptions.of(typeUrl);
    const subscribe = [...wanted].filter((name) => !state.sent.has(name));
    const unsubscribe = [...state.sent].filter((name) => !wanted.has(name) || state.lost.has(name));
    state.lost.clear();
    if (subscribe.length + unsubscribe.length === 0) return undefined;
    for (const name of subscribe) state.sent.add(name);
    for (const name of unsubscribe) state.sent.delete(name);
    if (state.isImplicit && subscribe.length > 0 && wanted.has(everything)) subscribe.unshift(everything);
    if (subscribe.length > 0 || unsubscribe.includes(everything)) state.isImplicit = false;
    return { subscribe, unsubscribe };
  };

  const write = (typeUrl: TypeUrl, changed: Change, nonce: string, error?: string): Uint8Array => {
    const request = deltaDiscoveryRequest({
      typeUrl,
      nonce,
      ...changed,
      ...(isFirst && { node }),
      ...(error !== undefined && { error }),
    });
    isFirst = false;
    return request;
  };

  return {
    variant: 'delta',
    path: '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
    request(typeUrl) {
      const changed = change(typeUrl);
      return changed === undefined ? undefined : write(typeUrl, changed, '');
    },
    receive: (response) => subscriptions.of(response.typeUrl).wanted.size > 0,
    checked(response, accepted) {
      const versions = memory.resourceVersions(response.typeUrl);
      for (const { name, version } of accepted) versions.set(name, version);
      for (const name of response.removed) versions.delete(name);
    },
    answer: (response, error) => write(response.typeUrl, noChange, response.nonce, error),
    lose(typeUrl, name) {
      const state = types.get(typeUrl);
      if (state?.sent.has(name)) state.lost.add(name);
    },
    dismiss: (response) => write(response.typeUrl, noChange, response.nonce),
  };
}

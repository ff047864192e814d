/**
 * Incremental (delta): requests name what changed, and a response has only resources that changed. Every response is answered, also
 * one of a kind that is no longer wanted; a request that answers nothing has no nonce.
 * Source: https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#incremental-xds, with these consequences:
 * - The first request of a kind on a stream names the versions that are here already, so that the server sends only what differs.
 * - Without names it asks for everything (listeners and clusters; older servers know no `*`). Once a name joins, `*` is said as well:
 *   the empty list no longer counts then.
 */
import type { TypeUrl } from './contract.ts';
import { deltaDiscoveryRequest } from './discovery-requests.ts';
import type { ServerMemory } from './server-memory.ts';
import type { StreamProtocol } from './stream-protocol.ts';
import { everything, wants, wholeTypes, type Subscriptions } from './subscriptions.ts';

interface TypeOnStream {
  /** Names that the server knows to be wanted. */
  readonly sent: Set<string>;
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

/** The protocol of one stream. */
export function createDeltaProtocol(subscriptions: Subscriptions, memory: ServerMemory, node: Uint8Array): StreamProtocol {
  const types = new Map<TypeUrl, TypeOnStream>();
  let isFirst = true;

  const first = (typeUrl: TypeUrl, state: TypeOnStream): Change | undefined => {
    const subscription = subscriptions.of(typeUrl);
    const { wanted } = subscription;
    if (wanted.size === 0) return undefined;
    state.isStarted = true;
    state.isImplicit = wanted.size === 1 && wanted.has(everything) && wholeTypes.has(typeUrl);
    for (const name of wanted) state.sent.add(name);
    const initialVersions = new Map<string, string>();
    for (const [name, version] of memory.resourceVersions(typeUrl))
      if (wants(subscription, name) && subscription.inForce.has(name)) initialVersions.set(name, version);
    return { subscribe: state.isImplicit ? [] : [...wanted], unsubscribe: [], initialVersions };
  };

  /** What the server does not know yet; it is taken as told. */
  const change = (typeUrl: TypeUrl): Change | undefined => {
    const state = types.get(typeUrl) ?? { sent: new Set<string>(), isImplicit: false, isStarted: false };
    types.set(typeUrl, state);
    if (!state.isStarted) return first(typeUrl, state);
    const { wanted } = subscriptions.of(typeUrl);
    const subscribe = [...wanted].filter((name) => !state.sent.has(name));
    const unsubscribe = [...state.sent].filter((name) => !wanted.has(name));
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
    answer(response, accepted, error) {
      const versions = memory.resourceVersions(response.typeUrl);
      for (const { name, version } of accepted) versions.set(name, version);
      for (const name of response.removed) versions.delete(name);
      return write(response.typeUrl, change(response.typeUrl) ?? noChange, response.nonce, error);
    },
    // Each name that comes or goes is told, so that the server sends a name that came back.
    lose: () => {},
    dismiss: (response) => write(response.typeUrl, change(response.typeUrl) ?? noChange, response.nonce),
  };
}

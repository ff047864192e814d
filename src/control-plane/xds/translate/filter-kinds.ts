/** Which HTTP filters there are, by the type of their configuration: those that are carried out here, and those that change nothing here. */

/** Filters that are policies of a request here. */
export type FilterName = 'fault' | 'local_ratelimit' | 'stateful_session' | 'header_mutation' | 'router';

const typePackages: readonly (readonly [part: string, filter: FilterName])[] = [
  ['filters.http.fault.', 'fault'],
  ['filters.http.local_ratelimit.', 'local_ratelimit'],
  ['filters.http.stateful_session.', 'stateful_session'],
  ['filters.http.header_mutation.', 'header_mutation'],
  ['filters.http.router.', 'router'],
];

/** Which filter this is, by the type of its configuration, else by its name. */
export function filterOf(type: string, name: string): FilterName | undefined {
  const found = typePackages.find(([part]) => type.includes(part))?.[1];
  if (found !== undefined || type !== '') return found;
  const last = name.slice(name.lastIndexOf('.') + 1);
  return typePackages.find(([, filter]) => filter === last)?.[1];
}

/**
 * Filters that change nothing about a request of a program: they count, tell who we are, or choose an ALPN list, all of which the mesh
 * does itself, or they are for browsers (CORS). Istio puts most of them into every chain.
 */
const harmlessTypes =
  /^(?:stats\.PluginConfig|io\.istio\.http\.peer_metadata\.Config|istio\.envoy\.config\.filter\.http\.alpn\.v2alpha1\.FilterConfig|istio\.metadata_exchange\.\S+|envoy\.extensions\.filters\.http\.(?:cors|grpc_stats|on_demand|tap|upstream_codec)\.v3\.\w+)$/;
const harmlessNames =
  /^(?:istio\.(?:stats|alpn|metadata_exchange)|envoy\.filters\.http\.(?:cors|grpc_stats|on_demand|tap|upstream_codec))$/;

/** Whether the filter may be left out without a word. */
export function isHarmless(type: string, name: string): boolean {
  return type === '' ? harmlessNames.test(name) : harmlessTypes.test(type);
}

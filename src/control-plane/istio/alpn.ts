/**
 * The protocols that are offered to peers of the mesh. A PERMISSIVE server finds out by them whether a connection is one of the mesh
 * (`istio`, `istio-http/1.1`, `istio-h2`) or somebody's own TLS. istiod sends the list for TCP with a cluster, and a filter of the
 * listener that replaces it for HTTP; that filter is this function. Source: Istio, `pilot/pkg/xds/filters` (`istio.alpn`).
 *
 * `istio-peer-exchange` is never offered: a peer that takes it sends a preface of metadata before the first byte of HTTP.
 */
import type { ClusterConfig, UpstreamProtocol } from '../../model/cluster.ts';
import type { UpstreamTls } from '../../model/tls.ts';

const http1 = ['istio-http/1.1', 'istio', 'http/1.1'] as const;
const http2 = ['istio-h2', 'istio', 'h2'] as const;
/** For clusters that speak what the request speaks: the connection that is made for it takes its part of the list. */
const either = [...new Set([...http2, ...http1])];

/** A cluster of istiod as a client of HTTP speaks to it. Which names go with which version of HTTP the connector knows. */
export function adaptCluster(cluster: ClusterConfig): ClusterConfig {
  const { protocol, tls, tlsMatches } = cluster;
  if (overrideIsOff(cluster) || (tls === undefined && tlsMatches === undefined)) return cluster;
  return {
    ...cluster,
    ...(tls !== undefined && { tls: withProtocols(tls, protocol) }),
    ...(tlsMatches !== undefined && {
      tlsMatches: tlsMatches.map((match) => ({ ...match, tls: withProtocols(match.tls, protocol) })),
    }),
  };
}

function withProtocols(tls: UpstreamTls, protocol: UpstreamProtocol | undefined): UpstreamTls {
  if (tls.mode === 'disabled') return tls;
  return { ...tls, alpn: protocol === 'http1' ? http1 : protocol === 'http2' ? http2 : either };
}

/** Clusters outside the mesh (TLS mode SIMPLE or MUTUAL) keep the list they came with. */
function overrideIsOff({ metadata }: ClusterConfig): boolean {
  const istio = metadata?.['istio'];
  if (typeof istio !== 'object' || istio === null || Array.isArray(istio)) return false;
  return (istio as Readonly<Record<string, unknown>>)['alpn_override'] === 'false';
}

/**
 * Clusters that stand for the host which the caller asked for (Envoy ORIGINAL_DST: Istio's `PassthroughCluster`, services without an
 * address of their own). In this process that host is the URL's: a virtual host that leads there and nowhere else is no answer of its
 * source, and the next source that knows the host serves it, under its own policy; at the end DNS, or the refusal of unknown hosts.
 */
import type { ClusterConfig } from '../model/cluster.ts';
import type { UpstreamTls } from '../model/tls.ts';

/** Whether requests that lead to the cluster go on. Not with TLS of its own: nobody else would secure them alike, so that they fail. */
export function isPassedOn({ discovery, tls, tlsMatches }: ClusterConfig): boolean {
  if (discovery.kind !== 'original-destination') return false;
  return !isSecured(tls) && tlsMatches?.some((match) => isSecured(match.tls)) !== true;
}

function isSecured(tls: UpstreamTls | undefined): boolean {
  return tls !== undefined && tls.mode !== 'disabled';
}

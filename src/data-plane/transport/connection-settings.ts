import type { ClusterConfig } from '../../model/cluster.ts';

/** What of a cluster its connections are made with: when it changes, they are made anew. TLS is not among it: it is of the host. */
export function connectionSettings(config: ClusterConfig): string {
  const { protocol, connectTimeoutMs, idleTimeoutMs, maxConnectionAgeMs, maxRequestsPerConnection, http2, limits } = config;
  return JSON.stringify([
    protocol,
    connectTimeoutMs,
    idleTimeoutMs,
    maxConnectionAgeMs,
    maxRequestsPerConnection,
    http2,
    limits?.maxConnectionsPerHost,
  ]);
}

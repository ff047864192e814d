/**
 * What is said of an endpoint that broke off before it had said anything that this process understands. Most often each side speaks
 * another protocol on that port: nothing that the request, another attempt or the logs of the endpoint could tell.
 */
import type { Cluster } from './cluster/cluster.ts';
import type { Host } from './cluster/host.ts';
import type { Failure } from './resilience/outcome.ts';
import type { Connection } from './transport/connection.ts';

/** The failure, in the words that fit where nothing has ever been heard over such a connection in plaintext; otherwise as it came. */
export function ofFirstContact(failure: Failure, { isH2, hasSpoken, peer }: Connection, host: Host, cluster: Cluster): Failure {
  const { code, ours, cause } = failure;
  if (ours || peer !== undefined || (code !== 'MESH_RESET' && code !== 'MESH_PROTOCOL_ERROR')) return failure;
  const what = (cause as Partial<Error> | undefined)?.message ?? '';
  // A server of HTTP/2 begins with its SETTINGS, whatever it was asked (RFC 9113, section 3.4).
  if (isH2 && !hasSpoken) {
    const how = code === 'MESH_PROTOCOL_ERROR' ? 'answered with something else than' : 'ended the connection before a frame of';
    return {
      ...failure,
      reason: `the endpoint ${how} HTTP/2, in which it was spoken to in plaintext: ${what}`,
      remedy: `Check the port. Where the endpoint wants TLS, set \`tls\` for "${cluster.name}". Where it speaks HTTP/1.1, it can serve no gRPC; for other requests set \`protocol: http1\`.`,
    };
  }
  if (isH2 || code !== 'MESH_RESET' || host.latencyMs >= 0) return failure;
  return {
    ...failure,
    reason: `the connection broke before a response, and the endpoint has never answered in plaintext (does it want TLS?): ${what}`,
  };
}

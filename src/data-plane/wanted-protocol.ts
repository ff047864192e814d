import type { UpstreamProtocol } from '../model/cluster.ts';
import type { Call } from './outbound.ts';
import { isGrpcRequest } from './routing/grpc-request.ts';

/** What a request needs of its connection, beside what its cluster speaks. */
export type WantedProtocol = 'any' | 'http1' | 'http2';

/**
 * What this request needs. An upgrade leads out of HTTP/1.1, except where the cluster speaks nothing but HTTP/2 (RFC 8441). In a cluster
 * that speaks what the request speaks (Envoy `use_downstream_protocol_config`) gRPC is HTTP/2; fetch does not say, and gets HTTP/1.1: a
 * peer that hands the request on as it came may have a program behind it that knows nothing else.
 */
export function wantedProtocol(call: Call, protocol: UpstreamProtocol | undefined): WantedProtocol {
  const { options } = call;
  if (options.allowH2 === false) return 'http1';
  if (options.upgrade) return protocol === 'http2' ? 'any' : 'http1';
  return protocol === 'same-as-request' && isGrpcRequest(call) ? 'http2' : 'any';
}

/**
 * What a request asks of the connection that it goes out on, beside what its cluster speaks. gRPC is HTTP/2 and nothing else (trailers, both
 * directions at a time): its requests get HTTP/2 in every cluster, in plaintext with prior knowledge, over TLS as the only protocol that is
 * offered. Only a cluster that is told to speak HTTP/1.1 refuses them: the owner of the service has said what its endpoints know. Sources:
 * "gRPC over HTTP2"; gRFC A27, whose clients ignore the HTTP protocol options of a cluster.
 */
import { MeshError } from '../base/errors.ts';
import type { UpstreamProtocol } from '../model/cluster.ts';
import type { Cluster } from './cluster/cluster.ts';
import type { Host } from './cluster/host.ts';
import type { Call } from './outbound.ts';
import type { Failure } from './resilience/outcome.ts';
import { isGrpcRequest } from './routing/grpc-request.ts';

/**
 * What a request needs of its connection, beside what its cluster speaks. `http1-by-tls`: HTTP/1.1 where the endpoint can be asked for it
 * (ALPN), which nobody can in plaintext with a cluster of HTTP/2.
 */
export type WantedProtocol = 'any' | 'http1' | 'http1-by-tls' | 'http2';

/**
 * What this request needs, or `none` where it needs HTTP/2 and the cluster speaks HTTP/1.1. An upgrade leads out of HTTP/1.1, except where
 * the cluster speaks nothing but HTTP/2 (RFC 8441). Where the cluster speaks what the request speaks (Envoy `use_downstream_protocol_config`),
 * what is no gRPC gets HTTP/1.1, since fetch does not say: a peer that hands the request on as it came may have a program behind it that
 * knows nothing else.
 */
export function wantedProtocol(call: Call, protocol: UpstreamProtocol | undefined): WantedProtocol | 'none' {
  const { options } = call;
  // undici says so of all that Node's own fetch sends through the global dispatcher; such a request means as much over HTTP/2.
  if (options.allowH2 === false) return protocol === 'http2' && !options.upgrade ? 'http1-by-tls' : 'http1';
  if (options.upgrade) return protocol === 'http2' ? 'any' : 'http1';
  const needsHttp2 = options.needsHttp2 === true || (options.method === 'POST' && isGrpcRequest(call));
  if (!needsHttp2) return options.prefersHttp2 === true && protocol !== 'http1' ? 'http2' : 'any';
  return protocol === 'http1' ? 'none' : 'http2';
}

/** A request that needs HTTP/2, in a cluster that is told to speak HTTP/1.1. */
export function withoutHttp2({ name }: Cluster): Failure {
  return {
    ...unfit,
    reason: `the request needs HTTP/2, as all gRPC does, and "${name}" is configured to speak HTTP/1.1`,
    remedy: `Set \`protocol: http2\` for "${name}", or leave \`protocol\` out: gRPC then gets HTTP/2 and other requests what they had.`,
    details: { protocol: 'http1' },
  };
}

/** A request whose credentials must not be read on the way (`requiresTls`), at an endpoint that is spoken to in plaintext. */
export function withoutTls({ name }: Cluster, { address }: Host): Failure {
  return {
    ...unfit,
    reason: `the request carries credentials that need TLS, and ${address} of "${name}" is spoken to in plaintext; nothing was sent`,
    remedy: `Set \`tls\` for "${name}", or do not attach call credentials to requests to it.`,
    details: { requiresTls: true },
  };
}

/** The same, where the mesh does not serve the host and somebody else's dispatcher would get it. */
export function passedOnWithoutTls({ host }: Call): MeshError {
  return new MeshError(
    'MESH_REQUEST_INVALID',
    `the request carries credentials that need TLS, and "${host}", which is not of the mesh, would be spoken to in plaintext; nothing was sent`,
    {
      remedy: `Name the host as the mesh does, write https:, or do not attach call credentials to requests to it.`,
      details: { requiresTls: true },
    },
  );
}

/** Nobody was asked, and no endpoint is to blame. */
const unfit = {
  kind: 'failure',
  code: 'MESH_REQUEST_INVALID',
  mayHaveBeenProcessed: false,
  localOrigin: true,
  ours: true,
} as const;

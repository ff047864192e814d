import { startEnvoy, type EnvoyProcess } from '../envoy/envoy-process.ts';
import type { Istiod } from './istiod.ts';
import { certificateOf } from './pod.ts';

/** How the sidecar of the peer takes connections. */
export type PeerMode = 'PERMISSIVE' | 'STRICT' | 'DETECTING';

/** Source: Istio, `pilot/pkg/networking/core/listener_inbound.go`. */
const httpProtocols = ['istio-http/1.0', 'istio-http/1.1', 'istio-h2'];
const opaqueProtocols = ['istio', 'istio-peer-exchange'];
const acceptedProtocols: Readonly<Record<PeerMode, readonly string[] | undefined>> = {
  PERMISSIVE: [...opaqueProtocols, ...httpProtocols],
  STRICT: undefined,
  DETECTING: httpProtocols,
};

/**
 * A real Envoy that takes requests as the sidecar of a workload does, with a certificate of istiod's CA. Its filter chains are those
 * that istiod sends for an HTTP port: under PERMISSIVE mutual TLS for who offers a protocol of the mesh, and plaintext; under STRICT
 * mutual TLS alone; and where the port has no protocol (`DETECTING`, STRICT too) HTTP for who says by ALPN that it is, and
 * opaque bytes for everybody else of the mesh. It answers itself, and says in headers what it saw of the caller.
 */
export async function startPeer(
  istiod: Istiod,
  { serviceAccount, mode }: { readonly serviceAccount: string; readonly mode: PeerMode },
): Promise<EnvoyProcess & { readonly port: number }> {
  const { certificateChain, privateKey } = await certificateOf(istiod, 'shop', serviceAccount);
  const tls = {
    '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
    require_client_certificate: true,
    common_tls_context: {
      alpn_protocols: ['h2', 'http/1.1'],
      tls_certificates: [
        { certificate_chain: { inline_string: certificateChain }, private_key: { inline_string: privateKey.reveal() } },
      ],
      validation_context: {
        trusted_ca: { inline_string: istiod.authority.root.certificate },
        match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { prefix: 'spiffe://cluster.local/' } }],
      },
    },
  };
  const socket = { name: 'envoy.transport_sockets.tls', typed_config: tls };
  const protocols = acceptedProtocols[mode];
  const secure = {
    name: 'mutual-tls',
    filter_chain_match: { transport_protocol: 'tls', ...(protocols !== undefined && { application_protocols: protocols }) },
    filters: [answering('mutual-tls')],
    transport_socket: socket,
  };
  const opaque = {
    name: 'opaque',
    filter_chain_match: { transport_protocol: 'tls', application_protocols: opaqueProtocols },
    filters: [
      {
        name: 'envoy.filters.network.direct_response',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.filters.network.direct_response.v3.Config',
          response: { inline_string: 'opaque' },
        },
      },
    ],
    transport_socket: socket,
  };
  const plain = {
    name: 'plaintext',
    filter_chain_match: { transport_protocol: 'raw_buffer' },
    filters: [answering('plaintext')],
  };
  const envoy = await startEnvoy(process.env['MESHFETCH_LIVE_ENVOY']!, {
    listeners: [
      {
        name: 'inbound',
        address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
        listener_filters: [
          {
            name: 'envoy.filters.listener.tls_inspector',
            typed_config: {
              '@type': 'type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector',
            },
          },
        ],
        filter_chains: [secure, ...(mode === 'PERMISSIVE' ? [plain] : mode === 'DETECTING' ? [opaque] : [])],
      },
    ],
  });
  return { ...envoy, port: envoy.ports.get('inbound')! };
}

function answering(chain: string): object {
  const seen = {
    'x-chain': chain,
    'x-protocol': '%PROTOCOL%',
    'x-server-name': '%REQUESTED_SERVER_NAME%',
    'x-peer': '%DOWNSTREAM_PEER_URI_SAN%',
  };
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
      stat_prefix: chain,
      route_config: {
        virtual_hosts: [
          {
            name: 'all',
            domains: ['*'],
            routes: [
              {
                match: { prefix: '/' },
                direct_response: { status: 200, body: { inline_string: 'answered by Envoy' } },
                response_headers_to_add: Object.entries(seen).map(([key, value]) => ({ header: { key, value } })),
              },
            ],
          },
        ],
      },
      http_filters: [
        {
          name: 'envoy.filters.http.router',
          typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
        },
      ],
    },
  };
}

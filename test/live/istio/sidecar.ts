import { startEnvoy } from '../envoy/envoy-process.ts';
import type { Istiod } from './istiod.ts';
import { certificateOf } from './pod.ts';

/** A real Envoy beside a caller. */
export interface Sidecar {
  /** Takes plaintext, and leads it on as a sidecar does. */
  readonly port: number;
  stop(): Promise<void>;
}

/**
 * A real Envoy that calls as the sidecar of a workload does, with a certificate of istiod's CA: it offers the application protocols that
 * Istio's `istio.alpn` filter puts before its own. Source: Istio, `pilot/pkg/networking/core/cluster_tls.go`.
 */
export async function startSidecar(
  istiod: Istiod,
  {
    serviceAccount,
    to,
    protocol,
  }: { readonly serviceAccount: string; readonly to: number; readonly protocol: 'HTTP/1.1' | 'HTTP/2' },
): Promise<Sidecar> {
  const { certificateChain, privateKey } = await certificateOf(istiod, 'shop', serviceAccount);
  const version = protocol === 'HTTP/2' ? 'http2_protocol_options' : 'http_protocol_options';
  const tls = {
    '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
    sni: 'outbound_.80_._.web.shop.svc.cluster.local',
    common_tls_context: {
      alpn_protocols: protocol === 'HTTP/2' ? ['istio-h2', 'istio', 'h2'] : ['istio-http/1.1', 'istio', 'http/1.1'],
      tls_certificates: [
        { certificate_chain: { inline_string: certificateChain }, private_key: { inline_string: privateKey.reveal() } },
      ],
      validation_context: {
        trusted_ca: { inline_string: istiod.authority.root.certificate },
        match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: 'spiffe://cluster.local/ns/shop/sa/web' } }],
      },
    },
  };
  const manager = {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    stat_prefix: 'outbound',
    route_config: {
      virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'web' } }] }],
    },
    http_filters: [
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
      },
    ],
  };
  const envoy = await startEnvoy(process.env['MESHFETCH_LIVE_ENVOY']!, {
    listeners: [
      {
        name: 'outbound',
        address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
        filter_chains: [{ filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }] }],
      },
    ],
    clusters: [
      {
        name: 'web',
        type: 'STATIC',
        load_assignment: {
          cluster_name: 'web',
          endpoints: [
            { lb_endpoints: [{ endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: to } } } }] },
          ],
        },
        typed_extension_protocol_options: {
          'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
            '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
            explicit_http_config: { [version]: {} },
          },
        },
        transport_socket: { name: 'envoy.transport_sockets.tls', typed_config: tls },
      },
    ],
  });
  return { port: envoy.ports.get('outbound')!, stop: () => envoy.stop() };
}

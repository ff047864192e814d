/** What istiod sends, in the quantities of a mesh of 1,000 services: endpoints and clusters, in JSON and in bytes. */
import { envoyBytes } from '../../test/support/envoy-bytes.ts';

export const endpointsType = 'envoy.config.endpoint.v3.ClusterLoadAssignment';
export const clusterType = 'envoy.config.cluster.v3.Cluster';

function endpoint(service: number, index: number): object {
  const address = `10.${service >> 8}.${service & 255}.${index & 255}`;
  return {
    endpoint: { address: { socket_address: { address, port_value: 8080 + (index >> 8) } } },
    health_status: 'HEALTHY',
    metadata: {
      filter_metadata: {
        istio: { workload: `svc-${service};ns;svc-${service};v1;Kubernetes` },
        'envoy.transport_socket_match': { tlsMode: 'istio' },
      },
    },
    load_balancing_weight: 1,
  };
}

const nameOf = (service: number): string => `outbound|80||svc-${service}.ns.svc.cluster.local`;

/** The endpoints of a service, one of which can be another one than in the version before. */
export function endpointsOf(service: number, count: number, changed = -1): Uint8Array {
  const lbEndpoints = Array.from({ length: count }, (_, index) => endpoint(service, index === changed ? count : index));
  const locality = { locality: { region: 'eu-1', zone: 'a' }, lb_endpoints: lbEndpoints, load_balancing_weight: count };
  return envoyBytes({ cluster_name: nameOf(service), endpoints: [locality] }, endpointsType);
}

const extensions = 'type.googleapis.com/envoy.extensions';
const threshold = Object.fromEntries(
  ['max_connections', 'max_pending_requests', 'max_requests', 'max_retries'].map((name) => [name, 4_294_967_295]),
);

/** A cluster with everything that istiod writes into one. */
export function clusterOf(service: number): Uint8Array {
  const san = { san_type: 'URI', matcher: { exact: `spiffe://cluster.local/ns/ns/sa/svc-${service}` } };
  const tls = {
    '@type': `${extensions}.transport_sockets.tls.v3.UpstreamTlsContext`,
    common_tls_context: {
      alpn_protocols: ['istio-peer-exchange', 'istio'],
      tls_params: { tls_minimum_protocol_version: 'TLSv1_2' },
      tls_certificate_sds_secret_configs: [{ name: 'default', sds_config: { ads: {} } }],
      combined_validation_context: {
        default_validation_context: { match_typed_subject_alt_names: [san] },
        validation_context_sds_secret_config: { name: 'ROOTCA', sds_config: { ads: {} } },
      },
    },
    sni: `outbound_.80_._.svc-${service}.ns.svc.cluster.local`,
  };
  const protocols = {
    '@type': `${extensions}.upstreams.http.v3.HttpProtocolOptions`,
    use_downstream_protocol_config: { http_protocol_options: {}, http2_protocol_options: {} },
  };
  const cluster = {
    name: nameOf(service),
    type: 'EDS',
    eds_cluster_config: {
      eds_config: { ads: {}, initial_fetch_timeout: '0s', resource_api_version: 'V3' },
      service_name: nameOf(service),
    },
    connect_timeout: '10s',
    lb_policy: 'LEAST_REQUEST',
    circuit_breakers: { thresholds: [{ ...threshold, track_remaining: true }] },
    outlier_detection: { consecutive_5xx: 5, interval: '10s', base_ejection_time: '30s' },
    common_lb_config: { healthy_panic_threshold: {}, locality_weighted_lb_config: {} },
    metadata: { filter_metadata: { istio: { services: [{ name: `svc-${service}`, namespace: 'ns' }] } } },
    transport_socket_matches: [
      { name: 'tlsMode-istio', match: { tlsMode: 'istio' }, transport_socket: { name: 'tls', typed_config: tls } },
      {
        name: 'tlsMode-disabled',
        match: {},
        transport_socket: { name: 'raw', typed_config: { '@type': `${extensions}.transport_sockets.raw_buffer.v3.RawBuffer` } },
      },
    ],
    typed_extension_protocol_options: { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': protocols },
  };
  return envoyBytes(cluster, clusterType);
}

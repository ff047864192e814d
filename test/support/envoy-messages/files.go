package main

import (
	_ "github.com/cncf/xds/go/udpa/type/v1"
	_ "github.com/cncf/xds/go/xds/data/orca/v3"
	_ "github.com/cncf/xds/go/xds/type/matcher/v3"
	_ "github.com/cncf/xds/go/xds/type/v3"
	_ "github.com/envoyproxy/go-control-plane/contrib/envoy/extensions/load_balancing_policies/peak_ewma/v3alpha"
	_ "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/file/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/aggregate/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/common/dns/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/dns/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/dynamic_forward_proxy/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/original_dst/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/common/matching/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/early_data/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/adaptive_concurrency/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/admission_control/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/api_key_auth/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/bandwidth_limit/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/basic_auth/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/buffer/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/composite/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/compressor/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/csrf/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/fault/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/gcp_authn/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/grpc_stats/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/grpc_web/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/health_check/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/jwt_authn/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/local_ratelimit/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/on_demand/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ratelimit/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/set_filter_state/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/stateful_session/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/http_inspector/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/original_dst/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/proxy_protocol/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/tls_inspector/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/connection_limit/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/direct_response/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/ext_authz/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/local_ratelimit/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/rbac/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/set_filter_state/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/health_check/event_sinks/file/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/health_checkers/dynamic_modules/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/health_checkers/redis/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/health_checkers/thrift/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/http/early_header_mutation/header_mutation/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/http/header_formatters/preserve_case/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/http/header_validators/envoy_default/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/http/original_ip_detection/custom_header/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/http/original_ip_detection/xff/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/http/stateful_session/cookie/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/http/stateful_session/envelope/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/http/stateful_session/header/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/internal_redirect/allow_listed_routes/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/internal_redirect/filter_state/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/internal_redirect/previous_routes/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/internal_redirect/safe_cross_scheme/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/client_side_weighted_round_robin/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/cluster_provided/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/common/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/dynamic_modules/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/least_request/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/load_aware_locality/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/maglev/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/override_host/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/pick_first/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/random/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/random_subsetting/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/ring_hash/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/round_robin/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/subset/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/wrr_locality/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/common_inputs/environment_variable/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/common_inputs/network/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/common_inputs/ssl/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/common_inputs/transport_socket/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/input_matchers/consistent_hashing/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/input_matchers/ip/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/input_matchers/metadata/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/input_matchers/runtime_fraction/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/outlier_detection_monitors/common/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/outlier_detection_monitors/consecutive_errors/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/path/match/uri_template/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/path/rewrite/uri_template/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/rbac/audit_loggers/stream/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/rbac/matchers/upstream_ip_port/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/rbac/principals/mtls_authenticated/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/request_id/uuid/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/host/omit_canary_hosts/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/host/omit_host_metadata/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/host/previous_hosts/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/priority/previous_priorities/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/string_matcher/lua/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/alts/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/http_11_proxy/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/internal_upstream/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/proxy_protocol/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/raw_buffer/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/starttls/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tap/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/dynamic_modules/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/generic/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/http/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/reverse_tunnel/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/tcp/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/udp/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/tcp/generic/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/service/load_stats/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	_ "istio.io/api/envoy/config/filter/http/alpn/v2alpha1"
)

// The files whose messages stand in a resource, or in an Any of one.
var files = []string{
	"envoy/config/cluster/v3/cluster.proto",
	"envoy/config/core/v3/extension.proto",
	"envoy/config/endpoint/v3/endpoint.proto",
	"envoy/config/listener/v3/api_listener.proto",
	"envoy/config/listener/v3/listener.proto",
	"envoy/config/rbac/v3/rbac.proto",
	"envoy/config/route/v3/route.proto",
	"envoy/config/route/v3/route_components.proto",
	"envoy/config/route/v3/scoped_route.proto",
	"envoy/extensions/access_loggers/file/v3/file.proto",
	"envoy/extensions/clusters/aggregate/v3/cluster.proto",
	"envoy/extensions/clusters/common/dns/v3/dns.proto",
	"envoy/extensions/clusters/dns/v3/dns_cluster.proto",
	"envoy/extensions/clusters/dynamic_forward_proxy/v3/cluster.proto",
	"envoy/extensions/clusters/original_dst/v3/original_dst.proto",
	"envoy/extensions/common/matching/v3/extension_matcher.proto",
	"envoy/extensions/early_data/v3/default_early_data_policy.proto",
	"envoy/extensions/filters/http/adaptive_concurrency/v3/adaptive_concurrency.proto",
	"envoy/extensions/filters/http/admission_control/v3/admission_control.proto",
	"envoy/extensions/filters/http/api_key_auth/v3/api_key_auth.proto",
	"envoy/extensions/filters/http/bandwidth_limit/v3/bandwidth_limit.proto",
	"envoy/extensions/filters/http/basic_auth/v3/basic_auth.proto",
	"envoy/extensions/filters/http/buffer/v3/buffer.proto",
	"envoy/extensions/filters/http/composite/v3/composite.proto",
	"envoy/extensions/filters/http/compressor/v3/compressor.proto",
	"envoy/extensions/filters/http/cors/v3/cors.proto",
	"envoy/extensions/filters/http/csrf/v3/csrf.proto",
	"envoy/extensions/filters/http/ext_authz/v3/ext_authz.proto",
	"envoy/extensions/filters/http/fault/v3/fault.proto",
	"envoy/extensions/filters/http/gcp_authn/v3/gcp_authn.proto",
	"envoy/extensions/filters/http/grpc_stats/v3/config.proto",
	"envoy/extensions/filters/http/grpc_web/v3/grpc_web.proto",
	"envoy/extensions/filters/http/header_mutation/v3/header_mutation.proto",
	"envoy/extensions/filters/http/health_check/v3/health_check.proto",
	"envoy/extensions/filters/http/jwt_authn/v3/config.proto",
	"envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.proto",
	"envoy/extensions/filters/http/on_demand/v3/on_demand.proto",
	"envoy/extensions/filters/http/ratelimit/v3/rate_limit.proto",
	"envoy/extensions/filters/http/rbac/v3/rbac.proto",
	"envoy/extensions/filters/http/router/v3/router.proto",
	"envoy/extensions/filters/http/set_filter_state/v3/set_filter_state.proto",
	"envoy/extensions/filters/http/stateful_session/v3/stateful_session.proto",
	"envoy/extensions/filters/listener/http_inspector/v3/http_inspector.proto",
	"envoy/extensions/filters/listener/original_dst/v3/original_dst.proto",
	"envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol.proto",
	"envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.proto",
	"envoy/extensions/filters/network/connection_limit/v3/connection_limit.proto",
	"envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto",
	"envoy/extensions/filters/network/local_ratelimit/v3/local_rate_limit.proto",
	"envoy/extensions/filters/network/rbac/v3/rbac.proto",
	"envoy/extensions/filters/network/direct_response/v3/config.proto",
	"envoy/extensions/filters/network/set_filter_state/v3/set_filter_state.proto",
	"envoy/extensions/filters/network/ext_authz/v3/ext_authz.proto",
	"envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.proto",
	"envoy/extensions/health_check/event_sinks/file/v3/file.proto",
	"envoy/extensions/health_checkers/dynamic_modules/v3/dynamic_modules.proto",
	"envoy/extensions/health_checkers/redis/v3/redis.proto",
	"envoy/extensions/health_checkers/thrift/v3/thrift.proto",
	"envoy/extensions/http/early_header_mutation/header_mutation/v3/header_mutation.proto",
	"envoy/extensions/http/header_formatters/preserve_case/v3/preserve_case.proto",
	"envoy/extensions/http/header_validators/envoy_default/v3/header_validator.proto",
	"envoy/extensions/http/original_ip_detection/custom_header/v3/custom_header.proto",
	"envoy/extensions/http/original_ip_detection/xff/v3/xff.proto",
	"envoy/extensions/http/stateful_session/cookie/v3/cookie.proto",
	"envoy/extensions/http/stateful_session/envelope/v3/envelope.proto",
	"envoy/extensions/http/stateful_session/header/v3/header.proto",
	"envoy/extensions/internal_redirect/allow_listed_routes/v3/allow_listed_routes_config.proto",
	"envoy/extensions/internal_redirect/filter_state/v3/filter_state_config.proto",
	"envoy/extensions/internal_redirect/previous_routes/v3/previous_routes_config.proto",
	"envoy/extensions/internal_redirect/safe_cross_scheme/v3/safe_cross_scheme_config.proto",
	"envoy/extensions/load_balancing_policies/client_side_weighted_round_robin/v3/client_side_weighted_round_robin.proto",
	"envoy/extensions/load_balancing_policies/cluster_provided/v3/cluster_provided.proto",
	"envoy/extensions/load_balancing_policies/common/v3/common.proto",
	"envoy/extensions/load_balancing_policies/dynamic_modules/v3/dynamic_modules.proto",
	"envoy/extensions/load_balancing_policies/least_request/v3/least_request.proto",
	"envoy/extensions/load_balancing_policies/load_aware_locality/v3/load_aware_locality.proto",
	"envoy/extensions/load_balancing_policies/maglev/v3/maglev.proto",
	"contrib/envoy/extensions/load_balancing_policies/peak_ewma/v3alpha/peak_ewma.proto",
	"envoy/extensions/load_balancing_policies/override_host/v3/override_host.proto",
	"envoy/extensions/load_balancing_policies/pick_first/v3/pick_first.proto",
	"envoy/extensions/load_balancing_policies/random/v3/random.proto",
	"envoy/extensions/load_balancing_policies/random_subsetting/v3/random_subsetting.proto",
	"envoy/extensions/load_balancing_policies/ring_hash/v3/ring_hash.proto",
	"envoy/extensions/load_balancing_policies/round_robin/v3/round_robin.proto",
	"envoy/extensions/load_balancing_policies/subset/v3/subset.proto",
	"envoy/extensions/load_balancing_policies/wrr_locality/v3/wrr_locality.proto",
	"envoy/extensions/matching/common_inputs/environment_variable/v3/input.proto",
	"envoy/extensions/matching/common_inputs/network/v3/network_inputs.proto",
	"envoy/extensions/matching/common_inputs/ssl/v3/ssl_inputs.proto",
	"envoy/extensions/matching/common_inputs/transport_socket/v3/transport_socket_inputs.proto",
	"envoy/extensions/matching/input_matchers/consistent_hashing/v3/consistent_hashing.proto",
	"envoy/extensions/matching/input_matchers/ip/v3/ip.proto",
	"envoy/extensions/matching/input_matchers/metadata/v3/metadata.proto",
	"envoy/extensions/matching/input_matchers/runtime_fraction/v3/runtime_fraction.proto",
	"envoy/extensions/outlier_detection_monitors/common/v3/error_types.proto",
	"envoy/extensions/outlier_detection_monitors/consecutive_errors/v3/consecutive_errors.proto",
	"envoy/extensions/path/match/uri_template/v3/uri_template_match.proto",
	"envoy/extensions/path/rewrite/uri_template/v3/uri_template_rewrite.proto",
	"envoy/extensions/rbac/audit_loggers/stream/v3/stream.proto",
	"envoy/extensions/rbac/matchers/upstream_ip_port/v3/upstream_ip_port_matcher.proto",
	"envoy/extensions/rbac/principals/mtls_authenticated/v3/mtls_authenticated.proto",
	"envoy/extensions/request_id/uuid/v3/uuid.proto",
	"envoy/extensions/retry/host/omit_canary_hosts/v3/omit_canary_hosts.proto",
	"envoy/extensions/retry/host/omit_host_metadata/v3/omit_host_metadata_config.proto",
	"envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.proto",
	"envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config.proto",
	"envoy/extensions/string_matcher/lua/v3/lua.proto",
	"envoy/extensions/transport_sockets/alts/v3/alts.proto",
	"envoy/extensions/transport_sockets/http_11_proxy/v3/upstream_http_11_connect.proto",
	"envoy/extensions/transport_sockets/internal_upstream/v3/internal_upstream.proto",
	"envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol.proto",
	"envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.proto",
	"envoy/extensions/transport_sockets/starttls/v3/starttls.proto",
	"envoy/extensions/transport_sockets/tap/v3/tap.proto",
	"envoy/extensions/transport_sockets/tls/v3/cert.proto",
	"envoy/extensions/transport_sockets/tls/v3/common.proto",
	"envoy/extensions/transport_sockets/tls/v3/secret.proto",
	"envoy/extensions/transport_sockets/tls/v3/tls.proto",
	"envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config.proto",
	"envoy/extensions/upstreams/http/dynamic_modules/v3/dynamic_modules.proto",
	"envoy/extensions/upstreams/http/generic/v3/generic_connection_pool.proto",
	"envoy/extensions/upstreams/http/http/v3/http_connection_pool.proto",
	"envoy/extensions/upstreams/http/reverse_tunnel/v3/reverse_tunnel_codec.proto",
	"envoy/extensions/upstreams/http/tcp/v3/tcp_connection_pool.proto",
	"envoy/extensions/upstreams/http/udp/v3/udp_connection_pool.proto",
	"envoy/extensions/upstreams/http/v3/http_protocol_options.proto",
	"envoy/extensions/upstreams/tcp/generic/v3/generic_connection_pool.proto",
	"envoy/service/load_stats/v3/lrs.proto",
	"envoy/type/matcher/v3/address.proto",
	"envoy/type/matcher/v3/filter_state.proto",
	"envoy/type/matcher/v3/http_inputs.proto",
	"envoy/type/matcher/v3/metadata.proto",
	"envoy/type/matcher/v3/node.proto",
	"envoy/type/matcher/v3/number.proto",
	"envoy/type/matcher/v3/path.proto",
	"envoy/type/matcher/v3/regex.proto",
	"envoy/type/matcher/v3/status_code_input.proto",
	"envoy/type/matcher/v3/string.proto",
	"envoy/type/matcher/v3/struct.proto",
	"envoy/type/matcher/v3/value.proto",
	"udpa/type/v1/typed_struct.proto",
	"xds/type/v3/typed_struct.proto",
	"xds/type/matcher/v3/matcher.proto",
	"xds/type/matcher/v3/http_inputs.proto",
	"xds/type/matcher/v3/ip.proto",
	"xds/type/matcher/v3/cel.proto",
	"xds/type/matcher/v3/domain.proto",
	"xds/type/matcher/v3/range.proto",
	"xds/data/orca/v3/orca_load_report.proto",
	"envoy/config/filter/http/alpn/v2alpha1/config.proto",
}

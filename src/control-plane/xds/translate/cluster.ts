/** Envoy's `config.cluster.v3.Cluster` in the words of the model. */
import type { ClusterConfig, LocalityConfig } from '../../../model/cluster.ts';
import type { UpstreamTls } from '../../../model/tls.ts';
import { outlierDetectionFrom, thresholdsFrom } from './cluster-policies.ts';
import { discoveryFrom } from './discovery.ts';
import { endpointsFrom } from './endpoints.ts';
import { healthCheckFrom } from './health-check.ts';
import { httpProtocolFrom } from './http-protocol.ts';
import { balancingFrom, type Balancing } from './load-balancing.ts';
import type { SelectableCluster } from './link-subsets.ts';
import type { Message } from './message.ts';
import { metadataFrom } from './metadata.ts';
import { subsetsOf } from './subset-selectors.ts';
import { TlsSecrets } from './tls-secrets.ts';
import { tlsMatchesFrom, transportSocketFrom } from './upstream-tls.ts';

/** Envoy's own value. */
const defaultConnectTimeoutMs = 5000;

/** Names of statistics, when a cluster counts as ready, and bounds of the buffers of a proxy. */
const silentFields = [
  '@type',
  'alt_stat_name',
  'observability_name',
  'track_timeout_budgets',
  'track_cluster_stats',
  'wait_for_warm_on_init',
  'per_connection_buffer_limit_bytes',
  'lrs_server', // received.ts says whether it is there
  'lrs_report_endpoint_metrics',
] as const;

/** Reports what is said of connections and cannot be done here. To the host that was asked for this cluster makes none. */
function noteConnections(message: Message, isOriginal: boolean): void {
  if (message.has('upstream_bind_config')) {
    message.message('upstream_bind_config')?.markRead();
    if (isOriginal) message.skip('upstream_bind_config');
    else message.note('upstream_bind_config', 'connections leave from the address that the system picks');
  }
  for (const filter of message.messages('filters')) {
    const name = filter.text('name') ?? '';
    const config = filter.any('typed_config');
    config?.message.markRead();
    // Istio's preface for raw TCP, which HTTP connections never negotiate.
    if (config?.type.endsWith('MetadataExchange') === true || name === 'istio.metadata_exchange') continue;
    filter.findings.note(filter.path, `the filter ${name} of connections is not carried out`);
  }
}

/** Reads a `Cluster`. What its TLS contexts name and bring along is noted in `secrets`. */
export function clusterFrom(message: Message, secrets = new TlsSecrets()): SelectableCluster {
  message.skip(...silentFields);
  const name = message.text('name') ?? '';
  if (name === '') message.problem('name', 'must not be empty');
  const assignment = message.message('load_assignment');
  const { name: _name, ...endpoints } = (assignment && endpointsFrom(assignment, name)) ?? { name, localities: [] };
  const balancing = balancingFrom(message);
  const outlier = message.message('outlier_detection');
  const healthChecks = message.messages('health_checks').flatMap((check) => healthCheckFrom(check) ?? []);
  const tls = transportSocketFrom(message.message('transport_socket'), secrets);
  const tlsMatches = tlsMatchesFrom(message.messages('transport_socket_matches'), secrets);
  const metadata = metadataFrom(message.message('metadata'));
  const subsets = balancing.subsets && subsetsOf(balancing.subsets, endpoints.localities);
  const discovery = discoveryFrom(message, name, endpoints);
  const isOriginal = discovery.kind === 'original-destination';
  noteConnections(message, isOriginal);
  if (isOriginal && (isSecured(tls) || tlsMatches.some((match) => isSecured(match.tls))))
    message.note(
      tls === undefined ? 'transport_socket_matches' : 'transport_socket',
      'is not carried out for the host that was asked for, so that requests to it fail',
    );
  const value: ClusterConfig = {
    name,
    discovery,
    loadBalancing: balancing.loadBalancing,
    locality: localityOf(balancing),
    ...(subsets !== undefined && { subsets }),
    ...(balancing.slowStart !== undefined && { slowStart: balancing.slowStart }),
    ...httpProtocolFrom(message),
    ...(tls !== undefined && { tls }),
    ...(tlsMatches.length > 0 && { tlsMatches }),
    connectTimeoutMs: message.durationMs('connect_timeout') || defaultConnectTimeoutMs,
    ...thresholdsFrom(message.message('circuit_breakers')),
    ...(outlier !== undefined && { outlierDetection: outlierDetectionFrom(outlier) }),
    ...(healthChecks.length > 0 && { healthChecks }),
    ...(metadata !== undefined && { metadata }),
  };
  return { value, selectors: balancing.subsets };
}

function isSecured(tls: UpstreamTls | undefined): boolean {
  return tls !== undefined && tls.mode !== 'disabled';
}

/** Envoy panics below half of the hosts unless it is told otherwise. */
function localityOf({ locality }: Balancing): LocalityConfig {
  return { mode: 'none', panicThresholdPercent: 50, ...locality };
}

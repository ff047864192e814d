/** Envoy's `config.cluster.v3.Cluster` in the words of the model. */
import { isIP } from 'node:net';
import type {
  ClusterConfig,
  Discovery,
  EndpointConfig,
  EndpointsConfig,
  LocalityConfig,
  LocalityEndpoints,
} from '../../../model/cluster.ts';
import { outlierDetectionFrom, thresholdsFrom } from './cluster-policies.ts';
import { endpointsFrom } from './endpoints.ts';
import { healthCheckFrom } from './health-check.ts';
import { httpProtocolFrom } from './http-protocol.ts';
import { balancingFrom, type Balancing } from './load-balancing.ts';
import type { SelectableCluster } from './link-subsets.ts';
import { Findings, type Message, type TypedMessage } from './message.ts';
import { metadataFrom } from './metadata.ts';
import { subsetsOf } from './subset-selectors.ts';
import { translated, type Translated } from './translated.ts';
import { TlsSecrets } from './tls-secrets.ts';
import { tlsMatchesFrom, transportSocketFrom } from './upstream-tls.ts';

const types = ['STATIC', 'STRICT_DNS', 'LOGICAL_DNS', 'EDS', 'ORIGINAL_DST'] as const;
/** Envoy's own value. */
const defaultConnectTimeoutMs = 5000;

/**
 * Translates a `Cluster` in JSON. Its `subsets` are those that its own endpoints make; see link-subsets.ts for those that routes
 * select.
 */
export function translateCluster(json: unknown): Translated<ClusterConfig> {
  const findings = new Findings();
  const message = findings.message(json, '');
  return translated(message && clusterFrom(message).value, findings);
}

/** Reads a `Cluster`. What its TLS contexts name and bring along is noted in `secrets`. */
export function clusterFrom(message: Message, secrets = new TlsSecrets()): SelectableCluster {
  message.skip('@type', 'alt_stat_name', 'observability_name', 'respect_dns_ttl');
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
  const value: ClusterConfig = {
    name,
    discovery: discoveryFrom(message, name, endpoints),
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

/** Envoy panics below half of the hosts unless it is told otherwise. */
function localityOf({ locality }: Balancing): LocalityConfig {
  return { mode: 'none', panicThresholdPercent: 50, ...locality };
}

/** What stands in the `load_assignment` of the cluster itself. */
type OwnEndpoints = Omit<EndpointsConfig, 'name'>;

function discoveryFrom(message: Message, name: string, endpoints: OwnEndpoints): Discovery {
  const { localities } = endpoints;
  const kind = message.oneOf('type', 'cluster_type');
  if (kind === 'cluster_type') {
    const custom = message.message(kind);
    const typeName = custom?.text('name') ?? '';
    return customDiscovery(message, typeName, custom?.any('typed_config'), endpoints);
  }
  switch (message.choice('type', types) ?? 'STATIC') {
    case 'STATIC':
      for (const { address } of localities.flatMap(({ endpoints }) => endpoints)) {
        if (isIP(address) === 0 && !address.startsWith('/'))
          message.problem(
            'load_assignment',
            `${JSON.stringify(address)} is no IP address; a STATIC cluster has no names, a STRICT_DNS one has`,
          );
      }
      return { kind: 'static', ...endpoints };
    case 'STRICT_DNS':
      return namesFrom(message, endpoints, 'all', message);
    case 'LOGICAL_DNS':
      return namesFrom(message, endpoints, 'one', message);
    case 'EDS': {
      const eds = message.message('eds_cluster_config');
      eds?.skip('eds_config');
      if (localities.length > 0) message.note('load_assignment', 'an EDS cluster gets its endpoints from the control plane');
      return { kind: 'endpoints', name: eds?.name('service_name') ?? name };
    }
    default:
      return { kind: 'original-destination' };
  }
}

function customDiscovery(message: Message, name: string, config: TypedMessage | undefined, endpoints: OwnEndpoints): Discovery {
  const what = `${name} ${config?.type ?? ''}`;
  if (/aggregate/.test(what)) return { kind: 'aggregate', clusters: config?.message.texts('clusters') ?? [] };
  if (/clusters?\.dns/.test(what) && config !== undefined) {
    const asOne = config.message.flag('all_addresses_in_single_endpoint') === true;
    return namesFrom(message, endpoints, asOne ? 'one' : 'all', config.message);
  }
  if (/strict_dns/.test(what)) return namesFrom(message, endpoints, 'all', message);
  if (/logical_dns/.test(what)) return namesFrom(message, endpoints, 'one', message);
  if (/original_dst/.test(what)) return { kind: 'original-destination' };
  if (/clusters?\.static/.test(what)) return { kind: 'static', ...endpoints };
  if (/clusters?\.eds/.test(what))
    return { kind: 'endpoints', name: message.message('eds_cluster_config')?.name('service_name') ?? message.text('name') ?? '' };
  message.problem('cluster_type', `there are no clusters of the kind ${name} here`);
  config?.message.markRead();
  return { kind: 'static', localities: [] };
}

const families = ['AUTO', 'V4_ONLY', 'V6_ONLY', 'V4_PREFERRED', 'ALL'] as const;
const familyNames: Readonly<Record<string, 'ipv4' | 'ipv6'>> = { V4_ONLY: 'ipv4', V6_ONLY: 'ipv6' };

/** Names that are resolved. `options` is where the DNS settings stand: the cluster, or the configuration of its type. */
function namesFrom(message: Message, own: OwnEndpoints, use: 'all' | 'one', options: Message): Discovery {
  const { localities, drops } = own;
  const endpoints = localities.flatMap((locality) => locality.endpoints);
  const family = familyNames[options.choice('dns_lookup_family', families) ?? 'AUTO'];
  const byTtl = options.flag('respect_dns_ttl') === true;
  // With the TTL it is for answers that have none.
  const writtenMs = options.durationMs('dns_refresh_rate');
  const refreshMs = byTtl ? undefined : writtenMs;
  const [only] = endpoints;
  if (use === 'one' && endpoints.length !== 1)
    message.problem('load_assignment', 'a LOGICAL_DNS cluster has exactly one endpoint');
  // One endpoint leaves nothing to provision over.
  if (only !== undefined && endpoints.length === 1 && isPlain(only, localities[0]!)) {
    if (drops !== undefined)
      message.note('load_assignment', 'drop_overloads: nothing is dropped of what goes to the addresses of one name');
    return {
      kind: 'dns',
      hostname: only.address,
      port: only.port,
      use,
      ...(family !== undefined && { family }),
      ...(refreshMs !== undefined && { refreshMs }),
    };
  }
  // Several names, or names with weights: each endpoint stands for all addresses of its name.
  if (family !== undefined)
    options.note('dns_lookup_family', 'addresses of both families are used where a cluster has several names');
  if (refreshMs !== undefined)
    options.note('dns_refresh_rate', 'names are resolved anew by their TTL where a cluster has several');
  return { kind: 'static', ...own };
}

/** Whether nothing is said of the endpoint but its name. */
function isPlain(endpoint: EndpointConfig, { locality, priority }: LocalityEndpoints): boolean {
  const { address: _address, port: _port, ...more } = endpoint;
  return Object.keys(more).length === 0 && Object.keys(locality).length === 0 && priority === 0;
}

/** Endpoints of a cluster (`config.endpoint.v3.ClusterLoadAssignment`). */
import type { EndpointConfig, EndpointsConfig, LocalityEndpoints } from '../../../model/cluster.ts';
import { endpointHealthCheckFrom } from './health-check.ts';
import type { Message } from './message.ts';
import { metadataFrom } from './metadata.ts';
import { fractionFrom } from './string-matcher.ts';

/**
 * Reads a `ClusterLoadAssignment`; `name` is for one that has none. `readLocalities` reads its localities, where that can be done
 * faster than message by message.
 */
export function endpointsFrom(message: Message, name: string, readLocalities = localitiesFrom): EndpointsConfig {
  message.skip('@type');
  const policy = message.message('policy');
  const factor = policy?.whole('overprovisioning_factor', 1);
  if (factor !== undefined && factor < 100)
    policy!.note('overprovisioning_factor', 'an endpoint can take its own share at least, so that it counts as 100');
  const overprovisioningPercent = factor && Math.max(100, factor);
  if (policy?.durationMs('endpoint_stale_after'))
    policy.note('endpoint_stale_after', 'endpoints stay in force until others come, as the last good configuration does');
  const drops = (policy?.messages('drop_overloads') ?? []).map((drop) => {
    const share = drop.message('drop_percentage');
    const { numerator, denominator } = share === undefined ? { numerator: 0, denominator: 100 } : fractionFrom(share);
    return { category: drop.text('category') ?? '', ratio: numerator / denominator };
  });
  if (message.has('named_endpoints')) message.note('named_endpoints', 'endpoints that are named elsewhere are not used');
  return {
    name: message.name('cluster_name') ?? name,
    localities: readLocalities(message),
    ...(overprovisioningPercent !== undefined && { overprovisioningPercent }),
    ...(drops.length > 0 && { drops }),
  };
}

function localitiesFrom(message: Message): readonly LocalityEndpoints[] {
  return message.messages('endpoints').map((locality) => localityFrom(locality));
}

/** Reads a `LocalityLbEndpoints`; `readEndpoints` as for {@link endpointsFrom}. */
export function localityFrom(message: Message, readEndpoints = localEndpointsFrom): LocalityEndpoints {
  const place = message.message('locality');
  const region = place?.name('region');
  const zone = place?.name('zone');
  const subZone = place?.name('sub_zone');
  const weight = message.whole('load_balancing_weight', 1);
  return {
    locality: {
      ...(region !== undefined && { region }),
      ...(zone !== undefined && { zone }),
      ...(subZone !== undefined && { subZone }),
    },
    priority: message.whole('priority', 0, 128) ?? 0,
    ...(weight !== undefined && { weight }),
    endpoints: readEndpoints(message),
  };
}

function localEndpointsFrom(message: Message): readonly EndpointConfig[] {
  return message.messages('lb_endpoints').flatMap((endpoint) => endpointFrom(endpoint) ?? []);
}

/** The values of `HealthStatus`, by number. */
export const healths = ['UNKNOWN', 'HEALTHY', 'UNHEALTHY', 'DRAINING', 'TIMEOUT', 'DEGRADED'] as const;
/** What they say of an endpoint; undefined = nothing. */
export const verdicts = {
  UNKNOWN: undefined,
  HEALTHY: 'healthy',
  UNHEALTHY: 'unhealthy',
  DRAINING: 'draining',
  TIMEOUT: 'unhealthy',
  DEGRADED: 'degraded',
} as const;

/** Reads an `LbEndpoint`; undefined, and reported, when it has no address. */
export function endpointFrom(message: Message): EndpointConfig | undefined {
  const endpoint = message.message('endpoint');
  const weight = message.whole('load_balancing_weight', 1);
  const health = verdicts[message.choice('health_status', healths) ?? 'UNKNOWN'];
  const metadata = metadataFrom(message.message('metadata'));
  if (endpoint === undefined) {
    if (message.has('endpoint_name')) message.note('endpoint_name', 'endpoints that are named elsewhere are not used');
    else message.problem('endpoint', 'must have an address');
    return undefined;
  }
  const internal = endpoint.message('address')?.message('envoy_internal_address');
  if (internal !== undefined) {
    // The way into a tunnel of the proxy: the other endpoints are good all the same.
    endpoint.message('address')?.markRead();
    internal.markRead();
    endpoint.message('health_check_config')?.markRead();
    endpoint.skip('hostname', 'health_check_config', 'additional_addresses');
    endpoint.note('address', 'is one inside of a proxy (envoy_internal_address): the endpoint is not used');
    return undefined;
  }
  const address = addressFrom(endpoint.message('address'), endpoint);
  const hostname = endpoint.name('hostname');
  const healthCheck = endpointHealthCheckFrom(endpoint.message('health_check_config'));
  if (address === undefined) return undefined;
  return {
    ...address,
    ...(weight !== undefined && { weight }),
    ...(metadata !== undefined && Object.keys(metadata).length > 0 && { metadata }),
    ...(health !== undefined && { health }),
    ...(hostname !== undefined && { hostname }),
    ...(healthCheck !== undefined && { healthCheck }),
  };
}

/** Reads a `config.core.v3.Address`: of a socket or of a pipe. */
export function addressFrom(address: Message | undefined, owner: Message): Pick<EndpointConfig, 'address' | 'port'> | undefined {
  if (address === undefined) {
    owner.problem('address', 'must be an address');
    return undefined;
  }
  const kind = address.oneOf('socket_address', 'pipe', 'envoy_internal_address');
  const inner = kind === undefined ? undefined : address.message(kind);
  if (inner === undefined || kind === 'envoy_internal_address') {
    owner.problem('address', 'must have a socket_address or a pipe');
    inner?.markRead();
    return undefined;
  }
  if (kind === 'pipe') {
    const path = inner.text('path') ?? '';
    if (!path.startsWith('/')) inner.problem('path', 'must be the absolute path of a unix socket');
    inner.skip('mode');
    return { address: path, port: 0 };
  }
  if (inner.choice('protocol', ['TCP', 'UDP']) === 'UDP') inner.problem('protocol', 'HTTP is spoken over TCP here');
  const host = inner.text('address') ?? '';
  if (host === '') inner.problem('address', 'must not be empty');
  const port = inner.whole('port_value', 0, 65_535);
  if (inner.has('named_port')) inner.note('named_port', 'ports have numbers');
  return { address: host, port: port ?? 0 };
}

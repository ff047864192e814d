/** Checks of a cluster: where its endpoints come from, how they are balanced, watched and protected. */
import { isIP } from 'node:net';
import type { ClusterConfig, Discovery, LoadBalancingConfig } from '../../model/cluster.ts';
import type { CircuitBreakerConfig, CircuitFallback, OutlierDetectionConfig } from '../../model/detection.ts';
import { nearestName } from '../../base/nearest-name.ts';
import { printed, type Check } from './check.ts';
import { checkHttp2, checkLocalities, checkShares, upstreamProtocols } from './endpoints.ts';
import { checkHealthCheck } from './health-check.ts';
import { checkLimits } from './limits.ts';
import type { Sliced } from './plain-data.ts';
import { checkRetryBudget } from './policies.ts';
import { checkUpstreamTls } from './tls.ts';

/** The load balancing policies, as far as a check needs them. */
export interface KnownPolicies {
  readonly policyNames: readonly string[];
  /** Throws when a known policy cannot be built with its options; the message names the path and the remedy. */
  readonly checkPolicyOptions: (loadBalancing: LoadBalancingConfig, path: string) => void;
}

/** Checks a cluster; returns it without repeated addresses, the very one when there are none. */
export function* checkCluster(check: Check, cluster: ClusterConfig, policies: KnownPolicies): Sliced<ClusterConfig> {
  checkLoadBalancing(check, cluster, policies);
  check.within('locality', cluster.locality, (inner, locality) => {
    inner.oneOf('mode', locality.mode ?? 'nothing', ['none', 'weighted', 'zone-aware']);
    inner.percent('panicThresholdPercent', locality.panicThresholdPercent);
    inner.flag('failTrafficOnPanic', locality.failTrafficOnPanic);
    inner.whole('zoneAwareMinClusterSize', locality.zoneAwareMinClusterSize, 0);
    inner.percent('zoneAwareRoutingPercent', locality.zoneAwareRoutingPercent);
  });
  check.within('subsets', cluster.subsets, (inner, subsets) => {
    for (const [name, metadata] of Object.entries(subsets)) {
      inner.name(name, name);
      inner.within(name, metadata, () => {});
    }
  });
  check.within('subsetFallbacks', cluster.subsetFallbacks, (inner, fallbacks) => {
    for (const [name, other] of Object.entries(fallbacks)) {
      for (const subset of [name, other]) {
        if (subset !== '' && !Object.hasOwn(cluster.subsets ?? {}, subset))
          inner.reject(`names ${printed(subset)}, which is no subset`, name);
      }
    }
  });
  check.within('slowStart', cluster.slowStart, (inner, slowStart) => {
    inner.durationMs('windowMs', slowStart.windowMs ?? null);
    inner.number('aggression', slowStart.aggression, 0, 1000);
    inner.percent('minWeightPercent', slowStart.minWeightPercent);
  });
  check.oneOf('protocol', cluster.protocol, upstreamProtocols);
  check.within('tls', cluster.tls, checkUpstreamTls);
  check.each('tlsMatches', cluster.tlsMatches, (inner, match) => {
    inner.name('name', match.name);
    inner.within('metadata', match.metadata ?? {}, () => {});
    inner.within('tls', match.tls ?? {}, checkUpstreamTls);
  });
  for (const key of ['connectTimeoutMs', 'idleTimeoutMs'] as const) check.longerThanNothing(key, cluster[key]);
  check.durationMs('maxConnectionAgeMs', cluster.maxConnectionAgeMs);
  check.whole('maxRequestsPerConnection', cluster.maxRequestsPerConnection, 0);
  check.within('http2', cluster.http2, checkHttp2);
  check.within('tcpKeepAlive', cluster.tcpKeepAlive, (inner, keepAlive) => {
    inner.whole('probes', keepAlive.probes, 0);
    inner.durationMs('idleMs', keepAlive.idleMs);
    inner.durationMs('intervalMs', keepAlive.intervalMs);
  });
  check.within('limits', cluster.limits, checkLimits);
  check.within('retryBudget', cluster.retryBudget, checkRetryBudget);
  check.within('circuitBreaker', cluster.circuitBreaker, checkCircuitBreaker);
  check.within('outlierDetection', cluster.outlierDetection, checkOutlierDetection);
  check.each('healthChecks', cluster.healthChecks, checkHealthCheck);
  const discovery = yield* checkDiscovery(check, cluster);
  return discovery === cluster.discovery ? cluster : { ...cluster, discovery };
}

function* checkDiscovery(check: Check, { name, discovery }: ClusterConfig): Sliced<Discovery> {
  check.enter('discovery');
  let result = discovery;
  switch (discovery?.kind) {
    case 'static': {
      checkShares(check, discovery);
      const localities = yield* checkLocalities(check, discovery.localities);
      if (localities !== discovery.localities) result = { ...discovery, localities };
      break;
    }
    case 'endpoints':
      check.name('name', discovery.name);
      break;
    case 'dns':
      if (isIP(discovery.hostname) === 0) check.hostname('hostname', discovery.hostname);
      check.port('port', discovery.port, 1);
      check.oneOf('use', discovery.use ?? 'nothing', ['all', 'one']);
      check.oneOf('family', discovery.family, ['both', 'ipv4', 'ipv6']);
      check.durationMs('refreshMs', discovery.refreshMs);
      break;
    case 'aggregate':
      if (check.list(discovery.clusters).length === 0) check.reject('must name at least one cluster', 'clusters');
      check.each('clusters', discovery.clusters, (inner, member) => {
        inner.name('', member);
        if (member === name) inner.reject('is the cluster itself');
      });
      break;
    case 'original-destination':
      break;
    default:
      check.reject('is none of static, endpoints, dns, aggregate, original-destination', 'kind');
  }
  check.leave();
  return result;
}

function checkLoadBalancing(
  check: Check,
  { loadBalancing }: ClusterConfig,
  { policyNames, checkPolicyOptions }: KnownPolicies,
): void {
  check.enter('loadBalancing');
  const name: unknown = loadBalancing?.policy;
  if (typeof name !== 'string' || !policyNames.includes(name)) {
    const near = typeof name === 'string' ? nearestName(name, policyNames) : undefined;
    const hint = near === undefined ? '' : `; did you mean ${near}?`;
    check.reject(`there is no load balancing policy ${printed(name)}${hint} Known: ${policyNames.join(', ')}`, 'policy');
  } else {
    try {
      checkPolicyOptions(loadBalancing, 'loadBalancing.options');
    } catch (error) {
      check.reject(error instanceof Error ? error.message : 'cannot be read', 'options');
    }
  }
  check.leave();
}

function checkCircuitBreaker(check: Check, breaker: CircuitBreakerConfig): void {
  check.number('errorThresholdPercent', breaker.errorThresholdPercent ?? null, 1, 100);
  check.whole('minimumRequests', breaker.minimumRequests ?? null, 1);
  check.durationMs('openMs', breaker.openMs ?? null);
  check.longerThanNothing('windowMs', breaker.windowMs ?? null);
  check.oneOf('scope', breaker.scope, ['host', 'cluster']);
  check.within('fallback', breaker.fallback, checkCircuitFallback);
  if (breaker.fallback !== undefined && breaker.scope !== 'cluster')
    check.reject('holds for a whole cluster: set scope to "cluster", or remove it', 'fallback');
}

function checkCircuitFallback(check: Check, fallback: CircuitFallback): void {
  check.oneOf('kind', fallback.kind ?? 'nothing', ['cluster', 'answer']);
  if (fallback.kind === 'cluster') check.name('cluster', fallback.cluster);
  if (fallback.kind !== 'answer') return;
  check.whole('status', fallback.status ?? null, 200, 599);
  if (fallback.body !== undefined) check.text('body', fallback.body);
  if (fallback.contentType !== undefined) check.text('contentType', fallback.contentType);
}

function checkOutlierDetection(check: Check, outlier: OutlierDetectionConfig): void {
  for (const key of ['consecutive5xx', 'consecutiveGatewayFailure', 'consecutiveLocalOriginFailure', 'minReadyHosts'] as const) {
    check.whole(key, outlier[key], 0);
  }
  for (const key of [
    'splitLocalOriginErrors',
    'alwaysEjectOneHost',
    'returnOnProbe',
    'respectRetryAfter',
    'unejectOnHealthCheck',
  ] as const)
    check.flag(key, outlier[key]);
  check.within('cusum', outlier.cusum, (inner, cusum) => {
    // Less than one in three thousand years per endpoint needs more evidence than a host gives in its life.
    inner.number('falseEjectionsPerEndpointDay', cusum.falseEjectionsPerEndpointDay, 1e-6, 1000);
    inner.flag('silence', cusum.silence);
    inner.flag('latency', cusum.latency);
  });
  check.durationMs('intervalMs', outlier.intervalMs);
  check.durationMs('baseEjectionMs', outlier.baseEjectionMs ?? null);
  check.durationMs('maxEjectionMs', outlier.maxEjectionMs ?? null);
  if (outlier.maxEjectionMs < outlier.baseEjectionMs)
    check.reject(`is less than baseEjectionMs (${outlier.baseEjectionMs})`, 'maxEjectionMs');
  check.durationMs('maxEjectionJitterMs', outlier.maxEjectionJitterMs);
  check.percent('maxEjectionPercent', outlier.maxEjectionPercent ?? null);
  check.oneOf('ejectionGrowth', outlier.ejectionGrowth, ['linear', 'exponential']);
  check.number('ejectionJitterRatio', outlier.ejectionJitterRatio, 0, 1000);
  check.within('successRate', outlier.successRate, (inner, rate) => {
    inner.whole('minimumHosts', rate.minimumHosts ?? null, 0);
    inner.whole('requestVolume', rate.requestVolume ?? null, 0);
    inner.number('stdevFactor', rate.stdevFactor ?? null, 0, 1000);
    inner.percent('enforcingPercent', rate.enforcingPercent ?? null);
    inner.percent('enforcingLocalOriginPercent', rate.enforcingLocalOriginPercent);
  });
  check.within('failurePercentage', outlier.failurePercentage, (inner, failure) => {
    inner.percent('thresholdPercent', failure.thresholdPercent ?? null);
    inner.whole('minimumHosts', failure.minimumHosts ?? null, 0);
    inner.whole('requestVolume', failure.requestVolume ?? null, 0);
    inner.percent('enforcingPercent', failure.enforcingPercent ?? null);
    inner.percent('enforcingLocalOriginPercent', failure.enforcingLocalOriginPercent);
  });
  check.within('successRateAverage', outlier.successRateAverage, (inner, average) => {
    inner.ratio('threshold', average.threshold ?? null);
    inner.durationMs('decayMs', average.decayMs ?? null);
    inner.whole('minimumRequests', average.minimumRequests ?? null, 0);
  });
  check.within('enforcing', outlier.enforcing, (inner, enforcing) => {
    for (const [detector, percent] of Object.entries(enforcing)) inner.percent(detector, percent);
  });
}

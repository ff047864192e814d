import type { Clock } from '../base/runtime.ts';
import type { ConfigStore, SourceStatus } from '../control-plane/store.ts';
import type { SourceFindings } from '../model/contracts.ts';
import type { PriorityStatus } from '../data-plane/cluster/host-group.ts';
import type { LiveConfig } from '../data-plane/live-config.ts';
import type { BreakerView } from '../data-plane/resilience/cluster-breaker.ts';
import type { Forecast } from '../data-plane/resilience/failure-forecast.ts';
import type { ClusterLimits } from '../data-plane/resilience/limits.ts';
import type { IdentityStore } from '../security/identity-store.ts';
import type { InboundPortStatus } from './inbound-status.ts';
import { endpointView, type EndpointView } from './endpoint-view.ts';

/** One cluster as the mesh knows it. */
export interface ClusterStatus {
  readonly name: string;
  readonly source: string;
  /** Of every priority. */
  readonly requestsInFlight: number;
  /** Of those, the ones of high priority; absent while there is none. */
  readonly highPriorityInFlight?: number;
  /** Requests that `limits.adaptive` lets be in flight now; absent where it is off. */
  readonly adaptiveLimit?: number;
  /** Share of the requests that `limits.throttle` refuses now, 0…100; absent where it is off. */
  readonly throttledPercent?: number;
  readonly panic: boolean;
  /** W = Σwᵢ / N over the configured weights of all endpoints; absent where there is none. */
  readonly meanWeight?: number;
  /** What each priority gets. */
  readonly priorities: readonly PriorityStatus[];
  /** How many endpoints to expect down. */
  readonly forecast: Forecast;
  /** Of the budget that the latest request to it counts in. */
  readonly retryBudgetLeft: number;
  /** Limits that are reached now, in words. */
  readonly limitsReached: readonly string[];
  /** That of the whole cluster; absent where there is none. */
  readonly circuitBreaker?: BreakerView;
  readonly endpoints: readonly (EndpointView & {
    readonly requests: number;
    readonly failures: number;
    /** Smoothed time to the response head; absent until a response has come. */
    readonly latencyMs?: number;
    readonly connections: number;
    /** Until the host may return; absent while it is in. */
    readonly outForMs?: number;
  })[];
}

/** A control plane as the mesh knows it. */
export interface ControlPlaneView extends Omit<SourceStatus, 'state'> {
  /** `not-used`: it is DNS, and unknown hosts are refused, or go through the global dispatcher that the program has set. */
  readonly state: SourceStatus['state'] | 'not-used';
}

/** What the mesh knows now. */
export interface MeshStatus {
  readonly name: string;
  readonly version: string;
  readonly controlPlanes: readonly ControlPlaneView[];
  readonly virtualHosts: ReturnType<LiveConfig['virtualHosts']>;
  readonly clusters: readonly ClusterStatus[];
  readonly identities: ReturnType<IdentityStore['statuses']>;
  /** Ports that are open, and the policy of each. */
  readonly inbound: readonly InboundPortStatus[];
  /** Fields that were received and have no effect, beside those that the control planes list themselves. */
  readonly unhonoured: ReturnType<LiveConfig['unhonoured']>;
}

/** Gathers the status of all parts. No secrets, no side effects. */
export function meshStatus(mesh: {
  name: string;
  config: LiveConfig;
  store: ConfigStore;
  identities: IdentityStore;
  clock: Clock;
  /** A source that is there and that nobody asks. */
  unusedSource: string | undefined;
  inbound: readonly InboundPortStatus[];
  /** What a source knows and has not put in force. */
  findingsOf: (source: string) => SourceFindings | undefined;
}): MeshStatus {
  const { name, config, store, identities, clock, unusedSource, findingsOf } = mesh;
  const now = clock.now();
  return {
    name,
    version: config.version,
    controlPlanes: store
      .status()
      .map((status) => withFindings(status, findingsOf(status.source)))
      .map((status) => (status.source === unusedSource ? { ...status, state: 'not-used' } : status)),
    virtualHosts: config.virtualHosts(),
    clusters: [...config.clusters()].map((cluster) => ({
      name: cluster.name,
      source: cluster.source,
      ...loadOf(cluster.limits, now),
      panic: cluster.group('')?.isPanic ?? false,
      ...meanWeight([...cluster.hosts]),
      priorities: cluster.group('')?.loadOfPriorities() ?? [],
      forecast: roundedForecast(cluster.detection.forecast.read(now)),
      retryBudgetLeft: cluster.retryBudgetLeft(now),
      limitsReached: cluster.limits.reached(),
      ...(cluster.breaker !== undefined && { circuitBreaker: cluster.breaker.view(now) }),
      endpoints: [...cluster.hosts].map((host) => ({
        ...endpointView(cluster, host, now),
        requests: host.requests,
        failures: host.failures,
        ...(host.latencyMs < 0 ? {} : { latencyMs: Math.round(host.latencyMs * 100) / 100 }),
        connections: [...host.allConnections()].reduce((sum, { size }) => sum + size, 0),
        ...(host.out === undefined ? {} : { outForMs: Math.max(0, Math.round(host.outUntilMs - now)) }),
      })),
    })),
    identities: identities.statuses(),
    inbound: mesh.inbound,
    unhonoured: config.unhonoured(),
  };
}

function withFindings(status: SourceStatus, findings: SourceFindings | undefined): SourceStatus {
  if (findings === undefined) return status;
  return {
    ...status,
    rejected: [...status.rejected, ...findings.rejected],
    unhonoured: [...status.unhonoured, ...findings.unhonoured],
  };
}

/** Four digits are more than the estimates are worth. */
function roundedForecast(forecast: Forecast): Forecast {
  const { endpointHours, failuresPerEndpointDay, meanRepairMs, expectedDown, lossesNextHour } = forecast;
  return {
    ...forecast,
    endpointHours: rounded(endpointHours),
    failuresPerEndpointDay: rounded(failuresPerEndpointDay),
    meanRepairMs: rounded(meanRepairMs),
    expectedDown: rounded(expectedDown),
    lossesNextHour: lossesNextHour.map(rounded),
  };
}

function rounded(value: number): number {
  return Number(value.toPrecision(4));
}

function meanWeight(hosts: readonly { readonly weight: number }[]) {
  return hosts.length === 0 ? {} : { meanWeight: hosts.reduce((sum, { weight }) => sum + weight, 0) / hosts.length };
}

function loadOf({ admission, high }: ClusterLimits, now: number) {
  const { inFlight: requestsInFlight, limit } = admission;
  const refusalPercent = admission.refusalPercent(now);
  return {
    requestsInFlight,
    ...(high.requests > 0 && { highPriorityInFlight: high.requests }),
    ...(limit !== undefined && { adaptiveLimit: limit }),
    ...(refusalPercent !== undefined && { throttledPercent: refusalPercent }),
  };
}

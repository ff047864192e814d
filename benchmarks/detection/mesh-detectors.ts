import { safeDefaults, safeRetry } from '../../src/control-plane/safe-defaults.ts';
import type { OutlierDetectionConfig } from '../../src/model/detection.ts';
import type { RequestPolicy } from '../../src/model/route.ts';
import { cusumConfig, envoyConfig } from './detector-table.ts';
import { defaults, workloads } from './protocol.ts';

/** A detector as the whole mesh runs it, by configuration. */
export interface MeshDetector {
  readonly name: string;
  readonly title: string;
  readonly outlierDetection: OutlierDetectionConfig;
  /** It learns of silence by a timeout alone. */
  readonly needsTimeout: boolean;
}

/** Linkerd's failure accrual in the words of a cluster. */
const linkerd: OutlierDetectionConfig = {
  consecutive5xx: defaults.linkerd.maxFailures,
  baseEjectionMs: 1000,
  maxEjectionMs: 60_000,
  ejectionGrowth: 'exponential',
  ejectionJitterRatio: 0.5,
  maxEjectionPercent: 100,
  returnOnProbe: true,
  // Where it is not named Envoy's default holds, and Linkerd has none.
  successRate: { minimumHosts: 5, requestVolume: 100, stdevFactor: 1.9, enforcingPercent: 0 },
};

/** gRPC's two algorithms, with at most 10 % out but always one. */
const a50: OutlierDetectionConfig = {
  ...envoyConfig(defaults.a50.stdevFactor),
  consecutive5xx: 0,
  consecutiveLocalOriginFailure: 0,
  alwaysEjectOneHost: true,
  failurePercentage: { thresholdPercent: 85, minimumHosts: 5, requestVolume: 50, enforcingPercent: 100 },
};

export const meshDetectors: readonly MeshDetector[] = [
  {
    name: 'cusum',
    title: 'meshfetch, defaults',
    outlierDetection: cusumConfig(defaults.cusum.falseEjectionsPerEndpointDay),
    needsTimeout: false,
  },
  { name: 'envoy', title: 'Envoy default', outlierDetection: envoyConfig(defaults.envoy.stdevFactor), needsTimeout: true },
  { name: 'a50', title: 'gRPC A50 default', outlierDetection: a50, needsTimeout: true },
  { name: 'linkerd', title: 'Linkerd, 7 in a row', outlierDetection: linkerd, needsTimeout: true },
];

/** What callers ask for: the safe retries, and an end after their patience; a timeout an attempt where the detector needs one. */
export function policyFor({ needsTimeout }: MeshDetector): RequestPolicy {
  const { patienceMs, perTryTimeoutMs } = workloads.blackhole;
  return {
    ...safeDefaults.policy,
    timeoutMs: patienceMs,
    retry: needsTimeout ? { ...safeRetry, perTryTimeoutMs } : safeRetry,
  };
}

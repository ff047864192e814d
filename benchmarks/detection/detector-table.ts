import type { OutlierDetectionConfig } from '../../src/model/detection.ts';
import { safeOutlierDetection } from '../../src/control-plane/safe-defaults.ts';
import { consecutiveFailures } from './detectors/consecutive-failures.ts';
import type { DetectorKind } from './detectors/detector.ts';
import { finagleHybrid } from './detectors/finagle-hybrid.ts';
import { grpcA50 } from './detectors/grpc-a50.ts';
import { meshDetection } from './detectors/mesh-detection.ts';
import { poissonWindow } from './detectors/poisson-window.ts';
import { defaults, ladders } from './protocol.ts';

export type DetectorName = keyof typeof ladders;

/** A detector that is compared, and its one parameter. */
export interface DetectorFamily {
  readonly name: DetectorName;
  readonly title: string;
  /** As it is shipped. */
  readonly default: number;
  readonly ladder: readonly number[];
  readonly parameter: string;
  kind(value: number): DetectorKind;
}

/** Ours: the safe defaults, with the budget of false ejections. */
export function cusumConfig(falseEjectionsPerEndpointDay: number): OutlierDetectionConfig {
  return { ...safeOutlierDetection, cusum: { falseEjectionsPerEndpointDay } };
}

/** Envoy's defaults, which is what xDS configures: 5 failures in a row or the success rate, 10 % out at most. */
export function envoyConfig(stdevFactor: number): OutlierDetectionConfig {
  return {
    consecutive5xx: 5,
    intervalMs: 10_000,
    baseEjectionMs: 30_000,
    maxEjectionMs: 300_000,
    maxEjectionPercent: 10,
    alwaysEjectOneHost: false,
    returnOnProbe: false,
    successRate: { minimumHosts: 5, requestVolume: 100, stdevFactor, enforcingPercent: 100 },
  };
}

export const detectorTable: readonly DetectorFamily[] = [
  {
    name: 'cusum',
    title: 'meshfetch (peer CUSUM)',
    default: defaults.cusum.falseEjectionsPerEndpointDay,
    ladder: ladders.cusum,
    parameter: 'false ejections per endpoint-day asked for',
    kind: (value) => meshDetection(`cusum ${value}`, cusumConfig(value)),
  },
  {
    name: 'envoy',
    title: 'Envoy default',
    default: defaults.envoy.stdevFactor,
    ladder: ladders.envoy,
    parameter: 'standard deviations',
    kind: (value) => meshDetection(`envoy ${value}`, envoyConfig(value)),
  },
  {
    name: 'a50',
    title: 'gRPC A50 default',
    default: defaults.a50.stdevFactor,
    ladder: ladders.a50,
    parameter: 'standard deviations',
    kind: (value) => grpcA50(`a50 ${value}`, value),
  },
  {
    name: 'linkerd',
    title: 'Linkerd, 7 in a row',
    default: defaults.linkerd.maxFailures,
    ladder: ladders.linkerd,
    parameter: 'failures in a row',
    kind: (value) => consecutiveFailures(`linkerd ${value}`, value),
  },
  {
    name: 'finagle',
    title: 'Finagle hybrid',
    default: defaults.finagle.successRatio,
    ladder: ladders.finagle,
    parameter: 'required success ratio',
    kind: (value) => finagleHybrid(`finagle ${value}`, value),
  },
  {
    name: 'poisson',
    title: 'Poisson tail per second',
    default: defaults.poisson.alpha,
    ladder: ladders.poisson,
    parameter: 'α',
    kind: (value) => poissonWindow(`poisson ${value}`, value),
  },
];

/** `outlierDetection` of the file → that of the model. */
import type { OutlierDetectionConfig, SuccessRateConfig } from '../../model/detection.ts';
import type { DefaultsFile } from './schema.ts';

/** What holds without `cusum`, so that something is looked for. Envoy's value. */
const consecutiveWithoutCusum = 5;

/** Finds nothing: in the model success rates count where there is no `cusum` and nothing is said of them. */
const noSuccessRate: SuccessRateConfig = {
  minimumHosts: 5,
  requestVolume: 100,
  stdevFactor: 1.9,
  enforcingPercent: 0,
  enforcingLocalOriginPercent: 0,
};

/** Undefined when nothing is looked for. */
export function detectionFromFile(detection: DefaultsFile['outlierDetection']): OutlierDetectionConfig | undefined {
  if (detection === false) return undefined;
  const { cusum, successRate, failurePercentage, ...rest } = detection;
  const rates = {
    ...(failurePercentage !== undefined && { failurePercentage: withLocalOrigin(failurePercentage) }),
    ...(successRate !== undefined && { successRate: withLocalOrigin(successRate) }),
  };
  if (cusum !== false) return { cusum, ...rest, ...rates };
  const { consecutive5xx = consecutiveWithoutCusum } = rest;
  const alone = { successRate: noSuccessRate, ...rest, consecutive5xx, ...rates };
  return isOff(alone) ? undefined : alone;
}

/** Local failures count as much as the others where they are told apart. */
function withLocalOrigin<T extends { readonly enforcingPercent: number; readonly enforcingLocalOriginPercent?: number }>(
  rate: T,
): T {
  return { enforcingLocalOriginPercent: rate.enforcingPercent, ...rate };
}

function isOff(detection: OutlierDetectionConfig): boolean {
  const { consecutive5xx, consecutiveGatewayFailure = 0, splitLocalOriginErrors, consecutiveLocalOriginFailure } = detection;
  const { successRate, failurePercentage, successRateAverage } = detection;
  const isLocalOriginOff = splitLocalOriginErrors !== true || consecutiveLocalOriginFailure === 0;
  const hasRate = successRate !== noSuccessRate || (failurePercentage ?? successRateAverage) !== undefined;
  return consecutive5xx === 0 && consecutiveGatewayFailure === 0 && isLocalOriginOff && !hasRate;
}

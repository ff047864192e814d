/** Detectors that are written and can never take an endpoint out. No mistakes; `mesh.status()` shows them. */
import type { DefaultsFile, ServiceFile } from './schema.ts';
import { detectionFromFile } from './translate-outlier-detection.ts';

type Report = (path: string, reason: string) => void;
type Detection = DefaultsFile['outlierDetection'];

/** Why nothing is looked for, or undefined when something is, or when that is what `false` says. */
export function nothingLookedFor(detection: Detection | undefined): string | undefined {
  if (detection === undefined || detection === false || detectionFromFile(detection) !== undefined) return undefined;
  return 'every detector is off, so that no endpoint is ever taken out; name one, or write `false` in its place';
}

/** Reports what of `outlierDetection` has no effect; paths begin below the service. Only what the service says itself is looked at. */
export function detectionWithoutEffect({ outlierDetection: detection, endpoints, dns }: ServiceFile, report: Report): void {
  if (detection === undefined || detection === false) return;
  const nothing = nothingLookedFor(detection);
  if (nothing !== undefined) {
    report('.outlierDetection', nothing);
    return;
  }
  // How many addresses a name has is not known here.
  if (endpoints === undefined || dns !== undefined) return;
  const count = endpoints.length;
  const has = count === 1 ? 'the service has one endpoint' : `the service has ${count} endpoints`;
  const { minReadyHosts = 0, maxEjectionPercent, alwaysEjectOneHost } = detection;
  if (minReadyHosts >= count)
    report('.outlierDetection.minReadyHosts', `${has}, of which ${minReadyHosts} must stay in: none is ever taken out`);
  else if (!alwaysEjectOneHost && maxEjectionPercent * count < 100)
    report(
      '.outlierDetection.maxEjectionPercent',
      `${has}, of which ${maxEjectionPercent} % are less than one: none is ever taken out; raise it, or set \`alwaysEjectOneHost: true\``,
    );
  for (const key of ['successRate', 'failurePercentage'] as const) {
    const minimumHosts = detection[key]?.minimumHosts ?? 0;
    if (minimumHosts > count)
      report(
        `.outlierDetection.${key}`,
        `${has}, and nothing is compared below \`minimumHosts\` (${minimumHosts})${count === 1 ? '' : `: set that to ${count} or less`}`,
      );
  }
}

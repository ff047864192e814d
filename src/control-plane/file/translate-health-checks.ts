/** `healthChecks` of the file → those of the model. */
import type { HealthCheckConfig } from '../../model/health.ts';
import { healthCheckOfPath } from './schema-health-checks.ts';
import type { DefaultsFile } from './schema.ts';

type HealthChecksFile = NonNullable<DefaultsFile['healthChecks']>;
type StatusRanges = NonNullable<HealthCheckConfig['expectedStatuses']>;

/** Every check with its defaults; an item that is a path alone is an HTTP check with all of them. */
export function healthChecksFromFile(checks: HealthChecksFile): HealthCheckConfig[] {
  return checks.map((written) => {
    const { expectedStatuses, retriableStatuses, ...check } = typeof written === 'string' ? healthCheckOfPath(written) : written;
    return {
      ...check,
      ...(expectedStatuses !== undefined && { expectedStatuses: rangesFrom(expectedStatuses) }),
      ...(retriableStatuses !== undefined && { retriableStatuses: rangesFrom(retriableStatuses) }),
    };
  });
}

/** `200` and `"200-299"`; the end of a range of the model is not part of it. */
function rangesFrom(statuses: readonly (number | string)[]): StatusRanges {
  return statuses.map((status) => {
    const [start = 0, last = start] = String(status).split('-').map(Number);
    return { start, end: last + 1 };
  });
}

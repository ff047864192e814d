import type { LoadReport } from '../../model/contracts.ts';

/** A report that is being read. */
export type ReportDraft = { -readonly [K in keyof LoadReport]: LoadReport[K] } & {
  readonly namedMetrics: Record<string, number>;
  readonly utilization: Record<string, number>;
};

/** The fields of a report by their names in the proto. */
export const reportFields: Readonly<Record<string, Exclude<keyof LoadReport, 'namedMetrics' | 'utilization'>>> = {
  cpu_utilization: 'cpuUtilization',
  mem_utilization: 'memoryUtilization',
  application_utilization: 'applicationUtilization',
  rps_fractional: 'rps',
  eps: 'eps',
};

/** Starts a report: all numbers 0, no names. */
export function emptyReport(): ReportDraft {
  return {
    cpuUtilization: 0,
    memoryUtilization: 0,
    applicationUtilization: 0,
    rps: 0,
    eps: 0,
    // Names come from outside: no prototype that `__proto__` could reach.
    namedMetrics: Object.create(null) as Record<string, number>,
    utilization: Object.create(null) as Record<string, number>,
  };
}

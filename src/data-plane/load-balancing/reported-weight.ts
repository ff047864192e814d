/**
 * The weight of a host by what it reports of itself: requests a second for each unit of utilization, that is, how many it could take.
 * A report must be fresh, and reports must have come for a while, before they count: a process that has just started is quick or slow
 * for reasons of its own. Source: gRFC A58 (`UpdateWeight`, `GetWeight`) and A114; numbers that are not above 0 count as not given.
 */
import type { HostObserver, LoadReport } from '../../model/contracts.ts';

/** How reports become weights; the defaults are in client-side-weighted-round-robin.ts. */
export interface ReportedWeightOptions {
  /** Reports count only when they have come for so long. */
  readonly blackoutMs: number;
  /** A report counts for so long. */
  readonly expirationMs: number;
  /** Weights are read anew at most this often. */
  readonly updateMs: number;
  /** Utilization that a host has in addition when all of its requests fail. */
  readonly errorPenalty: number;
  /** Metrics of the report of which the highest is the utilization. */
  readonly metrics: readonly string[];
  /** Milliseconds between reports that hosts are asked for out of band; undefined = they are not asked. */
  readonly oobReportingMs?: number | undefined;
}

/** What a policy keeps of one host. */
export class ReportedWeight implements HostObserver {
  private readonly options: ReportedWeightOptions;
  private weight = 0.1;
  private updatedMs = Number.NEGATIVE_INFINITY;
  /** First report since there were none; infinite while there are none. */
  private sinceMs = Number.POSITIVE_INFINITY;

  constructor(options: ReportedWeightOptions) {
    this.options = options;
  }

  get reportIntervalMs(): number | undefined {
    return this.options.oobReportingMs;
  }

  onLoadReport(report: LoadReport, nowMs: number): void {
    const { rps } = report;
    const { expirationMs, errorPenalty, metrics } = this.options;
    let used = utilizationOf(report, metrics);
    if (used > 0 && rps > 0 && report.eps > 0) used += (report.eps / rps) * errorPenalty;
    const weight = rps / used;
    if (!(used > 0 && rps > 0 && weight > 0 && weight < Number.POSITIVE_INFINITY)) return;
    if (this.sinceMs === Number.POSITIVE_INFINITY || nowMs - this.updatedMs >= expirationMs) this.sinceMs = nowMs;
    this.updatedMs = nowMs;
    this.weight = weight;
  }

  /** Its weight at this time, or 0 when none is known. */
  weightAt(nowMs: number): number {
    const { expirationMs, blackoutMs } = this.options;
    if (nowMs - this.updatedMs >= expirationMs) {
      this.sinceMs = Number.POSITIVE_INFINITY;
      return 0;
    }
    return blackoutMs > 0 && nowMs - this.sinceMs < blackoutMs ? 0 : this.weight;
  }
}

/** The highest of these metrics, else what the application says, else the processor. Source: gRFC A114. */
export function utilizationOf(report: LoadReport, metrics: readonly string[]): number {
  let highest = 0;
  for (const name of metrics) {
    const value = metricOf(report, name);
    if (value > highest) highest = value;
  }
  if (highest > 0) return highest;
  return report.applicationUtilization > 0 ? report.applicationUtilization : report.cpuUtilization;
}

/** A metric by its name in the report, such as `mem_utilization` or `named_metrics.queue`; 0 when it is not there. */
function metricOf(report: LoadReport, name: string): number {
  const dot = name.indexOf('.');
  const key = name.slice(dot + 1);
  switch (dot === -1 ? name : name.slice(0, dot)) {
    case 'named_metrics':
      return Object.hasOwn(report.namedMetrics, key) ? report.namedMetrics[key]! : 0;
    case 'utilization':
      return Object.hasOwn(report.utilization, key) ? report.utilization[key]! : 0;
    case 'application_utilization':
      return report.applicationUtilization;
    case 'cpu_utilization':
      return report.cpuUtilization;
    case 'mem_utilization':
      return report.memoryUtilization;
    default:
      return 0;
  }
}

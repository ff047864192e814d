/**
 * Turns by the weights that hosts give themselves by their load reports (reported-weight.ts). Hosts without a weight have the mean
 * one; with fewer than two weights known, all of them take plain turns, or turns by their configured weights where those differ.
 * Source: gRFC A58; metrics by name: gRFC A114; `client_side_weighted_round_robin` of Envoy is the same policy.
 *
 * There is no timer: a pick that finds the weights older than `updateMs` reads them anew. So a cluster without traffic costs nothing.
 * Reports come with responses and gRPC trailers, and out of band where the policy asks for that (../load-reports/): the latest counts, so
 * that a server which knows one way alone has its weight all the same.
 */
import type { Random } from '../../base/runtime.ts';
import { MeshError } from '../../base/errors.ts';
import type { HostSet, LoadBalancingPolicy, OptionsSchema, PickableHost, PickContext, Picker } from '../../model/contracts.ts';
import { numberOption, refuseUnknownOptions } from './policy-options.ts';
import { ReportedWeight, type ReportedWeightOptions } from './reported-weight.ts';
import { roundRobin } from './round-robin.ts';
import { createNarrowSchedule, type StrideSchedule } from './stride-schedule.ts';
import { isTried, nextUntried, redraws } from './tried-hosts.ts';

/** Weights are kept within these multiples of their mean, which bounds the work of a turn. Source: grpc-java's scheduler. */
const leastOfMean = 0.1;
const mostOfMean = 10;

const maxMs = 86_400_000;
/** Nobody's load changes faster, and a server that is asked for more is asked for too much. */
const leastReportingMs = 100;
const metricName = /^(?:application_utilization|cpu_utilization|mem_utilization|(?:named_metrics|utilization)\..+)$/;

const options: OptionsSchema<ReportedWeightOptions> = {
  parse(given, path) {
    refuseUnknownOptions(given, ['blackoutMs', 'expirationMs', 'updateMs', 'errorPenalty', 'metrics', 'oobReportingMs'], path);
    const range = { max: maxMs, integer: false };
    return {
      blackoutMs: numberOption(given, 'blackoutMs', path, { ...range, min: 0, fallback: 10_000 }),
      expirationMs: numberOption(given, 'expirationMs', path, { ...range, min: 1, fallback: 180_000 }),
      updateMs: numberOption(given, 'updateMs', path, { ...range, min: 100, fallback: 1000 }),
      errorPenalty: numberOption(given, 'errorPenalty', path, { min: 0, max: 1e6, integer: false, fallback: 1 }),
      metrics: metricsOption(given?.['metrics'], `${path}.metrics`),
      ...(given?.['oobReportingMs'] !== undefined && {
        oobReportingMs: numberOption(given, 'oobReportingMs', path, { ...range, min: leastReportingMs, fallback: 10_000 }),
      }),
    };
  },
  fields: [
    {
      name: 'blackoutMs',
      type: 'number ≥ 0',
      default: '10000 (gRFC A58)',
      doc: 'The reports of a host count when they have come for so long.',
    },
    {
      name: 'expirationMs',
      type: 'number ≥ 1',
      default: '180000 (gRFC A58)',
      doc: 'A report counts for so long; after that the host has the mean weight.',
    },
    { name: 'updateMs', type: 'number ≥ 100', default: '1000 (gRFC A58)', doc: 'Weights are read anew at most this often.' },
    {
      name: 'errorPenalty',
      type: 'number ≥ 0',
      default: '1 (gRFC A58)',
      doc: 'Utilization that a host has in addition when all of its requests fail; its share of failures counts.',
    },
    {
      name: 'metrics',
      type: 'list of names',
      default: 'none',
      doc: 'The highest of these metrics is the utilization (`named_metrics.queue`, `utilization.disk`, `mem_utilization`); without them `application_utilization`, else `cpu_utilization` (gRFC A114).',
    },
    {
      name: 'oobReportingMs',
      type: 'number ≥ 100',
      default: 'none: hosts are not asked',
      doc: 'Hosts are asked out of band, by `xds.service.orca.v3.OpenRcaService`, to report so often (gRFC A51; its own value is 10000). Reports of responses count as well: the latest does.',
    },
  ],
};

function metricsOption(value: unknown, path: string): readonly string[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw new MeshError('MESH_CONFIG_INVALID', `${path} must be a list of names of metrics`);
  for (const name of value as readonly unknown[]) {
    if (typeof name === 'string' && metricName.test(name)) continue;
    const known = 'named_metrics.NAME, utilization.NAME, application_utilization, cpu_utilization or mem_utilization';
    throw new MeshError('MESH_CONFIG_INVALID', `${path} has ${JSON.stringify(name)}; a metric is ${known}`);
  }
  return value as readonly string[];
}

/** The policy that gRPC calls `weighted_round_robin`. */
export const clientSideWeightedRoundRobin: LoadBalancingPolicy<ReportedWeightOptions> = {
  name: 'client-side-weighted-round-robin',
  doc: 'Each host as often as the load that it reports (ORCA) leaves room for; plain turns until two hosts have reported.',
  options,
  build: (hosts, { updateMs }, random, previous) => new ReportedPicker(hosts, updateMs, random, previous),
  observe: (parsed) => new ReportedWeight(parsed),
};

class ReportedPicker implements Picker {
  private readonly hosts: HostSet;
  private readonly updateMs: number;
  private readonly random: Random;
  private readonly weights: Float64Array;
  /** While fewer than two hosts have a weight. */
  readonly turns: Picker;
  private schedule: StrideSchedule | undefined = undefined;
  private readAtMs = Number.NEGATIVE_INFINITY;

  constructor(hosts: HostSet, updateMs: number, random: Random, previous: Picker | undefined) {
    const before = previous instanceof ReportedPicker ? previous : undefined;
    this.hosts = hosts;
    this.updateMs = updateMs;
    this.random = random;
    this.weights = new Float64Array(hosts.length);
    this.turns = roundRobin.build(hosts, undefined, random, before?.turns);
    // Its position goes on; its weights are those of other hosts, and are read by the first pick.
    this.schedule = before?.schedule;
  }

  pick(context: PickContext): PickableHost | undefined {
    const { hosts } = this;
    if (hosts.length === 0) return undefined;
    if (context.now - this.readAtMs >= this.updateMs) this.readWeights(context.now);
    const { schedule } = this;
    if (schedule === undefined) return this.turns.pick(context);
    const { tried } = context;
    let index = schedule.next();
    if (tried.length === 0) return hosts[index];
    for (let turn = 0; turn < redraws && isTried(tried, hosts[index]!); turn++) index = schedule.next();
    if (!isTried(tried, hosts[index]!)) return hosts[index];
    const untried = nextUntried(hosts, Math.floor(context.random() * hosts.length), tried);
    return hosts[untried === -1 ? index : untried];
  }

  private readWeights(nowMs: number): void {
    this.readAtMs = nowMs;
    const { hosts, weights } = this;
    let known = 0;
    let sum = 0;
    for (let index = 0; index < hosts.length; index++) {
      const { observer } = hosts[index]!;
      const weight = observer instanceof ReportedWeight ? observer.weightAt(nowMs) : 0;
      weights[index] = weight;
      if (weight > 0) {
        known++;
        sum += weight;
      }
    }
    if (known < 2) {
      this.schedule = undefined;
      return;
    }
    const mean = sum / known;
    for (let index = 0; index < weights.length; index++) {
      const weight = weights[index]!;
      weights[index] = weight === 0 ? mean : Math.min(Math.max(weight, leastOfMean * mean), mostOfMean * mean);
    }
    const before = this.schedule;
    this.schedule = createNarrowSchedule(weights, this.random);
    if (before !== undefined) this.schedule.continueAfter(before);
  }
}

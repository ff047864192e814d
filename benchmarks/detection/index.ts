import type { Benchmark } from '../benchmark.ts';
import { evaluate, type Evaluation } from './evaluation.ts';
import { volumes } from './protocol.ts';
import { publish } from './publish.ts';
import { reportOf } from './report.ts';

let latest: Evaluation | undefined;

/** Failure detection in virtual time, by the protocol of protocol.ts. */
export const detectionBenchmark: Benchmark = {
  name: 'detection',
  async run({ effort, progress }) {
    latest = await evaluate(volumes[effort.name], progress);
    return reportOf(latest);
  },
  async publish() {
    if (latest !== undefined) await publish(latest);
  },
};

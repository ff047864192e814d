import type { OptionsSchema } from '../../model/contracts.ts';
import type { LatencyOptions } from './latency-cost.ts';
import { numberOption, refuseUnknownOptions } from './policy-options.ts';

/** Longest time that an option takes: a day. */
const maxMs = 86_400_000;

/** Of the policies that learn latencies. */
export const latencyOptions: OptionsSchema<LatencyOptions> = {
  parse(given, path) {
    refuseUnknownOptions(given, ['decayMs', 'defaultLatencyMs', 'failurePenaltyMs'], path);
    const range = { max: maxMs, integer: false };
    return {
      decayMs: numberOption(given, 'decayMs', path, { ...range, min: 1, fallback: 10_000 }),
      defaultLatencyMs: numberOption(given, 'defaultLatencyMs', path, { ...range, min: 0, fallback: 30 }),
      failurePenaltyMs: numberOption(given, 'failurePenaltyMs', path, { ...range, min: 0, fallback: 5000 }),
    };
  },
  fields: [
    {
      name: 'decayMs',
      type: 'number ≥ 1',
      default: '10000 (Finagle, Linkerd)',
      doc: 'After so long an observation counts 1/e.',
    },
    {
      name: 'defaultLatencyMs',
      type: 'number ≥ 0',
      default: '30 (Linkerd)',
      doc: 'What an idle host is taken to need that has not answered yet.',
    },
    {
      name: 'failurePenaltyMs',
      type: 'number ≥ 0',
      default: '5000 (Linkerd)',
      doc: 'What a failure costs, so that a host which fails fast gets less and not more. Its share of failures counts.',
    },
  ],
};

import type { LoadBalancingPolicy } from '../../model/contracts.ts';
import { createCheaperOfTwo } from './cheaper-of-two.ts';
import { LatencyCost, type LatencyOptions } from './latency-cost.ts';
import { latencyOptions } from './latency-options.ts';

/**
 * For services whose hosts differ in speed, or become slow one at a time: a slow answer turns the next requests away from its host
 * at once. Source: Finagle `PeakEwma`, tower `peak_ewma`; latency-cost.ts says what is different.
 */
export const peakEwma: LoadBalancingPolicy<LatencyOptions> = {
  name: 'peak-ewma',
  doc: 'Of two hosts drawn at random the one whose latency, times its requests in flight, is lower; a slow answer counts at once, failures as slow ones.',
  options: latencyOptions,
  build: (hosts, options) => createCheaperOfTwo(hosts, options),
  observe: (options, host) => new LatencyCost(true, options, host),
};

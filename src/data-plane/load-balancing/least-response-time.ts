import type { LoadBalancingPolicy } from '../../model/contracts.ts';
import { createCheaperOfTwo } from './cheaper-of-two.ts';
import { LatencyCost, type LatencyOptions } from './latency-cost.ts';
import { latencyOptions } from './latency-options.ts';

/**
 * For services whose requests differ much in what they cost: single slow answers say little there, and the mean says more. Source:
 * `least_time header` of nginx, with two draws instead of all hosts, for the sake of many clients.
 */
export const leastResponseTime: LoadBalancingPolicy<LatencyOptions> = {
  name: 'least-response-time',
  doc: 'Of two hosts drawn at random the one whose mean latency, times its requests in flight, is lower; failures count as slow answers.',
  options: latencyOptions,
  build: (hosts, options) => createCheaperOfTwo(hosts, options),
  observe: (options, host) => new LatencyCost(false, options, host),
};

import type { LoadBalancingPolicy } from '../../model/contracts.ts';
import { leastRequest } from './least-request.ts';
import { maglev } from './maglev.ts';
import { random } from './random.ts';
import { ringHash } from './ring-hash.ts';
import { roundRobin } from './round-robin.ts';
import { weightedRoundRobin } from './weighted-round-robin.ts';

const policies: readonly LoadBalancingPolicy[] = [leastRequest, maglev, random, ringHash, roundRobin, weightedRoundRobin];

/**
 * Every load balancing policy, by the name that configuration uses. One line here puts a policy under the contract tests, the
 * simulation, the benchmark and the table in the docs.
 */
export const loadBalancingPolicies: ReadonlyMap<string, LoadBalancingPolicy> = new Map(
  policies.map((policy) => [policy.name, policy]),
);

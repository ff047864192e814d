import type { LoadBalancingPolicy } from '../../model/contracts.ts';
import type { PolicyTable } from './child-policy.ts';
import { clientSideWeightedRoundRobin } from './client-side-weighted-round-robin.ts';
import { leastRequest } from './least-request.ts';
import { leastResponseTime } from './least-response-time.ts';
import { maglev } from './maglev.ts';
import { overrideHostOver } from './override-host.ts';
import { peakEwma } from './peak-ewma.ts';
import { pickFirst } from './pick-first.ts';
import { random } from './random.ts';
import { ringHash } from './ring-hash.ts';
import { roundRobin } from './round-robin.ts';
import { subsettingOver } from './subsetting.ts';
import { weightedRoundRobin } from './weighted-round-robin.ts';

const policies: readonly LoadBalancingPolicy[] = [
  clientSideWeightedRoundRobin,
  leastRequest,
  leastResponseTime,
  maglev,
  peakEwma,
  pickFirst,
  random,
  ringHash,
  roundRobin,
  weightedRoundRobin,
];

/** Policies around another one; each may be around those before it. */
const wrappers: readonly ((inner: PolicyTable) => LoadBalancingPolicy)[] = [subsettingOver, overrideHostOver];

/**
 * Every load balancing policy, by the name that configuration uses. One line here puts a policy under the contract tests, the
 * simulation, the benchmark and the table in the docs.
 */
export const loadBalancingPolicies: PolicyTable = wrappers.reduce(
  (table, wrap) => withPolicy(table, wrap(table)),
  new Map(policies.map((policy) => [policy.name, policy])),
);

function withPolicy(table: PolicyTable, policy: LoadBalancingPolicy): Map<string, LoadBalancingPolicy> {
  return new Map([...table, [policy.name, policy]]);
}

/**
 * `loadBalancing`: how the endpoint of a request is chosen. The data plane has the policies, and this file may not import them: a
 * test holds the names, the options and their bounds to those of the policies.
 */
import * as v from 'valibot';
import { balancingOptions, largestRing, largestTable, policiesOfOption } from './schema-balancing-options.ts';
import { mapping, oneOf, onlyFor } from './schema-values.ts';

/** The policies by which equal requests go to the same endpoint; `hash` says what is equal. */
export const hashingPolicies: readonly string[] = ['ring-hash', 'maglev'];

/** Policies around another one, from the outermost in. */
const wrappers: readonly string[] = ['override-host', 'subsetting'];

/** What Envoy, Istio, Linkerd, HAProxy and nginx call them. */
const otherNames = {
  p2c: 'least-request',
  'power-of-two-choices': 'least-request',
  'least-conn': 'least-request',
  leastconn: 'least-request',
  'least-connections': 'least-request',
  ewma: 'peak-ewma',
  peakewma: 'peak-ewma',
  rr: 'round-robin',
  roundrobin: 'round-robin',
  wrr: 'weighted-round-robin',
  'consistent-hash': 'ring-hash',
  ringhash: 'ring-hash',
} as const;

const entries = {
  policy: v.pipe(
    oneOf(
      [
        'least-request',
        'round-robin',
        'weighted-round-robin',
        'random',
        'ring-hash',
        'maglev',
        'peak-ewma',
        'least-response-time',
        'client-side-weighted-round-robin',
        'pick-first',
        'subsetting',
        'override-host',
      ],
      otherNames,
    ),
    v.description(
      '`least-request`: of two random endpoints, the one with fewer requests in flight. `round-robin`: in turn. `weighted-round-robin`: in turn, well mixed. `random`: by chance. `ring-hash`, `maglev`: equal requests to the same endpoint, by `hash`; few move when endpoints come and go. `peak-ewma`, `least-response-time`: of two random endpoints, the one that answers sooner. `client-side-weighted-round-robin`: by the load that endpoints report. `pick-first`: one endpoint for all requests. `subsetting`: a part of the endpoints, balanced by `child`. `override-host`: the endpoint that a header names. All of them heed `weight`. [Which one?](../how-to/choose-a-balancer.md)',
    ),
  ),
  ...balancingOptions,
} as const;

/** A checked policy with its options. */
export interface LoadBalancingFile extends v.InferOutput<v.StrictObjectSchema<typeof entries, string>> {
  child?: LoadBalancingFile;
}

/** `loadBalancing`. */
export const loadBalancing = v.pipe(
  mapping(
    {
      ...entries,
      child: v.pipe(
        v.exactOptional(v.lazy((): v.GenericSchema<LoadBalancingFile> => loadBalancing)),
        v.description(
          'Only for `subsetting` and `override-host`: the policy inside, with its options. `{ policy: least-request }` by default.',
        ),
      ),
    },
    'a mapping such as `{ policy: round-robin }`',
  ),
  onlyFor('policy', policiesOfOption),
  v.forward(
    v.check(({ tableSize = 2 }) => isPrime(tableSize), 'it must be a prime, so that every place is reached; 65537 is one'),
    ['tableSize'],
  ),
  v.check(
    ({ minimumRingSize = 1024, maximumRingSize = largestRing }) => minimumRingSize <= maximumRingSize,
    '`minimumRingSize` (1024 by default) must not be larger than `maximumRingSize`',
  ),
  v.forward(
    v.check(
      ({ kind, client }) => kind !== 'deterministic' || client === undefined || typeof client === 'number',
      '`kind: deterministic` needs the number of this client, from 0, such as the ordinal of a StatefulSet',
    ),
    ['client'],
  ),
  v.forward(
    v.check(
      ({ policy, child }) => child === undefined || rankOf(child.policy) > rankOf(policy),
      ({ input }) =>
        `${input.policy} cannot be around ${input.child!.policy}; the order is override-host, then subsetting, then another policy`,
    ),
    ['child'],
  ),
  v.description(
    'How the endpoint of a request is chosen. Least-request by default: it needs no tuning, and a slow endpoint gets less.',
  ),
);

/** The policy that chooses the endpoint in the end. */
export function innermostPolicy({ policy, child }: { readonly policy: string; readonly child?: unknown }): string {
  return child === undefined
    ? wrappers.includes(policy)
      ? 'least-request'
      : policy
    : innermostPolicy(child as { readonly policy: string; readonly child?: unknown });
}

/** How far in a policy may stand; those that are around none are the innermost. */
function rankOf(policy: string): number {
  const index = wrappers.indexOf(policy);
  return index === -1 ? wrappers.length : index;
}

function isPrime(number: number): boolean {
  // What is out of bounds is reported already; infinity has no end of divisors.
  if (!(number <= largestTable)) return true;
  if (number % 2 === 0) return number === 2;
  for (let divisor = 3; divisor * divisor <= number; divisor += 2) if (number % divisor === 0) return false;
  return number > 1;
}

/** `loadBalancing`: how the endpoint of a request is chosen. */
import * as v from 'valibot';
import { mapping, maxCount, oneOf, wholeNumber } from './schema-values.ts';

/** The policies by which equal requests go to the same endpoint; `hash` says what is equal. */
export const hashingPolicies: readonly string[] = ['ring-hash', 'maglev'];

const largestRing = 8_388_608; // Envoy's bound
const largestTable = 5_000_011; // Envoy's bound

/** `loadBalancing`. */
export const loadBalancing = v.pipe(
  mapping({
    policy: v.pipe(
      oneOf(['least-request', 'round-robin', 'weighted-round-robin', 'random', 'ring-hash', 'maglev']),
      v.description(
        '`least-request`: of two random endpoints, the one with fewer requests in flight. `round-robin`: in turn. `weighted-round-robin`: in turn, well mixed. `random`: by chance. `ring-hash`, `maglev`: equal requests to the same endpoint, by `hash`; few move when endpoints come and go. All of them heed `weight`.',
      ),
    ),
    choiceCount: v.pipe(
      v.exactOptional(wholeNumber(2, 10)),
      v.description(
        'Only for `least-request`: how many endpoints are drawn and compared. 2 by default; more follow the load closer.',
      ),
    ),
    minimumRingSize: v.pipe(
      v.exactOptional(wholeNumber(1, largestRing)),
      v.description(
        'Only for `ring-hash`: points on the ring at least; more follow the weights closer. 1024 by default, as in Envoy.',
      ),
    ),
    maximumRingSize: v.pipe(
      v.exactOptional(wholeNumber(1, largestRing)),
      v.description('Only for `ring-hash`: points on the ring at most. 8388608 by default, as in Envoy.'),
    ),
    tableSize: v.pipe(
      v.exactOptional(wholeNumber(2, largestTable)),
      v.description('Only for `maglev`: places of the table, a prime. 65537 by default, as in Envoy.'),
    ),
    balanceFactorPercent: v.pipe(
      v.exactOptional(wholeNumber(100, maxCount)),
      v.description(
        'Only for `ring-hash` and `maglev`: an endpoint with more than this percentage of its share of the load passes requests on; 120 to 200 are usual. No bound by default.',
      ),
    ),
  }),
  v.forward(
    v.check(
      ({ policy, choiceCount }) => policy === 'least-request' || choiceCount === undefined,
      'it has an effect with `policy: least-request` only; remove it',
    ),
    ['choiceCount'],
  ),
  v.forward(
    v.check(
      ({ policy, minimumRingSize }) => policy === 'ring-hash' || minimumRingSize === undefined,
      'it has an effect with `policy: ring-hash` only; remove it',
    ),
    ['minimumRingSize'],
  ),
  v.forward(
    v.check(
      ({ policy, maximumRingSize }) => policy === 'ring-hash' || maximumRingSize === undefined,
      'it has an effect with `policy: ring-hash` only; remove it',
    ),
    ['maximumRingSize'],
  ),
  v.forward(
    v.check(
      ({ policy, tableSize }) => policy === 'maglev' || tableSize === undefined,
      'it has an effect with `policy: maglev` only; remove it',
    ),
    ['tableSize'],
  ),
  v.forward(
    v.check(({ tableSize = 2 }) => isPrime(tableSize), 'it must be a prime, so that every place is reached; 65537 is one'),
    ['tableSize'],
  ),
  v.forward(
    v.check(
      ({ policy, balanceFactorPercent }) => hashingPolicies.includes(policy) || balanceFactorPercent === undefined,
      'it has an effect with `policy: ring-hash` and `maglev` only; remove it',
    ),
    ['balanceFactorPercent'],
  ),
  v.check(
    ({ minimumRingSize = 1024, maximumRingSize = largestRing }) => minimumRingSize <= maximumRingSize,
    '`minimumRingSize` (1024 by default) must not be larger than `maximumRingSize`',
  ),
  v.description(
    'How the endpoint of a request is chosen. Least-request by default: it needs no tuning, and a slow endpoint gets less.',
  ),
);

function isPrime(number: number): boolean {
  if (number % 2 === 0) return number === 2;
  for (let divisor = 3; divisor * divisor <= number; divisor += 2) if (number % divisor === 0) return false;
  return number > 1;
}

/** How requests are shared among priorities, healthy and degraded endpoints, and localities, as endpoints fail one by one. */
import type { Ask, ClusterSpec, EndpointSpec, OracleCase } from '../oracle-case.ts';

/** So many requests that a share which is wrong by 5 % shows. */
const times = 1500;
/** Four standard deviations, and the percent that a round robin over few requests is off. */
const within = (share: number): number => 4 * Math.sqrt((share * (1 - share)) / times) + 0.002;

/** A letter for each endpoint, upper-case while it is unhealthy; `~` before it: degraded, `!`: draining. */
function endpoints(text: string, more: { readonly priority?: number; readonly zone?: string } = {}): readonly EndpointSpec[] {
  return [...text.matchAll(/([~!]?)(\w)/g)].map(([, mark, letter = '']) => ({
    name: letter.toLowerCase(),
    ...more,
    ...(mark === '~' && { health: 'DEGRADED' as const }),
    ...(mark === '!' && { health: 'DRAINING' as const }),
    ...(letter !== letter.toLowerCase() && { health: 'UNHEALTHY' as const }),
  }));
}

const panicBelow = (percent: number, more: object = {}): ClusterSpec['envoy'] => ({
  common_lb_config: { healthy_panic_threshold: { value: percent }, ...more },
});
const failing = { zone_aware_lb_config: { fail_traffic_on_panic: true } };
const weighted: ClusterSpec['envoy'] = { common_lb_config: { locality_weighted_lb_config: {} } };

interface Row {
  readonly name: string;
  /** Endpoints of each priority. */
  readonly priorities?: readonly string[];
  readonly zones?: Readonly<Record<string, string>>;
  readonly zoneWeights?: Readonly<Record<string, number>>;
  readonly policy?: ClusterSpec['policy'];
  readonly envoy?: ClusterSpec['envoy'];
  readonly shares: Readonly<Record<string, number>>;
  /** Share of the requests that get no endpoint. */
  readonly failing?: number;
}

const rows: readonly Row[] = [
  { name: '1-of-4-out', priorities: ['abcD', 'ef'], shares: { a: 1 / 3, b: 1 / 3, c: 1 / 3 } },
  { name: '2-of-4-out', priorities: ['abCD', 'ef'], shares: { a: 0.35, b: 0.35, e: 0.15, f: 0.15 } },
  { name: '3-of-4-out', priorities: ['aBCD', 'ef'], shares: { a: 0.35, e: 0.325, f: 0.325 } },
  { name: '4-of-4-out', priorities: ['ABCD', 'ef'], shares: { e: 0.5, f: 0.5 } },
  { name: 'three-levels', priorities: ['aBCD', 'eF', 'f'], shares: { a: 0.35, e: 0.65 } },
  // By hosts: 4 of 6 are 66 %, and the one left by rounding.
  {
    name: 'total-panic',
    priorities: ['aBCD', 'EF'],
    shares: { a: 0.1675, b: 0.1675, c: 0.1675, d: 0.1675, e: 0.165, f: 0.165 },
  },
  // 25 % and 50 %: of 75 % the first has a third and what rounding leaves, and is in panic; the second is not.
  {
    name: 'panic-of-the-first',
    priorities: ['aBCD', 'eF'],
    policy: { overprovisioning_factor: 100 },
    shares: { a: 0.085, b: 0.085, c: 0.085, d: 0.085, e: 0.66 },
  },
  {
    name: 'panic-of-the-first-fails',
    priorities: ['aBCD', 'eF'],
    policy: { overprovisioning_factor: 100 },
    envoy: panicBelow(50, failing),
    shares: { e: 1 },
    failing: 0.34,
  },
  {
    name: 'panic-below-20',
    priorities: ['aBC'],
    envoy: panicBelow(20),
    shares: { a: 1 },
  },
  { name: 'overprovisioned-by-200', priorities: ['aB', 'ef'], policy: { overprovisioning_factor: 200 }, shares: { a: 1 } },
  {
    name: 'overprovisioned-by-nothing',
    priorities: ['abC', 'e'],
    policy: { overprovisioning_factor: 100 },
    shares: { a: 0.33, b: 0.33, e: 0.34 },
  },
  { name: 'degraded-of-two-levels', priorities: ['a~bCD', 'e~f'], shares: { a: 0.35, e: 0.65 } },
  { name: 'degraded-before-panic', priorities: ['a~b~cD'], shares: { a: 0.35, b: 0.325, c: 0.325 } },
  { name: 'degraded-alone', priorities: ['~a~b'], shares: { a: 0.5, b: 0.5 } },
  {
    name: 'localities-3-to-1',
    zones: { x: 'a', y: 'bcd' },
    zoneWeights: { x: 3, y: 1 },
    envoy: weighted,
    shares: { a: 0.75, b: 1 / 12, c: 1 / 12, d: 1 / 12 },
  },
  // 1.4 × 1/2 = 0.7 of its weight: 1.4 to 1.
  {
    name: 'locality-half-out',
    zones: { x: 'aB', y: 'cd' },
    zoneWeights: { x: 2, y: 1 },
    envoy: weighted,
    shares: { a: 1.4 / 2.4, c: 0.5 / 2.4, d: 0.5 / 2.4 },
  },
  {
    name: 'locality-out',
    zones: { x: 'AB', y: 'cd' },
    zoneWeights: { x: 9, y: 1 },
    envoy: weighted,
    shares: { c: 0.5, d: 0.5 },
  },
  {
    name: 'locality-weights-of-degraded',
    zones: { x: '~a', y: '~b~c' },
    zoneWeights: { x: 3, y: 1 },
    envoy: weighted,
    shares: { a: 0.75, b: 0.125, c: 0.125 },
  },
  {
    name: 'locality-weights-in-panic',
    zones: { x: 'a', y: 'BC' },
    zoneWeights: { x: 9, y: 1 },
    envoy: weighted,
    shares: { a: 1 / 3, b: 1 / 3, c: 1 / 3 },
  },
  {
    name: 'locality-without-weight',
    zones: { x: 'a', y: 'b' },
    zoneWeights: { x: 2 },
    envoy: weighted,
    shares: { a: 1 },
  },
  {
    name: 'locality-weights-of-random',
    zones: { x: 'a', y: 'bcd' },
    zoneWeights: { x: 1, y: 1 },
    envoy: { ...weighted, lb_policy: 'RANDOM' },
    shares: { a: 0.5, b: 1 / 6, c: 1 / 6, d: 1 / 6 },
  },
  {
    name: 'locality-weights-of-least-request',
    zones: { x: 'a', y: 'bcd' },
    zoneWeights: { x: 1, y: 1 },
    envoy: { ...weighted, lb_policy: 'LEAST_REQUEST' },
    shares: { a: 0.5, b: 1 / 6, c: 1 / 6, d: 1 / 6 },
  },
  { name: 'draining-has-left', priorities: ['aB!c!d', 'e'], shares: { a: 0.7, e: 0.3 } },
  { name: 'panic-with-one-that-drains', priorities: ['aBC!d'], shares: { a: 1 / 3, b: 1 / 3, c: 1 / 3 } },
  {
    name: 'locality-with-one-that-drains',
    zones: { x: 'a!b', y: 'cd' },
    zoneWeights: { x: 1, y: 1 },
    envoy: weighted,
    shares: { a: 0.5, c: 0.25, d: 0.25 },
  },
  {
    name: 'hashed-and-all-degraded',
    priorities: ['~a~b'],
    envoy: { lb_policy: 'RING_HASH' },
    shares: { a: 0.5, b: 0.5 },
  },
  {
    name: 'hashed-panic-that-fails',
    priorities: ['aBC'],
    envoy: { lb_policy: 'RING_HASH', ...panicBelow(50, failing) },
    shares: { a: 0 },
  },
  {
    name: 'hashed-spill-over',
    priorities: ['aBCD', 'e'],
    envoy: { lb_policy: 'RING_HASH' },
    shares: { a: 0.35, e: 0.65 },
  },
  {
    name: 'drops',
    priorities: ['ab'],
    policy: { drop_overloads: [{ category: 'throttle', drop_percentage: { numerator: 30 } }] },
    shares: { a: 0.5, b: 0.5 },
    failing: 0.3,
  },
];

function upOf({ priorities, zones, zoneWeights, policy, envoy }: Row): ClusterSpec {
  return {
    endpoints: [
      ...(priorities ?? []).flatMap((text, priority) => endpoints(text, { priority })),
      ...Object.entries(zones ?? {}).flatMap(([zone, text]) => endpoints(text, { zone })),
    ],
    ...(zoneWeights && { zoneWeights }),
    ...(policy && { policy }),
    ...(envoy && { envoy }),
  };
}

function askOf({ shares, failing: failed = 0 }: Row): Ask {
  const widest = Math.max(...Object.values(shares).map(within));
  return { times, endpoints: { shares, within: widest }, ...(failed > 0 && { roughly: within(failed) * 1.5 }) };
}

/** The same numbers of healthy endpoints, and the same shares. */
export const priorityCases: readonly OracleCase[] = [
  ...rows.map((row) => ({ name: `priority-${row.name}`, clusters: { up: upOf(row) }, asks: [askOf(row)] })),
  {
    name: 'priority-drops-all',
    clusters: { up: { policy: { drop_overloads: [{ category: 'throttle', drop_percentage: { numerator: 100 } }] } } },
    asks: [{}],
  },
];

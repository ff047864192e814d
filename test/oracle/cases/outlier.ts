/** When an endpoint is taken out, and that it comes back. */
import type { Ask, Json, OracleCase } from '../oracle-case.ts';

const noPanic = { common_lb_config: { healthy_panic_threshold: { value: 0 } } };

const outlier = (name: string, detection: Json, asks: readonly Ask[], more: Partial<OracleCase> = {}): OracleCase => ({
  name: `outlier-${name}`,
  leavesTraces: true,
  clusters: {
    up: {
      endpoints: ['a', 'b'],
      envoy: {
        outlier_detection: { interval: '1s', base_ejection_time: '30s', max_ejection_percent: 50, ...detection },
        ...noPanic,
      },
    },
  },
  asks,
  ...more,
});

/** Ejection is decided on another thread than the one that serves. */
const settled = { pauseMs: 60 };
/** Detection by what happened in an interval, of which neither side knows when the other's begins. */
const byInterval = (
  name: string,
  endpoints: readonly string[],
  detection: Json,
  asks: readonly Ask[],
  more: Partial<OracleCase> = {},
): OracleCase =>
  outlier(name, {}, asks, {
    clusters: {
      up: {
        endpoints,
        envoy: {
          outlier_detection: {
            interval: '1s',
            base_ejection_time: '30s',
            max_ejection_percent: 50,
            consecutive_5xx: 1000,
            consecutive_local_origin_failure: 1000,
            // So few that each of two intervals which share the requests has enough.
            success_rate_request_volume: 4,
            failure_percentage_request_volume: 4,
            ...detection,
          },
          ...noPanic,
        },
      },
    },
    ...more,
  });
/** The interval is over: Envoy has judged it, and the first outcome after it makes meshfetch do so. */
const judged: Ask = { pauseMs: 2200, times: 6, endpoints: 'any', roughly: 0.5 };
/** An interval that ends meanwhile ejects at once. */
const roughly = 0.6;
const five = ['a', 'b', 'c', 'd', 'e'];
const allOf = (names: readonly string[]): NonNullable<Ask['endpoints']> => ({
  shares: Object.fromEntries(names.map((name) => [name, 1 / names.length])),
  within: 0.001,
});

/** Outlier detection. */
export const outlierCases: readonly OracleCase[] = [
  outlier('consecutive-5xx', { consecutive_5xx: 3, enforcing_consecutive_gateway_failure: 0 }, [
    { times: 6, script: { a: ['500'] }, endpoints: 'any' },
    { ...settled, times: 8, script: { a: ['500'] } },
  ]),
  outlier('not-before-the-threshold', { consecutive_5xx: 5 }, [
    { times: 8, script: { a: ['500'] }, endpoints: 'any' },
    { ...settled, times: 8, endpoints: { shares: { a: 0.5, b: 0.5 }, within: 0.001 } },
  ]),
  outlier('success-resets-the-count', { consecutive_5xx: 3 }, [
    { times: 4, script: { a: ['500'] }, endpoints: 'any' },
    { times: 2 },
    { times: 4, script: { a: ['500'] }, endpoints: 'any' },
    { ...settled, times: 4, endpoints: { shares: { a: 0.5, b: 0.5 }, within: 0.001 } },
  ]),
  outlier(
    'consecutive-gateway-failure',
    { consecutive_gateway_failure: 3, enforcing_consecutive_gateway_failure: 100, consecutive_5xx: 100 },
    [
      { times: 6, script: { a: ['503'] }, endpoints: 'any' },
      { ...settled, times: 8 },
    ],
  ),
  outlier(
    'gateway-failures-are-not-500',
    { consecutive_gateway_failure: 3, enforcing_consecutive_gateway_failure: 100, consecutive_5xx: 100 },
    [
      { times: 8, script: { a: ['500'] }, endpoints: 'any' },
      { ...settled, times: 8, endpoints: { shares: { a: 0.5, b: 0.5 }, within: 0.001 } },
    ],
  ),
  outlier('resets-count', { consecutive_5xx: 3 }, [
    { times: 6, script: { a: ['reset'] }, endpoints: 'any' },
    { ...settled, times: 8 },
  ]),
  outlier('4xx-do-not-count', { consecutive_5xx: 2 }, [
    { times: 10, script: { a: ['404'] }, endpoints: 'any' },
    { ...settled, times: 8, endpoints: { shares: { a: 0.5, b: 0.5 }, within: 0.001 } },
  ]),
  outlier(
    'local-origin-apart',
    { split_external_local_origin_errors: true, consecutive_local_origin_failure: 3, consecutive_5xx: 100 },
    [
      { times: 6, script: { a: ['reset'] }, endpoints: 'any' },
      { ...settled, times: 8 },
    ],
  ),
  outlier(
    'local-origin-refused',
    { split_external_local_origin_errors: true, consecutive_local_origin_failure: 3, consecutive_5xx: 100 },
    [
      { times: 6, endpoints: 'any' },
      { ...settled, times: 8 },
    ],
    {
      clusters: {
        up: {
          endpoints: ['refused', 'b'],
          envoy: {
            outlier_detection: {
              interval: '1s',
              split_external_local_origin_errors: true,
              consecutive_local_origin_failure: 3,
              max_ejection_percent: 50,
            },
            ...noPanic,
          },
        },
      },
    },
  ),
  outlier('never-more-than-the-share', { consecutive_5xx: 2, max_ejection_percent: 50 }, [
    { times: 12, script: ['500'], endpoints: 'any' },
    { ...settled, times: 6, endpoints: 'as-many' },
  ]),
  outlier(
    'returns-after-its-time',
    { consecutive_5xx: 2, interval: '0.1s', base_ejection_time: '0.9s', max_ejection_time: '0.9s' },
    [
      { times: 4, script: { a: ['500'] }, endpoints: 'any' },
      { ...settled, times: 4 },
      // Envoy tells its workers a second later (`update_merge_window`). Which of the two notices first may be one pick apart.
      { pauseMs: 2500, times: 8, endpoints: { shares: { a: 0.5, b: 0.5 }, within: 0.13 } },
    ],
  ),
  outlier('not-enforced', { consecutive_5xx: 2, enforcing_consecutive_5xx: 0, enforcing_consecutive_gateway_failure: 0 }, [
    { times: 8, script: { a: ['500'] }, endpoints: 'any' },
    { ...settled, times: 8, endpoints: { shares: { a: 0.5, b: 0.5 }, within: 0.001 } },
  ]),
  outlier('default-is-five', {}, [
    { times: 10, script: { a: ['503'] }, endpoints: 'any' },
    { ...settled, times: 8 },
  ]),
  outlier(
    'none-of-five-by-default',
    { consecutive_5xx: 2, max_ejection_percent: 10 },
    [
      { times: 20, script: { a: ['500'] }, endpoints: 'any' },
      { ...settled, times: 10, endpoints: allOf(five) },
    ],
    {
      clusters: {
        up: {
          endpoints: five,
          envoy: { outlier_detection: { consecutive_5xx: 2, max_ejection_percent: 10, base_ejection_time: '30s' }, ...noPanic },
        },
      },
    },
  ),
  outlier(
    'always-one-of-five',
    {},
    [
      { times: 20, script: { a: ['500'], b: ['500'] }, endpoints: 'any', roughly: 0.3 },
      { ...settled, times: 12, endpoints: 'as-many' },
    ],
    {
      clusters: {
        up: {
          endpoints: five,
          envoy: {
            outlier_detection: {
              consecutive_5xx: 2,
              max_ejection_percent: 10,
              always_eject_one_host: true,
              base_ejection_time: '30s',
            },
            ...noPanic,
          },
        },
      },
    },
  ),
  byInterval('success-rate', five, {}, [
    { times: 100, script: { a: ['500'] }, endpoints: 'any', roughly },
    judged,
    { times: 8, endpoints: allOf(['b', 'c', 'd', 'e']) },
  ]),
  byInterval('success-rate-of-too-few-hosts', ['a', 'b', 'c', 'd'], {}, [
    { times: 80, script: { a: ['500'] }, endpoints: 'any', roughly },
    judged,
    { times: 8, endpoints: allOf(['a', 'b', 'c', 'd']) },
  ]),
  byInterval('success-rate-of-two-that-hide-each-other', ['a', 'b', 'c', 'd', 'e', 'f'], {}, [
    { times: 120, script: { a: ['500'], b: ['500'] }, endpoints: 'any', roughly },
    judged,
    { times: 12, endpoints: allOf(['a', 'b', 'c', 'd', 'e', 'f']) },
  ]),
  byInterval('success-rate-not-enforced', five, { enforcing_success_rate: 0 }, [
    { times: 100, script: { a: ['500'] }, endpoints: 'any', roughly },
    judged,
    { times: 10, endpoints: allOf(five) },
  ]),
  byInterval(
    'success-rate-of-connections',
    ['refused', 'b', 'c', 'd', 'e'],
    { split_external_local_origin_errors: true, enforcing_success_rate: 0 },
    [{ times: 100, endpoints: 'any', roughly }, judged, { times: 8, endpoints: allOf(['b', 'c', 'd', 'e']) }],
  ),
  byInterval(
    'failure-percentage',
    ['a', 'b'],
    { enforcing_success_rate: 0, enforcing_failure_percentage: 100, failure_percentage_minimum_hosts: 2 },
    [{ times: 40, script: { a: ['503'] }, endpoints: 'any', roughly }, judged, { times: 8, endpoints: allOf(['b']) }],
  ),
  byInterval(
    'failure-percentage-not-reached',
    ['a', 'b'],
    { enforcing_success_rate: 0, enforcing_failure_percentage: 100, failure_percentage_minimum_hosts: 2 },
    [
      { times: 20, script: { a: ['503'] }, endpoints: 'any', roughly },
      { times: 20, endpoints: 'any', roughly },
      judged,
      { times: 8, endpoints: allOf(['a', 'b']) },
    ],
  ),
];

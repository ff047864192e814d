/** Retry policies and scripts of endpoints drawn at random, in the form of the vectors; a seed gives the same ones again. */
import { seededRandom } from '../../src/base/runtime.ts';
import type { RetryVector, RetryVectors } from '../vectors/retry-vectors.ts';

/** Conditions, with what an endpoint does to meet them or nearly so. */
const conditions: Readonly<Record<string, string>> = {
  '5xx': '500 501 504 499 600 reset',
  'gateway-error': '501 502 503 504 505 hang',
  reset: 'reset hang 503',
  'reset-before-request': 'reset',
  'connect-failure': 'reset 503',
  'refused-stream': 'reset',
  'retriable-4xx': '409 408 404',
  'retriable-status-codes': '503 409 425 200 204 429 500 404',
  'retriable-headers': '200|x-retry-me=1 500|x-retry-me=1 500',
  'envoy-ratelimited': '200|x-envoy-ratelimited=1 503|x-envoy-ratelimited=1 429',
  cancelled: '200|grpc-status=1 200|grpc-status=4',
  'deadline-exceeded': '200|grpc-status=4 200|grpc-status=14',
  internal: '200|grpc-status=13 200|grpc-status=2',
  'resource-exhausted': '200|grpc-status=8 429',
  unavailable: '200|grpc-status=14 503',
  nonsense: '503',
};

const words = [
  '200 200 204 301 404 409 425 429 500 501 502 503 504 reset reset reset hang trunc',
  '200|x-retry-me=1 500|x-retry-me=1 200|x-envoy-ratelimited=1 503|x-envoy-ratelimited=1',
  '429|retry-after=1 503|x-reset=0 503|x-envoy-overloaded=true',
  '200|grpc-status=0 200|grpc-status=1 200|grpc-status=4 200|grpc-status=8 200|grpc-status=13 200|grpc-status=14',
].flatMap((line) => line.split(' '));

const retriableHeaders = [
  { name: 'x-retry-me', present_match: true },
  { name: 'x-retry-me', present_match: true, invert_match: true },
  { name: ':status', string_match: { exact: '500' } },
];

const requestHeaders = [
  { name: ':method', string_match: { exact: 'GET' } },
  { name: ':path', string_match: { prefix: '/q' } },
  { name: ':authority', string_match: { suffix: '.test' } },
  { name: 'x-absent', present_match: true },
];

/** What is to be asked; what comes of it is not known. */
export type RetryQuestion = Omit<RetryVector, 'status' | 'complete' | 'attempts'>;

/** So many policies with ten cases each. */
export function generateRetries(
  seed: number,
  count: number,
): Pick<RetryVectors, 'policies'> & { readonly cases: readonly RetryQuestion[] } {
  const random = seededRandom(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
  const some = <T>(most: number, from: readonly T[]): T[] =>
    Array.from({ length: 1 + Math.floor(random() * most) }, () => pick(from));
  const perhaps = (chance: number, fields: () => object): object => (random() < chance ? fields() : {});
  const policies: object[] = [];
  const cases: RetryQuestion[] = [];
  for (let policy = 0; policy < count; policy++) {
    const on = some(3, Object.keys(conditions));
    const meeting = on.flatMap((condition) => conditions[condition]!.split(' '));
    policies.push({
      retry_on: on.join(pick([',', ', '])),
      retry_back_off: { base_interval: '0.001s', max_interval: '0.002s' },
      ...perhaps(0.8, () => ({ num_retries: Math.floor(random() * 4) })),
      ...perhaps(0.3, () => ({ per_try_timeout: pick(['0.3s', '9s']) })),
      ...perhaps(0.1, () => ({ per_try_idle_timeout: '0.3s' })),
      ...perhaps(on.includes('retriable-status-codes') ? 1 : 0.2, () => ({
        retriable_status_codes: [pick([503, 409, 425, 200, 204]), pick([429, 500, 404])],
      })),
      ...perhaps(on.includes('retriable-headers') ? 1 : 0.1, () => ({ retriable_headers: [pick(retriableHeaders)] })),
      ...perhaps(0.25, () => ({ retriable_request_headers: [pick(requestHeaders)] })),
      ...perhaps(0.2, () => ({
        rate_limited_retry_back_off: {
          reset_headers: [{ name: pick(['retry-after', 'Retry-After', 'x-reset']), format: pick(['SECONDS', 'UNIX_TIMESTAMP']) }],
          max_interval: '2s',
        },
      })),
    });
    for (let number = 0; number < 10; number++) {
      const method = pick(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']);
      const body = method !== 'HEAD' && random() < 0.35 ? 100 : 0;
      cases.push({ id: `q${policy}_${number}`, policy, method, body, script: some(4, random() < 0.6 ? meeting : words) });
    }
  }
  return { policies, cases };
}

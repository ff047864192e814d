/** On which conditions of a retry policy a request is sent again, for `explain()`: asked of the decision itself, with examples. */
import type { RetryConfig } from '../../model/policy.ts';
import type { RetryCondition } from '../../model/retry-conditions.ts';
import type { Failure, Outcome } from './outcome.ts';
import { decideRetry, type RetriableRequest, type RetryVerdict } from './retry.ts';

const failure = (code: Failure['code'], mayHaveBeenProcessed: boolean): Failure => ({
  kind: 'failure',
  code,
  mayHaveBeenProcessed,
  localOrigin: true,
  ours: false,
  reason: 'an example',
});
const response = (status: number, grpcStatus?: string, headers = {}): Outcome => ({
  kind: 'response',
  status,
  grpcStatus,
  headers,
});

/** An outcome that meets the condition, and that the endpoint may have acted on where there is such a one. */
const examples: Readonly<Record<RetryCondition, Outcome>> = {
  'connect-failure': failure('MESH_CONNECT_FAILED', false),
  'refused-stream': failure('MESH_REFUSED_STREAM', false),
  'reset-before-request': failure('MESH_RESET', false),
  reset: failure('MESH_RESET', true),
  'gateway-error': response(503),
  '5xx': response(500),
  'retriable-4xx': response(409),
  'retriable-status-codes': response(500),
  'retriable-headers': response(500),
  'envoy-ratelimited': response(429, undefined, { 'x-envoy-ratelimited': 'true' }),
  'per-try-timeout': failure('MESH_PER_TRY_TIMEOUT', true),
  'no-endpoint': failure('MESH_NO_HEALTHY_ENDPOINT', false),
  cancelled: response(200, '1'),
  'deadline-exceeded': response(200, '4'),
  internal: response(200, '13'),
  'resource-exhausted': response(200, '8'),
  unavailable: response(200, '14'),
};

/** The verdict on each condition of the policy: whether this request is sent again, also where the endpoint may have acted on it. */
export function repeatedConditions(
  request: RetriableRequest,
  retry: RetryConfig,
): readonly (readonly [condition: RetryCondition, verdict: RetryVerdict])[] {
  return retry.on.map((condition) => {
    // Whether a response has the header is not asked here: what holds of any other response holds of it.
    const on: RetryCondition = condition === 'retriable-headers' ? '5xx' : condition;
    const outcomes =
      condition === 'retriable-status-codes'
        ? (retry.statusCodes ?? []).map((status) => response(status))
        : [examples[condition]];
    // Istio's own policy has the condition and no list where nobody gave one: it is never met.
    if (outcomes.length === 0) return [condition, { retry: false, reason: 'the policy lists no status codes' }];
    const verdicts = outcomes.map((outcome) => decideRetry(request, { ...retry, on: [on], maxAttempts: 2 }, 1, outcome));
    return [condition, verdicts.find((verdict) => !verdict.retry) ?? verdicts[0]!];
  });
}

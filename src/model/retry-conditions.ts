/**
 * The words of `RetryConfig.on`. Those of Envoy are the values of its `x-envoy-retry-on` and `x-envoy-retry-grpc-on`; `reset` includes
 * `reset-before-request` and `refused-stream`.
 */

/** Envoy's conditions on a connection and on what HTTP says. Source: Envoy router filter, `x-envoy-retry-on`. */
export const httpRetryConditions = [
  'connect-failure',
  'refused-stream',
  'reset-before-request',
  'reset',
  'gateway-error',
  '5xx',
  'retriable-4xx',
  'retriable-status-codes',
  'retriable-headers',
  'envoy-ratelimited',
] as const;

/**
 * Those of meshfetch: one attempt took too long, and no endpoint of the drawn cluster could be used or its queue was full (Linkerd:
 * fail-fast).
 */
const ownRetryConditions = ['per-try-timeout', 'no-endpoint'] as const;

/** Statuses of gRPC. Source: Envoy router filter, `x-envoy-retry-grpc-on`. */
export const grpcRetryConditions = ['cancelled', 'deadline-exceeded', 'internal', 'resource-exhausted', 'unavailable'] as const;

/** All of them, in the order of the docs. */
export const retryConditions = [...httpRetryConditions, ...ownRetryConditions, ...grpcRetryConditions] as const;

/**
 * What allows another attempt. A request that may have been processed is repeated only when it is idempotent, unless
 * `nonIdempotent` is `'as-configured'`.
 */
export type RetryCondition = (typeof retryConditions)[number];

/** Names of the gRPC statuses 1 … 16 as in `retry.on` and Envoy's `x-envoy-retry-grpc-on`: small letters, with hyphens. */
export const gRpcFailureNames = [
  'cancelled',
  'unknown',
  'invalid-argument',
  'deadline-exceeded',
  'not-found',
  'already-exists',
  'permission-denied',
  'resource-exhausted',
  'failed-precondition',
  'aborted',
  'out-of-range',
  'unimplemented',
  'internal',
  'unavailable',
  'data-loss',
  'unauthenticated',
] as const;

import { grpcStatusNames } from '../../base/grpc-status.ts';

/** Names of the gRPC statuses 1 … 16 as in `retry.on` and Envoy's `x-envoy-retry-grpc-on`: small letters, with hyphens. */
export const gRpcFailureNames = grpcStatusNames.slice(1).map((name) => name.toLowerCase().replaceAll('_', '-'));

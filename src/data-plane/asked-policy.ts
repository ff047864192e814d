import { cappedGrpcTimeoutMs } from '../base/grpc-timeout.ts';
import { overridden, type OverridablePolicy } from './resilience/request-overrides.ts';
import type { CompiledDestination, CompiledRoute } from './routing/compiled-route.ts';
import { isGrpcRequest } from './routing/grpc-request.ts';
import { headerOf, type RequestView } from './routing/request-view.ts';

/** The times and attempts that a request gets: those of its route and destination, and what its own headers may change of them. */
export interface AskedPolicy extends OverridablePolicy {
  /** Its `grpc-timeout` counts. */
  readonly hasGrpcCap: boolean;
}

/** What a request on this route gets. Requests and `explain` both ask here, so that they cannot differ. */
export function askedPolicy(
  request: RequestView,
  route: CompiledRoute,
  destination: Pick<CompiledDestination, 'timeoutMs'> | undefined,
): AskedPolicy {
  const { policy } = route;
  const own = destination?.timeoutMs ?? route.timeoutMs;
  const hasGrpcCap = policy.grpcTimeoutCapMs !== undefined && isGrpcRequest(request);
  const configured: OverridablePolicy = {
    timeoutMs: hasGrpcCap ? shorter(own, cappedGrpcTimeoutMs(headerOf(request, 'grpc-timeout'), policy.grpcTimeoutCapMs)) : own,
    retry: route.retry,
    hedge: policy.hedge,
    responseTimeoutMs: policy.responseTimeoutMs,
    maxStreamDurationMs: policy.maxStreamDurationMs,
  };
  const asked = policy.overrideHeaders === undefined ? configured : overridden(request, configured, policy.overrideHeaders);
  return { ...asked, hasGrpcCap };
}

/** 0 = none. */
function shorter(one: number, other: number): number {
  return one === 0 || other === 0 ? Math.max(one, other) : Math.min(one, other);
}

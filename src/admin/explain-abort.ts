import { faultInjectionOf } from '../data-plane/resilience/fault-injection.ts';
import type { RequestView } from '../data-plane/routing/request-view.ts';
import type { FaultConfig } from '../model/policy.ts';

/** An answer that a fault gives on purpose. */
export interface AbortView {
  /** Share of the requests that are answered so, 0…100; a request that asks by header for fewer has fewer. */
  readonly percent: number;
  readonly httpStatus: number;
  readonly grpcStatus?: number;
}

/** How a fault would answer this request, where it is drawn for it; undefined = it answers none like it. */
export function abortOf(fault: FaultConfig | undefined, request: RequestView): AbortView | undefined {
  if (fault?.abort === undefined) return undefined;
  const plan = faultInjectionOf(fault).plan(request, () => 0);
  plan?.release();
  if (plan?.abort === undefined) return undefined;
  const { numerator, denominator } = fault.abort.fraction;
  const { httpStatus, grpcStatus } = plan.abort;
  return { percent: (numerator / denominator) * 100, httpStatus, ...(grpcStatus !== undefined && { grpcStatus }) };
}

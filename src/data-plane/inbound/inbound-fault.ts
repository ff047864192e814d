/** Faults made on purpose on the way in: the request waits, is answered here, or both. Drawn as on the way out. */
import { grpcStatusFromHttp } from '../../base/grpc-status.ts';
import type { Random } from '../../base/runtime.ts';
import type { InboundRefusal } from '../../model/inbound.ts';
import type { FaultConfig } from '../../model/policy.ts';
import { faultInjectionOf, type FaultAbort } from '../resilience/fault-injection.ts';
import type { RequestView } from '../routing/request-view.ts';
import { refusal } from './refusal.ts';

/** What is done to one request. */
export interface InboundFault {
  /** Before anything else; 0 = none. */
  readonly delayMs: number;
  /** Then; undefined = it goes on. */
  readonly refusal: InboundRefusal | undefined;
  /** To be called when the request is over: until then it counts under `maxActive`. */
  release(): void;
}

/** Draws the fault of a request; undefined = none. */
export function drawFault(config: FaultConfig, request: RequestView, random: Random): InboundFault | undefined {
  const plan = faultInjectionOf(config).plan(request, random);
  if (plan === undefined) return undefined;
  const { delayMs, abort } = plan;
  if (delayMs === 0 && abort === undefined) {
    // Response bodies are not slowed down on the way in.
    plan.release();
    return undefined;
  }
  return { delayMs, refusal: abort && refusalOf(abort), release: () => plan.release() };
}

function refusalOf({ httpStatus, grpcStatus, message }: FaultAbort): InboundRefusal {
  return refusal(httpStatus, message, {
    details: 'fault_filter_abort',
    flag: 'FI',
    grpcStatus: grpcStatus ?? grpcStatusFromHttp(httpStatus),
  });
}

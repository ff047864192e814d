import { wholeMs } from './attempt-time.ts';
import type { Call } from './outbound.ts';

/**
 * One deadline for all attempts and the waits between them: that of the policy, from `sinceMs` on (default: the start of the call),
 * or what the inbound request still has on whose behalf it is made. 0 = none. False = that time has passed, and the call is over.
 */
export function limitTime(call: Call, policyMs: number, sinceMs?: number): boolean {
  const { deadlines } = call.context;
  const untilMs = call.inherited?.deadlineMs;
  // The way of nearly all: no number is put into an object for it.
  if (untilMs === undefined && sinceMs === undefined) {
    if (policyMs > 0) call.deadline = deadlines.armFromStart(call, policyMs);
    return true;
  }
  const fromMs = sinceMs ?? call.startMs;
  let timeoutMs = policyMs;
  if (untilMs !== undefined) {
    const leftMs = untilMs - fromMs;
    if (leftMs <= 0) {
      call.expire('MESH_TIMEOUT', 'the inbound request on whose behalf it is made has no time left');
      return false;
    }
    if (policyMs === 0 || leftMs < policyMs) timeoutMs = wholeMs(leftMs);
  }
  call.deadline?.cancel();
  if (timeoutMs > 0) call.deadline = deadlines.arm(call, timeoutMs, fromMs);
  return true;
}

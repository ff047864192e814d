import type { AttemptReport } from '../base/errors.ts';
import { rounded } from '../base/rounded.ts';
import type { Attempt } from './attempt.ts';
import type { Failure } from './resilience/outcome.ts';

/** What happened to an attempt, for errors and events. */
export function attemptReport(
  attempt: Attempt,
  failure: Pick<Failure, 'code' | 'reason'> | undefined,
  now: number,
): AttemptReport {
  const { call, host, status } = attempt;
  return {
    number: attempt.number,
    startMs: rounded(attempt.startMs - call.startMs),
    durationMs: rounded(now - attempt.startMs),
    ...(host === undefined ? {} : { endpoint: host.address }),
    ...(status === 0 ? {} : { status }),
    ...(failure === undefined ? {} : { error: failure.code, reason: failure.reason }),
  };
}

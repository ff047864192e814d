import { isMeshError, type MeshError, type MeshErrorCode } from '../base/errors.ts';
import type { RequestOutcome } from '../telemetry/request-span.ts';
import type { Attempt } from './attempt.ts';
import type { Call } from './outbound.ts';
import type { Outcome } from './resilience/outcome.ts';

/** The error of a call whose last attempt came to this: which hop, why, after how many attempts. */
export function failureOf(call: Call, attempt: Attempt, outcome: Outcome): MeshError {
  const { attempts, options, route } = call;
  const who = `${options.method} ${call.entry!.authority}${options.path.split('?', 1)[0]}`;
  const isNamed = attempt.host === undefined || (outcome.kind === 'failure' && outcome.reason.includes(attempt.host.address));
  const where = isNamed ? '' : ` at ${attempt.host!.address}`;
  if (outcome.kind === 'response') return call.error('MESH_PROTOCOL_ERROR', `${who}: status ${outcome.status}${where}`);
  return call.error(
    outcome.code,
    `${who}: ${outcome.reason}${where}${attempts > 1 ? `, after ${countOf(attempts, 'attempt')}` : ''}`,
    {
      cause: outcome.cause,
      ...(attempt.host === undefined ? {} : { endpoint: attempt.host.address }),
      mayHaveBeenProcessed: outcome.mayHaveBeenProcessed,
      retriesExhausted: attempts > 1 && attempts >= (route?.retry?.maxAttempts ?? 1),
    },
  );
}

/** Status and error of an outcome, for telemetry. */
export function resultOf(outcome: Outcome): { status: number | undefined; error: MeshErrorCode | undefined } {
  if (outcome.kind === 'failure') return { status: undefined, error: outcome.code };
  return { status: outcome.status, error: undefined };
}

/** The end of a call with an error, for telemetry. */
export function telemetryOutcome(error: Error, status: number | undefined): RequestOutcome {
  if (!isMeshError(error)) return { status, error: 'cancelled', message: error.message };
  return { status, error: error.code, flags: error.flags, details: error.responseCodeDetails, message: error.message };
}

/** `1 attempt`, `2 attempts`. */
export function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

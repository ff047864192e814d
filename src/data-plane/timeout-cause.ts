/**
 * Whose time was over: that of the route, of the inbound request on whose behalf this one was made, or one that a header of the
 * request asked for. Found out only when it is over, so that no request pays for it.
 */
import { isError } from '../base/is-error.ts';
import type { Call } from './outbound.ts';
import type { Outcome } from './resilience/outcome.ts';
import { headerOf } from './routing/request-view.ts';

/** `within 100 ms`, counted from the end of an injected delay, since the time of a route begins there. */
export function timeOf(call: Call): string {
  const { deadline, plan } = call;
  const sinceMs = plan?.sinceMs ?? call.startMs;
  const timeMs = deadline === undefined ? 0 : Math.max(0, Math.round(deadline.dueMs - sinceMs));
  const delayMs = Math.round(sinceMs - call.startMs);
  return `within ${timeMs} ms${delayMs === 0 ? '' : ` after an injected delay of ${delayMs} ms`}`;
}

/** What to do about the end of the whole request; undefined = raise the `timeoutMs` of the route. */
export function timeoutRemedy(call: Call, reason: string | undefined): string | undefined {
  if (isInherited(call))
    return 'The time of the inbound request is over, not `timeoutMs` of the route: let its caller wait longer, or do less before and in this request.';
  // Another clock than the one of the route.
  if (reason !== undefined) return 'Raise `responseTimeoutMs` of the route, or find out why the service is slow.';
  const header = headerOfTimeout(call);
  return header === undefined
    ? undefined
    : `The request itself asked for this time with \`${header}\`: raise it there, or find out why the service is slow.`;
}

/** What is inherited is cut to whole milliseconds, and kept exact to less than that. */
const roundingMs = 1;

function isInherited({ inherited, deadline, plan, startMs }: Call): boolean {
  const untilMs = inherited?.deadlineMs;
  if (untilMs === undefined) return false;
  // Without a deadline of its own: it had passed before the request began.
  const dueMs = deadline?.dueMs ?? plan?.sinceMs ?? startMs;
  return dueMs >= untilMs - roundingMs;
}

/** The header that set the time of the whole request, if one did. */
function headerOfTimeout(call: Call): string | undefined {
  const { plan, route, destination } = call;
  if (plan === undefined || plan.timeoutMs === (destination?.timeoutMs ?? route!.timeoutMs)) return undefined;
  const { overrideHeaders } = plan.policy;
  const names = overrideHeaders === undefined ? [] : timeoutHeaders[overrideHeaders];
  return [...names, 'grpc-timeout'].find((name) => headerOf(call, name) !== undefined);
}

/** In the order in which they count. */
const timeoutHeaders = {
  envoy: ['x-envoy-upstream-rq-timeout-ms'],
  linkerd: ['l5d-request-timeout', 'l5d-timeout'],
} as const;

const perTryHeaders = { envoy: 'x-envoy-upstream-rq-per-try-timeout-ms', linkerd: 'l5d-retry-timeout' } as const;

/** What to do about the end of an attempt, where the time was not that of the policy; undefined = what the table of errors says. */
export function perTryRemedy(call: Call, outcome: Outcome): string | undefined {
  if (outcome.kind === 'response' || outcome.code !== 'MESH_PER_TRY_TIMEOUT') return undefined;
  const { cause } = outcome;
  if (isError(cause) && 'code' in cause && cause.code === 'UND_ERR_HEADERS_TIMEOUT')
    return 'The time is `headersTimeout` of the request (undici): raise it there, or find out why the endpoint is slow.';
  const { plan, route, retry } = call;
  if (plan?.policy.overrideHeaders === undefined || retry?.perTryTimeoutMs === route!.retry?.perTryTimeoutMs) return undefined;
  const header = perTryHeaders[plan.policy.overrideHeaders];
  return headerOf(call, header) === undefined
    ? undefined
    : `The request itself asked for this time with \`${header}\`: raise it there, or find out why the endpoint is slow.`;
}

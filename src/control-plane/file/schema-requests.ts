/** The policies of requests: what a service and each of its routes may have, and what of it `defaults` may have too. */
import * as v from 'valibot';
import { headerMutation } from './schema-actions.ts';
import { fault, rateLimit } from './schema-faults.ts';
import { hedge } from './schema-hedge.ts';
import { timeoutMs } from './schema-policies.ts';
import { retry } from './schema-retry.ts';
import { hashPolicy, sessionAffinity } from './schema-sessions.ts';
import { durationMs, flag, list, oneOf, tokenName } from './schema-values.ts';

const limitOf = (of: string) => v.pipe(v.exactOptional(durationMs(0)), v.description(`${of} 0 = none, the default.`));

/** Policies that `defaults` may have too. */
export const commonRequestPolicies = {
  responseTimeoutMs: limitOf('Limit from the end of the request to the end of the response.'),
  streamIdleTimeoutMs: limitOf('Longest silence in which neither a part of the request nor of the response comes.'),
  maxStreamDurationMs: limitOf('Limit of the whole exchange with its bodies, for streams that `timeoutMs` would not fit.'),
  grpcTimeoutCapMs: v.pipe(
    v.exactOptional(durationMs(0)),
    v.description(
      'The `grpc-timeout` of a gRPC request counts too, up to here (0 = whatever it says); where it has none, this is the limit. Not read by default, as in Envoy.',
    ),
  ),
  hedge: v.exactOptional(hedge),
  overrideHeaders: v.pipe(
    v.exactOptional(oneOf(['envoy', 'linkerd'])),
    v.description(
      'Whose headers in a request may change its timeouts and retries: `envoy` = `x-envoy-*`, `linkerd` = `l5d-*`. None by default, since a program that hands headers on would hand these on too.',
    ),
  ),
  includeAttemptCount: v.pipe(
    v.exactOptional(flag()),
    v.description(
      'Whether attempts tell their number in `x-envoy-attempt-count`: `true` all of them, `false` none. By default those after the first, so that who is asked adds no retries of its own.',
    ),
  ),
  upgrades: v.pipe(
    v.exactOptional(v.array(tokenName('a protocol such as websocket'), 'a list')),
    v.description('Protocols that a request may upgrade to; an empty list = none. Any by default.'),
  ),
} as const;

/** Policies of a service and of its routes. */
export const requestPolicies = {
  timeoutMs: v.exactOptional(timeoutMs),
  retry: v.exactOptional(retry),
  ...commonRequestPolicies,
  fault: v.exactOptional(fault),
  rateLimit: v.exactOptional(rateLimit),
  requestHeaders: v.exactOptional(headerMutation),
  responseHeaders: v.exactOptional(headerMutation),
  sessionAffinity: v.exactOptional(sessionAffinity),
  hash: v.pipe(
    v.exactOptional(list(hashPolicy)),
    v.description(
      'What `ring-hash` and `maglev` place requests by: equal values go to the same endpoint. Without it, by chance.',
    ),
  ),
  priority: v.pipe(
    v.exactOptional(oneOf(['default', 'high'])),
    v.description('`high`: requests count in `limits.highPriority`, apart from the others. Default `default`.'),
  ),
} as const;

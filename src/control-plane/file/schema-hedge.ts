/** `hedge`: more than one attempt at a time. */
import * as v from 'valibot';
import { gRpcFailureNames } from '../validate/grpc-status.ts';
import { durationMs, list, mapping, oneOf, wholeNumber } from './schema-values.ts';

/** `hedge`. */
export const hedge = v.pipe(
  mapping({
    delayMs: v.pipe(
      v.exactOptional(durationMs(0)),
      v.description('The next attempt starts each time so long has passed without a response; 0 = all at once.'),
    ),
    backup: v.pipe(
      v.exactOptional(
        mapping({
          maxExtraLoadPercent: v.pipe(
            wholeNumber(1, 100),
            v.description('Greatest share of additional requests: 5 sends a second one to the slowest twentieth.'),
          ),
          minDelayMs: v.pipe(v.optional(durationMs(1), 1), v.description('Never sooner than this.')),
        }),
      ),
      v.description(
        'One more attempt once the first takes longer than most requests do, measured all the time (Finagle). Nothing happens until ten requests of an earlier slice of 3 s are known, so for the first seconds.',
      ),
    ),
    onPerTryTimeout: v.pipe(
      v.exactOptional(v.literal(true, 'true')),
      v.description('`true`: a `retry.perTryTimeoutMs` starts the next attempt and leaves the slow one running (Envoy).'),
    ),
    maxAttempts: v.pipe(
      v.exactOptional(wholeNumber(2, 5)),
      v.description('With `delayMs`: attempts in all, the first included. 2 by default, 5 at most (gRFC A6).'),
    ),
    nonFatalStatuses: v.pipe(
      v.exactOptional(list(oneOf(gRpcFailureNames))),
      v.description('With `delayMs`: gRPC statuses that do not end the request; the next attempt starts at once (gRFC A6).'),
    ),
  }),
  v.check(
    (value) => [value.delayMs, value.backup, value.onPerTryTimeout].filter((when) => when !== undefined).length === 1,
    'it does not say when another attempt starts; set exactly one of delayMs, backup, onPerTryTimeout',
  ),
  v.forward(
    v.check(
      ({ delayMs, maxAttempts }) => delayMs !== undefined || maxAttempts === undefined,
      'it has an effect beside `delayMs` only; remove it',
    ),
    ['maxAttempts'],
  ),
  v.forward(
    v.check(
      ({ delayMs, nonFatalStatuses }) => delayMs !== undefined || nonFatalStatuses === undefined,
      'it has an effect beside `delayMs` only; remove it',
    ),
    ['nonFatalStatuses'],
  ),
  v.description(
    'More than one attempt at a time: the first good response wins and the others are cancelled. Only requests that may be executed twice, and within `retry.budget`.',
  ),
);

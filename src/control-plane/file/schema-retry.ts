/** `retry`: when and how often a request is tried again. The defaults are those of `safe-defaults.ts`. */
import * as v from 'valibot';
import { retryConditions } from '../../model/retry-conditions.ts';
import { safeRetry } from '../safe-defaults.ts';
import { headerTests } from './schema-matches.ts';
import { durationMs, list, mapping, maxCount, oneOf, ratio, tokenName, wholeNumber } from './schema-values.ts';

const backoff = v.pipe(
  mapping({
    baseMs: v.pipe(
      v.optional(durationMs(1), safeRetry.backoff.baseMs),
      v.description("The wait before the n-th retry is drawn from 0 … baseMs·(2ⁿ−1). Envoy's value."),
    ),
    maxMs: v.pipe(v.exactOptional(durationMs(1)), v.description('Longest wait. 10 times `baseMs` by default, as in Envoy.')),
  }),
  v.check(
    ({ baseMs, maxMs = baseMs }) => baseMs <= maxMs,
    ({ input }) => `\`baseMs\` (${input.baseMs}) must not be larger than \`maxMs\` (${input.maxMs})`,
  ),
  v.description(
    'Waits between attempts. All of the wait is random, so that the clients of a failing endpoint do not come back together.',
  ),
);

const budget = v.pipe(
  mapping({
    ratio: v.pipe(
      v.optional(ratio(), safeRetry.budget.ratio),
      v.description(
        'Retries allowed for each first attempt. 0.15 keeps the load of a failing service below 1.2 times its normal one.',
      ),
    ),
    minTokens: v.pipe(
      v.optional(wholeNumber(0, maxCount), safeRetry.budget.minTokens),
      v.description('Retries that a service with little traffic may make all the same; 10 covers a restart of one endpoint.'),
    ),
  }),
  v.description(
    'How many retries a service gets beside the first attempts: without it, retries multiply the load of a service that is failing already.',
  ),
);

/** `retry`. */
export const retry = v.pipe(
  mapping({
    maxAttempts: v.pipe(
      v.optional(wholeNumber(1, 100), safeRetry.maxAttempts),
      v.description('Attempts in all, the first included; 1 = never retry. One retry by default, as in Envoy.'),
    ),
    on: v.pipe(
      v.optional(list(oneOf(retryConditions), 'a list such as [reset, 5xx]', '; for no retries write `maxAttempts: 1`'), [
        ...safeRetry.on,
      ]),
      v.description(
        "What is retried, in Envoy's words; `reset` includes `reset-before-request` and `refused-stream`. The default holds no response: whether a 503 may be repeated is for the owner of the service to say.",
      ),
    ),
    statusCodes: v.pipe(v.exactOptional(list(wholeNumber(100, 599))), v.description('The statuses of `retriable-status-codes`.')),
    retriableHeaders: v.pipe(
      v.exactOptional(headerTests),
      v.description('Tests of response headers for `retriable-headers`: any one of them calls for another attempt.'),
    ),
    requestHeaders: v.pipe(
      v.exactOptional(headerTests),
      v.description('Only requests that pass any one of these tests are retried. All by default.'),
    ),
    perTryTimeoutMs: v.pipe(
      v.exactOptional(durationMs(1)),
      v.description('Limit of one attempt, until its response head. None by default: `timeoutMs` covers all attempts.'),
    ),
    perTryIdleTimeoutMs: v.pipe(
      v.exactOptional(durationMs(1)),
      v.description('Longest silence of one attempt. None by default.'),
    ),
    resetHeaders: v.pipe(
      v.exactOptional(v.record(tokenName(), oneOf(['seconds', 'unix-timestamp']), 'a mapping')),
      v.description(
        'Response headers that say when to come again, in order, with the form of their value: `retry-after: seconds`. By default `Retry-After` in any of its forms; `{}` listens to none, as Envoy does.',
      ),
    ),
    maxResetMs: v.pipe(
      v.exactOptional(durationMs(1)),
      v.description(
        'Longest wait that a response may ask for. After a `Retry-After` with a longer one the response is delivered at once; a header of `resetHeaders` with a longer one is passed over, as in Envoy. Default 30000: longer than callers wait.',
      ),
    ),
    backoff: v.optional(backoff, {}),
    budget: v.optional(budget, {}),
    maxBodyBytes: v.pipe(
      v.optional(wholeNumber(0, 67_108_864), safeRetry.maxBodyBytes),
      v.description(
        'So much of a streamed request body is kept for another attempt; a request whose stream was read further is not retried. Strings, buffers, blobs and forms are in memory anyway and are sent again whatever their size. 64 KiB: a thousand requests in flight hold 64 MiB at most.',
      ),
    ),
    nonIdempotent: v.pipe(
      v.exactOptional(oneOf(['never', 'as-configured'])),
      v.description(
        'Whether a POST or PATCH that the endpoint may have processed is sent again. By default not (RFC 9110, section 9.2.2), but for gRPC requests and the gRPC statuses that `on` names; `never`: not those either; `as-configured` does what `on` says, as Envoy does, for services that recognise a repeated request. One with an `idempotency-key` header is sent again whatever this says.',
      ),
    ),
  }),
  v.forward(
    v.check(
      ({ on, statusCodes }) => statusCodes === undefined || on.includes('retriable-status-codes'),
      'it has no effect unless `on` holds `retriable-status-codes`: add it there, or remove `statusCodes`',
    ),
    ['statusCodes'],
  ),
  v.forward(
    v.check(
      ({ on, statusCodes }) => statusCodes !== undefined || !on.includes('retriable-status-codes'),
      '`retriable-status-codes` needs the list `statusCodes` beside `on`',
    ),
    ['on'],
  ),
  v.forward(
    v.check(
      ({ on, retriableHeaders }) => retriableHeaders === undefined || on.includes('retriable-headers'),
      'it has no effect unless `on` holds `retriable-headers`: add it there, or remove `retriableHeaders`',
    ),
    ['retriableHeaders'],
  ),
  v.forward(
    v.check(
      ({ on, retriableHeaders }) => retriableHeaders !== undefined || !on.includes('retriable-headers'),
      '`retriable-headers` needs the tests `retriableHeaders` beside `on`',
    ),
    ['on'],
  ),
  v.description('When and how often a request is tried again, on another endpoint where there is one.'),
);

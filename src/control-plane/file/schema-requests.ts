/** Policies of requests, which a service and each of its routes may have: faults, rates, hedges, sessions, times. */
import * as v from 'valibot';
import { gRpcFailureNames } from '../validate/grpc-status.ts';
import { headerMutation } from './schema-actions.ts';
import { headerTests } from './schema-matches.ts';
import { timeoutMs } from './schema-policies.ts';
import { retry } from './schema-retry.ts';
import {
  durationMs,
  flag,
  list,
  mapping,
  maxCount,
  oneKind,
  oneOf,
  sharePercent,
  tokenName,
  wholeNumber,
} from './schema-values.ts';

const percent = (of: string) => v.pipe(v.optional(sharePercent(), 100), v.description(of));

/** `fault.delay`. */
export const delay = v.pipe(
  oneKind(
    {
      fixedMs: v.pipe(v.exactOptional(durationMs(1)), v.description('So long.')),
      byHeader: v.pipe(
        v.exactOptional(v.literal(true, 'true')),
        v.description('As long as `x-envoy-fault-delay-request` of the request says, in milliseconds.'),
      ),
    },
    { percent: percent('Share of the requests that are delayed.') },
  ),
  v.description('Requests wait before they are sent.'),
);

/** `fault.abort`. */
export const abort = v.pipe(
  oneKind(
    {
      status: v.pipe(v.exactOptional(wholeNumber(200, 599)), v.description('With this HTTP status.')),
      grpcStatus: v.pipe(v.exactOptional(wholeNumber(1, 16)), v.description('With this gRPC status.')),
      byHeader: v.pipe(
        v.exactOptional(v.literal(true, 'true')),
        v.description('With what `x-envoy-fault-abort-request` or `x-envoy-fault-abort-grpc-request` of the request says.'),
      ),
    },
    {
      percent: percent('Share of the requests that are answered so.'),
      message: v.pipe(
        v.exactOptional(v.pipe(v.string('a text'), v.maxBytes(4096, 'at most 4096 bytes'))),
        v.description("Body of the answer. Default: Envoy's `fault filter abort`."),
      ),
    },
  ),
  v.description('Requests are answered without being sent.'),
);

/** `fault`. */
export const fault = v.pipe(
  mapping({
    delay: v.exactOptional(delay),
    abort: v.exactOptional(abort),
    responseBytesPerSecond: v.pipe(
      v.exactOptional(wholeNumber(1, maxCount)),
      v.description('Bodies of responses come no faster than this.'),
    ),
    maxActive: v.pipe(
      v.exactOptional(wholeNumber(0, maxCount)),
      v.description('Faults that are made at the same time at most; requests beyond that get none. No bound by default.'),
    ),
    headers: v.pipe(v.exactOptional(headerTests), v.description('Only for requests that pass these tests.')),
  }),
  v.check(
    ({ delay: slow, abort: refuse, responseBytesPerSecond }) =>
      slow !== undefined || refuse !== undefined || responseBytesPerSecond !== undefined,
    'it makes no fault; set at least one of delay, abort, responseBytesPerSecond',
  ),
  v.description('Makes requests slow or fail on purpose, to see what the program does then. Before all attempts and retries.'),
);

/** `rateLimit`. */
export const rateLimit = v.pipe(
  mapping({
    requests: v.pipe(wholeNumber(1, maxCount), v.description('So many requests …')),
    perMs: v.pipe(v.optional(durationMs(1), 1000), v.description('… in this time, a second by default.')),
    burst: v.pipe(
      v.exactOptional(wholeNumber(1, maxCount)),
      v.description('Requests that may come at once after a quiet time. Default: `requests`.'),
    ),
    status: v.pipe(
      v.exactOptional(wholeNumber(400, 599)),
      v.description('Status of a refusal. 429 by default (RFC 6585), as in Envoy.'),
    ),
    responseHeaders: v.exactOptional(headerMutation),
  }),
  v.description(
    'Refuses what is above this rate, in this process, before anything is sent. Each process counts its own requests; retries and copies do not count.',
  ),
);

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
      v.description('One more attempt once the first takes longer than most requests do, measured all the time (Finagle).'),
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

const cookiePathText = v.pipe(
  v.string('a path that begins with / and has no ; or space'),
  v.regex(/^\/[!-:<-~]*$/, 'a path that begins with / and has no ; or space'),
);

const cookiePath = v.pipe(
  v.exactOptional(cookiePathText),
  v.description('Path of the cookie. None by default, which is `/` for most callers.'),
);

/** `sessionAffinity`. */
export const sessionAffinity = v.pipe(
  oneKind(
    {
      cookie: v.pipe(
        v.exactOptional(tokenName('the name of a cookie')),
        v.description("Kept in a cookie of this name, in Envoy's format, which the mesh sets and the caller sends back."),
      ),
      header: v.pipe(
        v.exactOptional(tokenName()),
        v.description('Kept in a header of this name, which responses carry and the caller sends back.'),
      ),
    },
    {
      path: v.pipe(
        v.exactOptional(cookiePathText),
        v.description('Path of the cookie; requests to other paths are not kept. All paths by default.'),
      ),
      ttlMs: v.pipe(
        v.exactOptional(durationMs(0)),
        v.description('Life of the cookie. Without it, or with 0, it ends with the session of the caller.'),
      ),
      absoluteTimeoutMs: v.pipe(
        v.exactOptional(durationMs(1)),
        v.description('So long after it began a session is over, and the next request may go elsewhere. No end by default.'),
      ),
      idleTimeoutMs: v.pipe(
        v.exactOptional(durationMs(1)),
        v.description('So long after its last request a session is over. No end by default.'),
      ),
      strict: v.pipe(
        v.exactOptional(flag()),
        v.description('`true`: when the endpoint is gone the request fails, instead of going to another one.'),
      ),
    },
  ),
  v.forward(
    v.check(({ cookie, path }) => cookie !== undefined || path === undefined, 'it belongs to `cookie`; remove it'),
    ['path'],
  ),
  v.forward(
    v.check(({ cookie, ttlMs }) => cookie !== undefined || ttlMs === undefined, 'it belongs to `cookie`; remove it'),
    ['ttlMs'],
  ),
  v.description('Keeps the requests of one caller on the endpoint that served its first one, while that may be used.'),
);

/** `hash`: what a hashing `loadBalancing.policy` places requests by. */
export const hashPolicy = v.pipe(
  oneKind(
    {
      header: v.pipe(v.exactOptional(tokenName()), v.description('The value of this request header.')),
      cookie: v.pipe(v.exactOptional(tokenName('the name of a cookie')), v.description('The value of this cookie.')),
      query: v.pipe(
        v.exactOptional(v.pipe(v.string('the name of a parameter'), v.minLength(1, 'the name of a parameter'))),
        v.description('The value of this query parameter, as it is written.'),
      ),
      process: v.pipe(
        v.exactOptional(v.literal(true, 'true')),
        v.description('`true`: the same for all requests of this process, so that it keeps to one endpoint.'),
      ),
    },
    {
      ttlMs: v.pipe(
        v.exactOptional(durationMs(0)),
        v.description(
          'With `cookie`: a cookie that is missing is made, with this life; 0 = until the session of the caller ends.',
        ),
      ),
      path: cookiePath,
      terminal: v.pipe(
        v.exactOptional(flag()),
        v.description('`true`: when this gave a value, the items after it do not count.'),
      ),
    },
  ),
  v.forward(
    v.check(({ cookie, ttlMs }) => cookie !== undefined || ttlMs === undefined, 'it belongs to `cookie`; remove it'),
    ['ttlMs'],
  ),
  v.forward(
    v.check(
      ({ ttlMs, path }) => ttlMs !== undefined || path === undefined,
      'it has an effect beside `ttlMs` only, for the cookie that is made; remove it',
    ),
    ['path'],
  ),
  v.description('A part of the request that is hashed. All items count, in order.'),
);

const limitOf = (of: string) => v.pipe(v.exactOptional(durationMs(0)), v.description(`${of} 0 = none, the default.`));

/** Policies that `defaults` may have too. */
export const commonRequestPolicies = {
  responseTimeoutMs: limitOf('Limit from the end of the request to the end of the response.'),
  streamIdleTimeoutMs: limitOf('Longest silence in which neither a part of the request nor of the response comes.'),
  maxStreamDurationMs: limitOf('Limit of the whole exchange with its bodies, for streams that `timeoutMs` would not fit.'),
  grpcTimeoutCapMs: limitOf('The `grpc-timeout` of a caller counts up to here; where it has none, this holds.'),
  hedge: v.exactOptional(hedge),
  overrideHeaders: v.pipe(
    v.exactOptional(oneOf(['envoy', 'linkerd'])),
    v.description(
      'Whose headers in a request may change its timeouts and retries: `envoy` = `x-envoy-*`, `linkerd` = `l5d-*`. None by default, since a program that hands headers on would hand these on too.',
    ),
  ),
  includeAttemptCount: v.pipe(
    v.exactOptional(flag()),
    v.description('Whether each attempt tells its number in `x-envoy-attempt-count`. Off by default, as in Envoy.'),
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

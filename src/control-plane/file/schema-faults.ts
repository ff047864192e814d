/** `fault` and `rateLimit`: requests that are made slow, fail or are refused before anything is sent. */
import * as v from 'valibot';
import { headerMutation } from './schema-actions.ts';
import { headerTests } from './schema-matches.ts';
import { durationMs, mapping, maxCount, oneKind, sharePercent, wholeNumber } from './schema-values.ts';

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
  v.description('Requests wait before they are sent. `timeoutMs` begins after it, as in Envoy.'),
);

/** `fault.abort`. */
export const abort = v.pipe(
  oneKind(
    {
      status: v.pipe(v.exactOptional(wholeNumber(200, 599)), v.description('With this HTTP status.')),
      grpcStatus: v.pipe(
        v.exactOptional(wholeNumber(1, 16)),
        v.description(
          'With this gRPC status. A request that is not gRPC gets HTTP 200 with the `message` as its body, as in Envoy.',
        ),
      ),
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

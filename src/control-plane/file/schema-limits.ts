/** `limits`: how much one service may have under way. */
import * as v from 'valibot';
import { safeLimits } from '../safe-defaults.ts';
import { durationMs, mapping, maxCount, number, oneOf, wholeNumber } from './schema-values.ts';

const limit = (fallback: number, of: string) =>
  v.pipe(v.optional(wholeNumber(1, maxCount), fallback), v.description(`${of} Envoy's value.`));

const caps = {
  maxConnections: limit(safeLimits.maxConnections, 'Connections to all endpoints of the service.'),
  maxPendingRequests: limit(safeLimits.maxPendingRequests, 'Requests that wait for a connection.'),
  pendingTimeoutMs: v.pipe(
    v.exactOptional(durationMs(1)),
    v.description('How long a request may wait for a connection. As long as its own timeouts let it, by default.'),
  ),
  maxRequests: limit(safeLimits.maxRequests, 'Requests in flight, until the end of their response bodies.'),
  maxRetries: v.pipe(
    v.exactOptional(wholeNumber(1, maxCount)),
    v.description('Retries in flight. None by default: `retry.budget` is the cap that grows with the traffic.'),
  ),
} as const;

/** `limits.adaptive`. */
export const adaptive = v.pipe(
  mapping({
    algorithm: v.pipe(
      oneOf(['gradient2', 'vegas', 'aimd', 'gradient']),
      v.description(
        "`gradient2` and `vegas`: fewer while requests take longer than they did (Netflix concurrency-limits). `aimd`: fewer after failures and `timeoutMs`. `gradient`: Envoy's adaptive concurrency.",
      ),
    ),
    minLimit: v.pipe(v.exactOptional(wholeNumber(1, maxCount)), v.description('Never fewer. 20 by default, 3 for `gradient`.')),
    maxLimit: v.pipe(
      v.exactOptional(wholeNumber(1, maxCount)),
      v.description('Never more. 200 by default, 1000 for `gradient`.'),
    ),
    initialLimit: v.pipe(v.exactOptional(wholeNumber(1, maxCount)), v.description('Where it begins. 20 by default.')),
    timeoutMs: v.pipe(
      v.exactOptional(durationMs(1)),
      v.description('With `aimd`: a response that took longer counts as a failure. 5000 by default.'),
    ),
  }),
  v.check(
    ({ algorithm, minLimit = algorithm === 'gradient' ? 3 : 20, maxLimit = algorithm === 'gradient' ? 1000 : 200 }) =>
      minLimit <= maxLimit,
    '`minLimit` (20 by default, 3 for `gradient`) must not be larger than `maxLimit` (200, 1000 for `gradient`)',
  ),
  v.forward(
    v.check(
      ({ initialLimit, minLimit, maxLimit }) =>
        initialLimit === undefined || (initialLimit >= (minLimit ?? 1) && initialLimit <= (maxLimit ?? maxCount)),
      'it must lie between `minLimit` and `maxLimit`',
    ),
    ['initialLimit'],
  ),
  v.forward(
    v.check(
      ({ algorithm, timeoutMs }) => algorithm === 'aimd' || timeoutMs === undefined,
      'it has an effect with `algorithm: aimd` only; remove it',
    ),
    ['timeoutMs'],
  ),
  v.description('Finds out how many requests the service can have in flight, by their latency. Beside `maxRequests`.'),
);

/** `limits.throttle`. */
export const throttle = v.pipe(
  mapping({
    multiplier: v.pipe(
      v.exactOptional(number(1, 1000)),
      v.description(
        'Requests that are sent for each that was accepted. 2 by default: half of what is sent may be refused there.',
      ),
    ),
    windowMs: v.pipe(v.exactOptional(durationMs(1)), v.description('Time in which requests count. Two minutes by default.')),
    maxRefusalPercent: v.pipe(
      v.exactOptional(wholeNumber(1, 100)),
      v.description('Largest share that is refused here, so that a recovery is noticed. 80 by default, as in Envoy.'),
    ),
    minRequestsPerSecond: v.pipe(
      v.exactOptional(wholeNumber(0, maxCount)),
      v.description('With fewer requests than this nothing is refused. 5 by default.'),
    ),
  }),
  v.description(
    'Refuses a share of the requests in this process while the service refuses most of them, so that it can recover (Site Reliability Engineering, chapter 21).',
  ),
);

/** `limits`. */
export const limits = v.pipe(
  mapping({
    ...caps,
    maxConnectionsPerHost: v.pipe(
      v.exactOptional(wholeNumber(1, maxCount)),
      v.description('Connections to one endpoint. Only `maxConnections` by default.'),
    ),
    adaptive: v.exactOptional(adaptive),
    throttle: v.exactOptional(throttle),
    highPriority: v.pipe(
      v.exactOptional(mapping(caps)),
      v.description('The same caps for requests with `priority: high`, counted apart.'),
    ),
  }),
  v.forward(
    v.check(
      ({ maxConnections, maxConnectionsPerHost = 0 }) => maxConnectionsPerHost <= maxConnections,
      `it has no effect above \`maxConnections\` (${safeLimits.maxConnections} by default), which covers all endpoints; make it smaller, or that larger`,
    ),
    ['maxConnectionsPerHost'],
  ),
  v.description('Caps per service and process. A request above a cap fails at once instead of waiting without end.'),
);

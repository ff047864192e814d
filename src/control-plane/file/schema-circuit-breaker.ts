/** `circuitBreaker`: stops sending while too much fails. */
import * as v from 'valibot';
import { durationMs, mapping, maxCount, oneKind, oneOf, percent, text, wholeNumber } from './schema-values.ts';

/** `circuitBreaker.fallback.respond`. */
export const circuitAnswer = v.pipe(
  mapping({
    status: v.pipe(wholeNumber(200, 599), v.description('Status of the answer.')),
    body: v.pipe(
      v.exactOptional(v.pipe(v.string('a text'), v.maxBytes(4096, 'at most 4096 bytes'))),
      v.description('Body of the answer. None by default.'),
    ),
    contentType: v.pipe(
      v.exactOptional(v.pipe(text('a media type such as application/json'), v.regex(/^[\x20-\x7e]+$/, 'a media type'))),
      v.description('What the body is. `text/plain` by default.'),
    ),
  }),
  v.description('An answer of this process.'),
);

/** `circuitBreaker.fallback`. */
export const circuitFallback = v.pipe(
  oneKind(
    {
      service: v.pipe(
        v.exactOptional(text('the name of a service')),
        v.description(
          'Another service of this file, with endpoints of its own. While its breaker is open too, requests fail: a fallback of its own is not asked.',
        ),
      ),
      respond: v.exactOptional(circuitAnswer),
    },
    {},
  ),
  v.description('What requests get while the breaker is open. Set exactly one.'),
);

const entries = {
  errorThresholdPercent: v.pipe(
    v.optional(percent(), 50),
    v.description(
      'The breaker opens when at least this share of the window failed. Half: a lower one opens on the noise of a busy minute.',
    ),
  ),
  minimumRequests: v.pipe(
    v.optional(wholeNumber(1, maxCount), 10),
    v.description('Finished requests in the window before the share counts: one failure of one request is no evidence.'),
  ),
  openMs: v.pipe(
    v.optional(durationMs(1), 5000),
    v.description('How long it stays open before one probe is let through. 5 s: about a restart of a process.'),
  ),
  windowMs: v.pipe(v.optional(durationMs(1), 10_000), v.description('Sliding window in which requests count.')),
  scope: v.pipe(
    v.exactOptional(oneOf(['host', 'service'])),
    v.description(
      '`host`: one breaker for each endpoint, so that the others go on. `service`: one for all of them, for what they have in common, such as a database. `host` by default.',
    ),
  ),
  fallback: v.pipe(
    v.exactOptional(circuitFallback),
    v.description('Only with `scope: service`. Requests fail with `MESH_CIRCUIT_OPEN` by default.'),
  ),
} as const;

/** `circuitBreaker`. */
export const circuitBreaker = v.pipe(
  mapping(entries),
  v.forward(
    v.check(
      ({ scope, fallback }) => scope === 'service' || fallback === undefined,
      'it stands in for a whole service: add `scope: service`, or remove it',
    ),
    ['fallback'],
  ),
  v.description('Stops sending to an endpoint, or to the service, while too many requests fail. None unless this key is there.'),
);

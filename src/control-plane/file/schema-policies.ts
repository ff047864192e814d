/** The policies that a service and `defaults` share. Every default is one of `safe-defaults.ts`; its reason stands in the description. */
import * as v from 'valibot';
import { parseSpiffeId, spiffeIdProblem } from '../../security/spiffe-id.ts';
import { safeOutlierDetection } from '../safe-defaults.ts';
import { isHostName } from './address.ts';
import { durationMs, flag, hostName, list, mapping, maxCount, oneOf, percent, wholeNumber } from './schema-values.ts';

/** `circuitBreaker`. */
export const circuitBreaker = v.pipe(
  mapping({
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
  }),
  v.description(
    'Stops sending to an endpoint while too many of its requests fail. One breaker per endpoint; none unless this key is there.',
  ),
);

const consecutive = (fallback: number, of: string) =>
  v.pipe(
    v.optional(wholeNumber(0, maxCount), fallback),
    v.description(`${of} in a row that eject an endpoint; 0 = never. Envoy's value.`),
  );

/** `outlierDetection`. */
export const outlierDetection = v.pipe(
  mapping({
    consecutive5xx: consecutive(safeOutlierDetection.consecutive5xx, 'Responses 500 … 599, failed connections and resets'),
    consecutiveGatewayFailure: consecutive(
      safeOutlierDetection.consecutiveGatewayFailure,
      'Responses 502, 503 and 504, failed connections and resets',
    ),
    splitLocalOriginErrors: v.pipe(
      v.optional(flag(), false),
      v.description(
        'Whether failures without a response (refused, reset, timed out) are counted apart, and no longer as 503. Off, as in Envoy.',
      ),
    ),
    consecutiveLocalOriginFailure: v.pipe(
      v.exactOptional(wholeNumber(0, maxCount)),
      v.description(
        'Such failures in a row that eject an endpoint; 0 = never. Only with `splitLocalOriginErrors`, 5 then, as in Envoy.',
      ),
    ),
    baseEjectionMs: v.pipe(
      v.optional(durationMs(1), safeOutlierDetection.baseEjectionMs),
      v.description("First ejection; each further one is longer by as much. Envoy's value."),
    ),
    maxEjectionMs: v.pipe(
      v.optional(durationMs(1), safeOutlierDetection.maxEjectionMs),
      v.description("Longest ejection. Envoy's value."),
    ),
    maxEjectionPercent: v.pipe(
      v.optional(percent(), safeOutlierDetection.maxEjectionPercent),
      v.description(
        "Largest share of endpoints out at once. 67 is two of three; Envoy's 10 would let only one of them out, even when two are dead.",
      ),
    ),
    alwaysEjectOneHost: v.pipe(
      v.optional(flag(), safeOutlierDetection.alwaysEjectOneHost),
      v.description(
        'Whether one endpoint may be out whatever the share says: with two endpoints, a dead one must be able to go.',
      ),
    ),
  }),
  v.forward(
    v.check(
      ({ splitLocalOriginErrors, consecutiveLocalOriginFailure: count }) => splitLocalOriginErrors || count === undefined,
      'it has an effect with `splitLocalOriginErrors: true` only; add that, or remove it',
    ),
    ['consecutiveLocalOriginFailure'],
  ),
  v.check(
    ({ baseEjectionMs, maxEjectionMs }) => baseEjectionMs <= maxEjectionMs,
    ({ input }) =>
      `\`baseEjectionMs\` (${input.baseEjectionMs}) must not be larger than \`maxEjectionMs\` (${input.maxEjectionMs})`,
  ),
  v.description(
    'Takes an endpoint out that fails while others do not. On by default, so that a dead endpoint costs a handful of requests.',
  ),
);

function isPeerName(value: string): boolean {
  return value.includes(':') ? spiffeIdProblem(value) === undefined && parseSpiffeId(value).path !== '' : isHostName(value);
}

const peerName =
  'a SPIFFE ID such as spiffe://example.org/orders (lower-case trust domain, with a path) or a DNS name, without wildcards';

/** `tls`. */
export const tls = v.pipe(
  mapping({
    mode: v.pipe(
      oneOf(['disabled', 'simple', 'mutual']),
      v.description(
        '`disabled`: plaintext. `simple`: the endpoint shows a certificate. `mutual`: we show ours too, that of `identity`.',
      ),
    ),
    peers: v.pipe(
      v.exactOptional(list(v.pipe(v.string(peerName), v.check(isPeerName, peerName)))),
      v.description(
        'SPIFFE IDs and DNS names, one of which the certificate of the endpoint must hold. Without them it must name the `sni` host (RFC 9525).',
      ),
    ),
    sni: v.pipe(
      v.exactOptional(hostName()),
      v.description('Server name sent in the handshake. By default the name under `dns`, else the host of the URL.'),
    ),
  }),
  v.forward(
    v.check(
      ({ mode, peers }) => mode !== 'disabled' || peers === undefined,
      'it has no effect with `mode: disabled`: remove it, or use `simple` or `mutual`',
    ),
    ['peers'],
  ),
  v.forward(
    v.check(
      ({ mode, sni }) => mode !== 'disabled' || sni === undefined,
      'it has no effect with `mode: disabled`: remove it, or use `simple` or `mutual`',
    ),
    ['sni'],
  ),
  v.description('How connections to the endpoints are secured. Without this key the scheme of the URL decides.'),
);

/** Wire protocol. */
export const protocol = v.pipe(
  oneOf(['auto', 'http1', 'http2']),
  v.description(
    '`auto`: what the TLS handshake agrees on (ALPN), HTTP/1.1 in plaintext. `http2` in plaintext is HTTP/2 with prior knowledge.',
  ),
);

/** Route timeout. */
export const timeoutMs = v.pipe(
  durationMs(0),
  v.description(
    'Limit of the whole request with all attempts and waits, until the end of the response body. 0 = none, the default, so that streams and long polls are not cut; a service that has neither should set it.',
  ),
);

/** Limit of a connection attempt. */
export const connectTimeoutMs = v.pipe(
  durationMs(1),
  v.description("Limit of TCP and TLS handshake. 1 s by default: a blackholed address is left sooner than with Envoy's 5 s."),
);

/** Idle limit of a connection. */
export const idleTimeoutMs = v.pipe(
  durationMs(1),
  v.description(
    "A connection that was idle this long is closed. 4 s by default: shorter than the 5 s after which Node's own server closes it, so that a request rarely meets a closing connection.",
  ),
);

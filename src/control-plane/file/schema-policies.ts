/** The policies that a service and `defaults` share. Every default is one of `safe-defaults.ts`; its reason stands in the description. */
import * as v from 'valibot';
import { parseSpiffeId, spiffeIdProblem } from '../../security/spiffe-id.ts';
import { isHostName } from './address.ts';
import { durationMs, hostName, list, mapping, oneOf } from './schema-values.ts';

function isPeerName(value: string): boolean {
  return value.includes(':') ? spiffeIdProblem(value) === undefined && parseSpiffeId(value).path !== '' : isHostName(value);
}

const peerName =
  'a SPIFFE ID such as spiffe://example.org/orders (lower-case trust domain, with a path) or a DNS name, without wildcards';

const identityName = 'the name of an identity, such as spiffe';

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
    identity: v.pipe(
      v.exactOptional(v.pipe(v.string(identityName), v.nonEmpty(identityName))),
      v.description(
        'Identity of another source: its certificate is the one that we show with `mutual`, its trust bundle the one that the endpoint is verified with. `spiffe` is that of the SPIFFE Workload API; each of its SVIDs has its SPIFFE ID as a name too. By default the `identity` of this file.',
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
      ({ mode, identity }) => mode !== 'disabled' || identity === undefined,
      'it has no effect with `mode: disabled`: remove it, or use `simple` or `mutual`',
    ),
    ['identity'],
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

/** `inbound`: what a port of this process accepts, and from whom. */
import * as v from 'valibot';
import {
  admission,
  cors,
  externalAuthorizer,
  inboundFault,
  inboundLimits,
  inboundRateLimit,
  proxyProtocol,
} from './schema-inbound-load.ts';
import { accessRule } from './schema-inbound-rules.ts';
import { jwt } from './schema-inbound-tokens.ts';
import { identityPattern, probePath } from './schema-inbound-values.ts';
import { dictionary, flag, list, mapping, oneOf, port, text, tokenName, wholeNumber } from './schema-values.ts';

const noTls = 'it has no effect with `mode: disabled`: remove it, or use `permissive` or `strict`';

/** `inbound.pathNormalization`. */
export const pathNormalization = v.pipe(
  mapping({
    normalize: v.pipe(
      v.optional(flag(), true),
      v.description(
        'Whether `/./`, `/../`, backslashes and escapes that a segment does not need are resolved (RFC 3986, section 6).',
      ),
    ),
    mergeSlashes: v.pipe(v.optional(flag(), true), v.description('Whether `//` is one slash.')),
    escapedSlashes: v.pipe(
      v.optional(oneOf(['reject', 'keep', 'unescape', 'redirect']), 'reject'),
      v.description('What is done with `%2F` and `%5C`, which some programs take for slashes and others do not.'),
    ),
  }),
  v.description('The one form of the path that rules and the handler see. What is left out is the strictest.'),
);

const line = 'a text with operators of Envoy such as %REQ(:METHOD)%';

/** An item of `inbound.accessLogs`. */
export const accessLog = v.pipe(
  mapping({
    format: v.pipe(v.optional(oneOf(['text', 'json']), 'json'), v.description('One line each: a text, or an object.')),
    template: v.pipe(
      v.exactOptional(v.union([text(line), dictionary(text(line))], `${line}, or a mapping of them`)),
      v.description("What it says, with Envoy's operators; a mapping for `json`. Default: Envoy's own line."),
    ),
    to: v.pipe(
      v.optional(oneOf(['stdout', 'stderr', 'events']), 'stdout'),
      v.description('Where it goes; `events` = the event `inbound:access-log`.'),
    ),
    errorsOnly: v.pipe(
      v.exactOptional(flag()),
      v.description('`true`: only requests that failed, or that the mesh answered itself.'),
    ),
  }),
  v.forward(
    v.check(
      ({ format, template }) => template === undefined || (typeof template === 'string') === (format === 'text'),
      'a text goes with `format: text`, a mapping with `format: json`',
    ),
    ['template'],
  ),
  v.description('A line for each request that came in.'),
);

const policy = mapping({
  mode: v.pipe(
    oneOf(['strict', 'permissive', 'disabled'], {
      mtls: 'strict',
      on: 'strict',
      off: 'disabled',
      disable: 'disabled',
      none: 'disabled',
    }),
    v.description(
      '`strict`: only peers with a good certificate. `permissive`: these and plaintext, while callers are moved over. `disabled`: plaintext only. The names are those of Istio.',
    ),
  ),
  port: v.pipe(
    v.exactOptional(port()),
    v.description('The port that this is for. Default: every port that has no item of its own.'),
  ),
  identity: v.pipe(
    v.exactOptional(text('the name of an identity, such as spiffe')),
    v.description(
      'Identity of another source: its certificate is the one that is shown, its trust bundle the one that peers are verified with. By default the `identity` of this file.',
    ),
  ),
  clientCertificate: v.pipe(
    v.exactOptional(oneOf(['required', 'optional'])),
    v.description(
      'Whether TLS without a certificate of the client is refused. It is by default; `optional`, for `permissive`, takes browsers too. A bad certificate is refused in any case.',
    ),
  ),
  peers: v.pipe(
    v.exactOptional(list(identityPattern('refused'))),
    v.description(
      'Peers that may connect at all: `spiffe://example.org/*`, `*.example.org`. Others are refused in the handshake. Default: whoever has a certificate of the trust bundle.',
    ),
  ),
  trustedPeers: v.pipe(
    v.exactOptional(list(identityPattern('refused'))),
    v.description(
      'Peers that are believed what they say of others: who called them, how much a request matters and how long its caller waits, baggage. From all others such headers are taken out. Default: nobody.',
    ),
  ),
  authorization: v.pipe(
    v.exactOptional(list(accessRule)),
    v.description('Who may ask for what. Without rules that allow, whoever may connect may ask for everything that none denies.'),
  ),
  jwt: v.exactOptional(jwt),
  externalAuthorizers: v.pipe(
    v.exactOptional(dictionary(externalAuthorizer)),
    v.description('Services that rules with `action: custom` ask, by a name of your choice.'),
  ),
  rateLimit: v.exactOptional(inboundRateLimit),
  admission: v.exactOptional(admission),
  fault: v.exactOptional(inboundFault),
  cors: v.exactOptional(cors),
  plaintextPaths: v.pipe(
    v.exactOptional(list(probePath())),
    v.description(
      'Paths that GET and HEAD are answered for in plaintext, under `strict` too, and without `authorization` or `jwt`: probes and scrapes. Of gRPC, the methods of `grpc.health.v1.Health` alone.',
    ),
  ),
  forwardHeaders: v.pipe(
    v.exactOptional(list(tokenName())),
    v.description(
      'Request headers that requests made while serving this one carry too, unless the program sets them: `x-canary`, `x-tenant`.',
    ),
  ),
  loadReport: v.pipe(
    v.exactOptional(flag()),
    v.description(
      '`true`: responses say how busy this process is (ORCA, `endpoint-load-metrics`), for callers that balance by it.',
    ),
  ),
  accessLogs: v.pipe(v.exactOptional(list(accessLog)), v.description('Lines about requests that came in. None by default.')),
  trustedHops: v.pipe(
    v.exactOptional(wholeNumber(0, 100)),
    v.description(
      'Trusted proxies in front, whose `x-forwarded-for` says who the client is. 0 by default: the header is not believed.',
    ),
  ),
  pathNormalization: v.exactOptional(pathNormalization),
  limits: v.exactOptional(inboundLimits),
  proxyProtocol: v.exactOptional(proxyProtocol),
});

/** `inbound`, or an item of it. */
export const inbound = v.pipe(
  policy,
  v.forward(
    v.check(({ mode, peers }) => mode !== 'disabled' || peers === undefined, noTls),
    ['peers'],
  ),
  v.forward(
    v.check(({ mode, trustedPeers }) => mode !== 'disabled' || trustedPeers === undefined, noTls),
    ['trustedPeers'],
  ),
  v.forward(
    v.check(({ mode, identity }) => mode !== 'disabled' || identity === undefined, noTls),
    ['identity'],
  ),
  v.forward(
    v.check(
      ({ mode, clientCertificate }) => mode === 'permissive' || clientCertificate !== 'optional',
      'a peer without a certificate comes in under `permissive` only; remove it, or change `mode`',
    ),
    ['clientCertificate'],
  ),
  v.description(
    'What comes in, on `mesh.listen` and on servers with a middleware of the mesh: one mapping, or a list of them by `port`. Without this key the file says nothing about what comes in.',
  ),
);

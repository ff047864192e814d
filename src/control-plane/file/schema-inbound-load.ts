/** How much a port lets in, and from where: `rateLimit`, `admission`, `limits`, `proxyProtocol` and `cors` of `inbound`. */
import * as v from 'valibot';
import { headerMutation } from './schema-actions.ts';
import { abort, delay } from './schema-faults.ts';
import { adaptive } from './schema-limits.ts';
import { headerTests } from './schema-matches.ts';
import { absolutePath, durationMs, flag, list, mapping, maxCount, oneOf, text, tokenName, wholeNumber } from './schema-values.ts';
import { addressRange, identityPattern, methodPattern } from './schema-inbound-values.ts';

const bucket = {
  requests: v.pipe(wholeNumber(1, maxCount), v.description('So many requests …')),
  perMs: v.pipe(v.optional(durationMs(1), 1000), v.description('… in this time, a second by default.')),
  burst: v.pipe(
    v.exactOptional(wholeNumber(1, maxCount)),
    v.description('Requests that may come at once after a quiet time. Default: `requests`.'),
  ),
} as const;

/** `inbound.rateLimit`. */
export const inboundRateLimit = v.pipe(
  mapping({
    ...bucket,
    status: v.pipe(
      v.exactOptional(wholeNumber(400, 599)),
      v.description('Status of a refusal. 429 by default (RFC 6585), as in Envoy.'),
    ),
    responseHeaders: v.exactOptional(headerMutation),
    perIdentity: v.pipe(
      v.exactOptional(mapping(bucket)),
      v.description('A further rate for each name of a peer; peers without a certificate share one.'),
    ),
    overrides: v.pipe(
      v.exactOptional(
        list(
          mapping({
            identities: v.pipe(list(identityPattern()), v.description('Names of peers, as in `authorization`.')),
            ...bucket,
          }),
        ),
      ),
      v.description('A rate that these peers share, in place of `perIdentity`. The first that names a peer holds.'),
    ),
  }),
  v.description('Refuses what is above this rate, in this process, before the handler.'),
);

/** `inbound.fault`. */
export const inboundFault = v.pipe(
  mapping({
    delay: v.exactOptional(delay),
    abort: v.exactOptional(abort),
    maxActive: v.pipe(
      v.exactOptional(wholeNumber(0, maxCount)),
      v.description('Faults that are made at the same time at most; requests beyond that get none. No bound by default.'),
    ),
    headers: v.pipe(v.exactOptional(headerTests), v.description('Only for requests that pass these tests.')),
  }),
  v.check(
    ({ delay: slow, abort: refuse }) => slow !== undefined || refuse !== undefined,
    'it makes no fault; set at least one of delay, abort',
  ),
  v.description(
    'Makes requests slow or fail on purpose, to see what callers do then. Those that may come in, before the handler.',
  ),
);

/** `inbound.admission`. */
export const admission = v.pipe(
  mapping({
    maxRequests: v.pipe(
      v.exactOptional(wholeNumber(1, maxCount)),
      v.description('Requests under way at most, until the end of their responses. No cap by default.'),
    ),
    adaptive: v.exactOptional(adaptive),
    maxLoopDelayMs: v.pipe(
      v.exactOptional(durationMs(1)),
      v.description(
        'Delay of the event loop above which sheddable requests are refused, and at twice it all but the most critical. Not looked at by default.',
      ),
    ),
    status: v.pipe(v.exactOptional(wholeNumber(400, 599)), v.description('Status of a refusal. 503 by default.')),
    retryAfterSeconds: v.pipe(
      v.exactOptional(wholeNumber(0, 86_400)),
      v.description('`retry-after` of a refusal. 1 by default.'),
    ),
  }),
  v.check(
    ({ maxRequests, adaptive: found, maxLoopDelayMs }) => (maxRequests ?? found ?? maxLoopDelayMs) !== undefined,
    'it lets everything in; set at least one of maxRequests, adaptive, maxLoopDelayMs',
  ),
  v.description('Refuses what this process cannot carry, the least critical first, so that the rest is served in time.'),
);

/** `inbound.limits`. */
export const inboundLimits = v.pipe(
  mapping({
    maxConnections: v.pipe(v.exactOptional(wholeNumber(1, maxCount)), v.description('Open connections. 10000 by default.')),
    maxConnectionAgeMs: v.pipe(
      v.exactOptional(durationMs(1)),
      v.description(
        'Age at which a connection is asked to leave, so that a peer which is no longer welcome goes. None by default.',
      ),
    ),
    maxHeaderBytes: v.pipe(
      v.exactOptional(wholeNumber(1024, 1_048_576)),
      v.description("Request line and headers together. 16384 by default, Node's value."),
    ),
    maxHeaders: v.pipe(v.exactOptional(wholeNumber(1, 100_000)), v.description("Headers of a request. Node's 2000 by default.")),
    headersTimeoutMs: v.pipe(
      v.exactOptional(durationMs(1)),
      v.description('Time for the headers of a request. 10 s by default, against clients that are slow on purpose.'),
    ),
    requestTimeoutMs: v.pipe(
      v.exactOptional(durationMs(0)),
      v.description("Time for a whole request, body included; 0 = none. 5 minutes by default, Node's value."),
    ),
    keepAliveTimeoutMs: v.pipe(
      v.exactOptional(durationMs(1)),
      v.description('Idle time between requests of a connection. 65 s by default: longer than common load balancers keep one.'),
    ),
    responseIdleTimeoutMs: v.pipe(
      v.exactOptional(durationMs(1)),
      v.description(
        'How long a client may take nothing of a response that waits for it; then it is cut. 5 minutes by default, as in Envoy.',
      ),
    ),
    maxConcurrentStreams: v.pipe(
      v.exactOptional(wholeNumber(1, maxCount)),
      v.description("Streams of an HTTP/2 connection at a time. 100 by default, Envoy's advice for edges."),
    ),
    detectTimeoutMs: v.pipe(
      v.exactOptional(durationMs(1)),
      v.description('How long the first bytes of a connection and its handshake may take.'),
    ),
  }),
  v.minEntries(1, 'at least one limit'),
  v.description('What `mesh.listen` takes on this port at most. On a server of your own its own limits hold.'),
);

/** `inbound.proxyProtocol`. */
export const proxyProtocol = v.pipe(
  mapping({
    from: v.pipe(
      list(addressRange()),
      v.description(
        'Networks of the load balancers that send the header. From elsewhere it is never read: anybody could write it.',
      ),
    ),
    required: v.pipe(v.optional(flag(), false), v.description('`true`: a connection from there without the header is closed.')),
  }),
  v.description('The PROXY protocol (version 1 and 2), in which a load balancer says who the client is. For `mesh.listen`.'),
);

const origin = 'an origin such as https://shop.example.org, *.example.org for every host below a domain, or *';

/** `inbound.cors`. */
export const cors = v.pipe(
  mapping({
    allowOrigins: v.pipe(
      list(v.pipe(v.string(origin), v.regex(/^(?:\*|\*\.[\w.-]+(?::\d{1,5})?|[a-z][a-z0-9+.-]*:\/\/[^/\s*?#@]+)$/, origin))),
      v.description('Pages that may ask: `https://shop.example.org`, `*.example.org`, `*`.'),
    ),
    allowMethods: v.pipe(v.exactOptional(list(methodPattern())), v.description('Methods that they may use.')),
    allowHeaders: v.pipe(v.exactOptional(list(tokenName())), v.description('Request headers that they may set.')),
    exposeHeaders: v.pipe(v.exactOptional(list(tokenName())), v.description('Response headers that they may read.')),
    maxAgeMs: v.pipe(v.exactOptional(durationMs(0)), v.description('How long a browser may remember the answer.')),
    allowCredentials: v.pipe(v.exactOptional(flag()), v.description('Whether cookies and the like may be sent along.')),
  }),
  v.forward(
    v.check(
      ({ allowOrigins, allowCredentials }) => allowCredentials !== true || !allowOrigins.includes('*'),
      'with `*` every page of the world could act for a user who is signed in; name the origins',
    ),
    ['allowCredentials'],
  ),
  v.description(
    'Cross-origin requests of browsers: preflights are answered here, before `jwt` and `authorization`, since a browser sends no credentials with them.',
  ),
);

const authorizerHeaders = (meaning: string) =>
  v.pipe(v.exactOptional(list(headerPattern())), v.description(`${meaning} \`x-auth-*\` names several.`));

function headerPattern() {
  const expected = 'a header name, with `*` at its end where any text may stand';
  return v.pipe(v.string(expected), v.regex(/^[!#$%&'+.^_`|~0-9A-Za-z-]+\*?$/, expected));
}

const ofHttp = 'it has an effect with `protocol: http` only: the answer of gRPC names the headers itself; remove it';

/** An item of `inbound.externalAuthorizers`. */
export const externalAuthorizer = v.pipe(
  mapping({
    service: v.pipe(text('the name of a service of this file'), v.description('The service of this file that is asked.')),
    protocol: v.pipe(
      oneOf(['grpc', 'http']),
      v.description('`grpc`: `envoy.service.auth.v3.Authorization`. `http`: the request without its body; 200 lets it in.'),
    ),
    pathPrefix: v.pipe(v.exactOptional(absolutePath()), v.description('Stands before the path of the question. For `http`.')),
    timeoutMs: v.pipe(v.optional(durationMs(1), 200), v.description("How long its answer may take. 200, Envoy's value.")),
    failOpen: v.pipe(
      v.optional(flag(), false),
      v.description('`true`: requests go on while it does not answer. They are refused by default.'),
    ),
    statusOnError: v.pipe(
      v.exactOptional(wholeNumber(400, 599)),
      v.description("Status of the refusal when it does not answer. 403 by default, Envoy's value."),
    ),
    requestHeaders: authorizerHeaders(
      'Request headers that it sees. By default all with `grpc`, with `http` `authorization` and the like.',
    ),
    checkHeaders: v.exactOptional(headerMutation),
    takenHeaders: authorizerHeaders('Headers of its answer that the request takes over.'),
    appendedHeaders: authorizerHeaders('Headers of its answer that are added to those of the request.'),
    refusalHeaders: authorizerHeaders('Headers of its answer that the caller gets with a refusal. All by default.'),
    responseHeaders: authorizerHeaders('Headers of its answer that the response gets when the request went on.'),
    maxBodyBytes: v.pipe(
      v.optional(wholeNumber(0, 67_108_864), 0),
      v.description('Largest part of the body that it sees. None by default.'),
    ),
    allowPartialBody: v.pipe(
      v.exactOptional(flag()),
      v.description('`true`: of a larger body it sees the beginning. By default such a request is refused with 413.'),
    ),
  }),
  v.forward(
    v.check(
      ({ protocol, pathPrefix }) => protocol === 'http' || pathPrefix === undefined,
      'it has an effect with `protocol: http` only; remove it',
    ),
    ['pathPrefix'],
  ),
  v.forward(
    v.check(({ protocol, takenHeaders }) => protocol === 'http' || takenHeaders === undefined, ofHttp),
    ['takenHeaders'],
  ),
  v.forward(
    v.check(({ protocol, appendedHeaders }) => protocol === 'http' || appendedHeaders === undefined, ofHttp),
    ['appendedHeaders'],
  ),
  v.forward(
    v.check(
      ({ maxBodyBytes, allowPartialBody }) => allowPartialBody === undefined || maxBodyBytes > 0,
      'it sees no body at all; set `maxBodyBytes`, or remove it',
    ),
    ['allowPartialBody'],
  ),
  v.forward(
    v.check(
      ({ failOpen, statusOnError }) => !failOpen || statusOnError === undefined,
      'with `failOpen` nothing is refused when it does not answer; remove one of them',
    ),
    ['statusOnError'],
  ),
  v.description('A service that is asked whether a request may come in: a rule with `action: custom` names it.'),
);

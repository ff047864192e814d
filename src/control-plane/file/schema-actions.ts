/** What a route does with a request: where it goes, how it is changed on the way, or what it is answered. */
import * as v from 'valibot';
import {
  absolutePath,
  authority,
  flag,
  headerValue,
  list,
  mapping,
  maxWeight,
  oneKind,
  oneOf,
  pathTemplate,
  port,
  re2,
  sharePercent,
  text,
  tokenName,
  wholeNumber,
} from './schema-values.ts';

/** Headers that mutations may not name, with what does it instead. */
const fixedHeaders: ReadonlyMap<string, string> = new Map([
  ['host', 'the host is changed with `rewrite: { host: … }`'],
  ...['content-length', 'transfer-encoding'].map((name) => [name, 'it says where the message ends; leave it alone'] as const),
  ...['connection', 'keep-alive', 'proxy-connection', 'upgrade', 'expect', 'te'].map(
    (name) => [name, 'it belongs to one connection, and each connection sets its own; leave it alone'] as const,
  ),
]);

const mutableName = () =>
  v.pipe(
    tokenName(),
    v.check(
      (name) => !fixedHeaders.has(name.toLowerCase()),
      ({ input }) => `another header: ${fixedHeaders.get(input.toLowerCase())}`,
    ),
  );

const headerValues = (meaning: string) =>
  v.pipe(v.exactOptional(v.record(mutableName(), headerValue(), 'a mapping')), v.description(meaning));

/** `requestHeaders` and `responseHeaders`. */
export const headerMutation = v.pipe(
  mapping({
    remove: v.pipe(v.exactOptional(list(mutableName())), v.description('Names of headers that are taken away, before the rest.')),
    set: headerValues('Value by name, instead of any that are there.'),
    setIfAbsent: headerValues('Only where the header is not there.'),
    setIfPresent: headerValues('Only where the header is there.'),
    add: headerValues('Value by name, beside any that are there.'),
  }),
  v.minEntries(1, 'at least one of remove, set, setIfAbsent, setIfPresent, add'),
  v.description(
    'Changes to headers. Those of a destination, its route and its service are all carried out, in this order, so that the service has the last word, as in Envoy.',
  ),
);

/** A pattern and what takes the place of each match. */
export const substitution = v.pipe(
  mapping({
    pattern: v.pipe(re2(), v.description('RE2 syntax; every match is replaced.')),
    substitution: v.pipe(
      v.string('a text'),
      v.description('What takes its place: `\\1` … `\\9` are the groups of the pattern, `\\0` is the whole match.'),
    ),
  }),
  v.description('A replacement by pattern.'),
);

const fullPath = () =>
  v.pipe(v.exactOptional(absolutePath()), v.description('Instead of the whole path. The query stays as it is.'));
const prefixPath = () =>
  v.pipe(
    v.exactOptional(absolutePath()),
    v.description('Instead of what `match.path` has matched with `prefix`, `segmentPrefix` or `exact`.'),
  );
const regexPath = () => v.pipe(v.exactOptional(substitution), v.description('By pattern, in the path without its query.'));

/** `rewrite.path`. */
export const pathRewrite = v.pipe(
  oneKind(
    {
      full: fullPath(),
      prefix: prefixPath(),
      regex: regexPath(),
      template: v.pipe(
        v.exactOptional(pathTemplate('rewrite')),
        v.description('The names of the `template` that `match.path` has matched, in a new place: `/v2/{id}`.'),
      ),
    },
    {},
  ),
  v.description('The new path. Set exactly one.'),
);

/** `rewrite.host`, written out. */
export const hostRewrite = v.pipe(
  oneKind(
    {
      header: v.pipe(v.exactOptional(tokenName()), v.description('The value of this request header.')),
      endpoint: v.pipe(
        v.exactOptional(v.literal(true, 'true')),
        v.description(
          '`true`: the name that the endpoint was found by, which is that under `dns`. Without effect on `endpoints`, which are connected to by their address, also where that is a name such as `localhost`.',
        ),
      ),
      regex: v.pipe(v.exactOptional(substitution), v.description('Made out of the path without its query.')),
    },
    {},
  ),
  v.description('Where the new host comes from. Set exactly one.'),
);

/** `rewrite`. */
export const rewrite = v.pipe(
  mapping({
    path: v.exactOptional(pathRewrite),
    host: v.pipe(
      v.exactOptional(v.union([authority(), hostRewrite], 'a host, or a mapping with one of header, endpoint, regex')),
      v.description('The host that the endpoint is told (`host`, or `:authority` of HTTP/2), or where it comes from.'),
    ),
    appendForwardedHost: v.pipe(
      v.exactOptional(flag()),
      v.description('Whether the host that the caller wrote is appended to `x-forwarded-host`. Off by default, as in Envoy.'),
    ),
  }),
  v.minEntries(1, 'at least one of path, host'),
  v.check(
    ({ host, appendForwardedHost }) => host !== undefined || appendForwardedHost !== true,
    'appendForwardedHost: without effect where the host stays; set `host`, or remove it',
  ),
  v.description('What the endpoint gets instead of the path and host that the caller wrote.'),
);

/** `redirect`. */
export const redirect = v.pipe(
  mapping({
    status: v.pipe(
      v.optional(v.picklist([301, 302, 303, 307, 308], 'one of 301, 302, 303, 307, 308'), 301),
      v.description("Status of the answer. Envoy's value; 307 and 308 keep the method and body of a POST."),
    ),
    scheme: v.pipe(v.exactOptional(oneOf(['http', 'https'])), v.description('Default: that of the request.')),
    host: v.pipe(v.exactOptional(authority()), v.description('Default: that of the request.')),
    port: v.pipe(v.exactOptional(port()), v.description('Default: that of the request where neither it nor the scheme is new.')),
    path: v.pipe(
      v.exactOptional(oneKind({ full: fullPath(), prefix: prefixPath(), regex: regexPath() }, {})),
      v.description('The new path. Set exactly one. Default: that of the request.'),
    ),
    stripQuery: v.pipe(v.exactOptional(flag()), v.description('Whether the query is left out. It stays by default.')),
  }),
  v.check(
    ({ scheme, host, port: number, path, stripQuery }) =>
      stripQuery === true || [scheme, host, number, path].some((part) => part !== undefined),
    'it leads back to the same place; set at least one of scheme, host, port, path, stripQuery',
  ),
  v.description('Answers with another address. What is left out stays as in the request.'),
);

/** `respond`. */
export const respond = v.pipe(
  mapping({
    status: v.pipe(wholeNumber(200, 599), v.description('Status of the answer.')),
    body: v.pipe(
      v.exactOptional(v.pipe(v.string('a text'), v.maxBytes(4096, 'at most 4096 bytes'))),
      v.description("Body of the answer, as `text/plain`. At most 4096 bytes, Envoy's value. None by default."),
    ),
  }),
  v.description('Answers without an endpoint.'),
);

const serviceName = () => text('the name of a service');
const subsetName = () =>
  v.pipe(
    v.exactOptional(text('the name of a subset')),
    v.description('Name of a subset of that service. Default: all of its endpoints.'),
  );

/** An item of `mirror`. */
export const mirror = v.pipe(
  mapping({
    service: v.pipe(serviceName(), v.description('Name of the service of this file that gets the copies.')),
    subset: subsetName(),
    percent: v.pipe(v.optional(sharePercent(), 100), v.description('Share of the requests that are copied.')),
    hostSuffix: v.pipe(
      v.exactOptional(v.pipe(v.string('letters, digits, - and .'), v.regex(/^[\w.-]{1,63}$/, 'letters, digits, - and .'))),
      v.description("Appended to the host that the copy names, so that its receiver can tell; Envoy's is `-shadow`."),
    ),
  }),
  v.description('A copy of requests, whose responses are thrown away. It never delays or fails the request itself.'),
);

/** An item of `to`. */
export const destination = v.pipe(
  mapping({
    service: v.pipe(
      v.exactOptional(serviceName()),
      v.description(
        'Name of a service of this file. Default: the service that the route belongs to. Another one gives its endpoints and what protects them (`loadBalancing`, `limits`, `circuitBreaker`, `outlierDetection`, `tls`, `protocol`, connections); times, retries, faults, rate limits, headers, `hash` and sessions stay those of the route and of the service that was called.',
      ),
    ),
    subset: subsetName(),
    weight: v.pipe(
      v.optional(wholeNumber(0, maxWeight), 1),
      v.description('Share of the requests, relative to the other items; 0 = none for now. Equal shares by default.'),
    ),
    requestHeaders: v.exactOptional(headerMutation),
    responseHeaders: v.exactOptional(headerMutation),
  }),
  v.description('One destination of a route.'),
);

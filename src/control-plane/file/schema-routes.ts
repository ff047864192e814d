/** `routes` of a service: which requests go where, under which policy. */
import * as v from 'valibot';
import { timeoutMs } from './schema-policies.ts';
import { retry } from './schema-retry.ts';
import { flag, list, mapping, maxWeight, re2, text, wholeNumber } from './schema-values.ts';

/** A mapping of which one key is set: the kind of test, with the text that it compares. */
function oneKey<const E extends v.ObjectEntries>(entries: E, of: string) {
  const expected = `a mapping with exactly one of ${of}`;
  return v.pipe(mapping(entries, expected), v.minEntries(1, expected), v.maxEntries(1, expected));
}

const absolutePath = v.pipe(
  text('a path that begins with / and has no ? or #'),
  v.regex(/^\/[^?#]*$/, 'a path that begins with / and has no ? or #'),
);

/** `match.path`. */
export const pathMatch = v.pipe(
  oneKey(
    {
      exact: v.pipe(v.exactOptional(absolutePath), v.description('This path and no other.')),
      prefix: v.pipe(v.exactOptional(absolutePath), v.description('Paths that begin with this text: `/v2` matches `/v20` too.')),
      segmentPrefix: v.pipe(
        v.exactOptional(absolutePath),
        v.description('Paths that begin with these whole segments: `/v2` matches `/v2` and `/v2/x`, not `/v20`.'),
      ),
      regex: v.pipe(v.exactOptional(re2()), v.description('RE2 syntax; the whole path must match.')),
    },
    'exact, prefix, segmentPrefix or regex',
  ),
  v.description('Test of the path without its query. Set exactly one key.'),
);

const fragment = () => text('a text that is not empty');

/** A test of a header or query parameter, written out. */
export const stringMatch = v.pipe(
  oneKey(
    {
      exact: v.pipe(v.exactOptional(v.string('a text')), v.description('This value and no other.')),
      prefix: v.pipe(v.exactOptional(fragment()), v.description('Values that begin so.')),
      suffix: v.pipe(v.exactOptional(fragment()), v.description('Values that end so.')),
      contains: v.pipe(v.exactOptional(fragment()), v.description('Values that hold this text.')),
      regex: v.pipe(v.exactOptional(re2()), v.description('RE2 syntax; the whole value must match.')),
      present: v.pipe(v.exactOptional(flag()), v.description('`true`: there, with any value. `false`: not there.')),
    },
    'exact, prefix, suffix, contains, regex or present',
  ),
  v.description('Test of one value. Set exactly one key.'),
);

const valueMatch = v.union(
  [v.string('a text'), stringMatch],
  'a text in quotes, or a mapping with one of exact, prefix, suffix, contains, regex, present',
);

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const headerName = 'a header name (letters, digits and -)';

/** `match`. */
export const routeMatch = v.pipe(
  mapping({
    path: v.exactOptional(pathMatch),
    methods: v.pipe(
      v.exactOptional(
        list(v.pipe(v.string('a method in capitals such as GET'), v.regex(/^[A-Z][A-Z-]*$/, 'a method in capitals such as GET'))),
      ),
      v.description('Any one of these.'),
    ),
    headers: v.pipe(
      v.exactOptional(v.record(v.pipe(v.string(headerName), v.regex(token, headerName)), valueMatch, 'a mapping')),
      v.description(
        'Tests by header name; a plain text must be the whole value. The values of a repeated header are joined with `,`.',
      ),
    ),
    query: v.pipe(
      v.exactOptional(v.record(v.string(), valueMatch, 'a mapping')),
      v.description('Tests by query parameter; a plain text must be the whole (decoded) value.'),
    ),
  }),
  v.description('All of these must hold. Without `match` a route takes every request.'),
);

/** An item of `to`. */
export const destination = v.pipe(
  mapping({
    service: v.pipe(
      v.exactOptional(text('the name of a service')),
      v.description('Name of a service of this file. Default: the service that the route belongs to.'),
    ),
    subset: v.pipe(
      v.exactOptional(text('the name of a subset')),
      v.description('Name of a subset of that service. Default: all of its endpoints.'),
    ),
    weight: v.pipe(
      v.optional(wholeNumber(0, maxWeight), 1),
      v.description('Share of the requests, relative to the other items; 0 = none for now. Equal shares by default.'),
    ),
  }),
  v.description('One destination of a route.'),
);

/** An item of `routes`. */
export const route = v.pipe(
  mapping({
    name: v.pipe(
      v.exactOptional(text('a name')),
      v.description('Shown in errors, spans and `mesh.explain`. Default: its place, such as `orders.routes[0]`.'),
    ),
    match: v.exactOptional(routeMatch),
    to: v.pipe(
      v.exactOptional(list(destination)),
      v.description('Where the requests go; drawn once per request by weight. Default: all endpoints of the service.'),
    ),
    timeoutMs: v.exactOptional(timeoutMs),
    retry: v.exactOptional(retry),
  }),
  v.description('One rule. The first route that matches wins; its `timeoutMs` and `retry` replace those of the service.'),
);

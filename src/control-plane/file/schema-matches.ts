/** `match` of a route: which requests it takes. */
import * as v from 'valibot';
import {
  flag,
  list,
  mapping,
  oneKind,
  oneOf,
  pathTemplate,
  re2,
  sharePercent,
  text,
  tokenName,
  wholeNumber,
} from './schema-values.ts';

const ignoreCase = v.pipe(
  v.exactOptional(flag()),
  v.description('Whether capitals are the same as small letters. They are not, by default.'),
);

const pathTest = () => {
  const expected = 'a path that begins with / and has no ? or #';
  return v.pipe(text(expected), v.regex(/^\/[^?#]*$/, expected));
};

/** `match.path`. */
export const pathMatch = v.pipe(
  oneKind(
    {
      exact: v.pipe(v.exactOptional(pathTest()), v.description('This path and no other.')),
      prefix: v.pipe(v.exactOptional(pathTest()), v.description('Paths that begin with this text: `/v2` matches `/v20` too.')),
      segmentPrefix: v.pipe(
        v.exactOptional(pathTest()),
        v.description('Paths that begin with these whole segments: `/v2` matches `/v2` and `/v2/x`, not `/v20`.'),
      ),
      regex: v.pipe(v.exactOptional(re2()), v.description('RE2 syntax; the whole path must match.')),
      template: v.pipe(
        v.exactOptional(pathTemplate('match')),
        v.description(
          'Paths of this form: `{id}` and `*` are one segment, `{rest=**}` and `**` all that is left. `rewrite` may use the names.',
        ),
      ),
    },
    { ignoreCase },
  ),
  v.forward(
    v.check(
      ({ ignoreCase: isSet, regex, template }) => isSet === undefined || (regex === undefined && template === undefined),
      'it has an effect beside `exact`, `prefix` and `segmentPrefix` only; remove it (a regex may begin with `(?i)`)',
    ),
    ['ignoreCase'],
  ),
  v.description('Test of the path without its query. Set exactly one of the tests.'),
);

const fragment = () => text('a text that is not empty');

const { MIN_SAFE_INTEGER: min, MAX_SAFE_INTEGER: max } = Number;

const range = v.pipe(
  mapping({
    start: v.pipe(wholeNumber(min, max), v.description('The smallest number that matches.')),
    end: v.pipe(wholeNumber(min, max), v.description('The first number that does not match any more.')),
  }),
  v.check(
    ({ start, end }) => start < end,
    ({ input }) => `\`start\` (${input.start}) must be less than \`end\` (${input.end}), which is not part of the range`,
  ),
);

/** A test of a header, query parameter or cookie, written out. */
export const stringMatch = v.pipe(
  oneKind(
    {
      exact: v.pipe(v.exactOptional(v.string('a text')), v.description('This value and no other.')),
      prefix: v.pipe(v.exactOptional(fragment()), v.description('Values that begin so.')),
      suffix: v.pipe(v.exactOptional(fragment()), v.description('Values that end so.')),
      contains: v.pipe(v.exactOptional(fragment()), v.description('Values that hold this text.')),
      regex: v.pipe(v.exactOptional(re2()), v.description('RE2 syntax; the whole value must match.')),
      range: v.pipe(v.exactOptional(range), v.description('Whole numbers from `start` to before `end`.')),
      present: v.pipe(v.exactOptional(flag()), v.description('`true`: there, with any value. `false`: not there.')),
    },
    {
      ignoreCase,
      invert: v.pipe(
        v.exactOptional(flag()),
        v.description('`true`: values that do not pass the test. A value that is not there passes neither way, as in Envoy.'),
      ),
      whenMissing: v.pipe(
        v.exactOptional(oneOf(['no-match', 'empty'])),
        v.description('`empty`: a value that is not there is tested as an empty one. Default `no-match`.'),
      ),
    },
  ),
  v.forward(
    v.check(
      ({ ignoreCase: isSet, regex, range: numbers, present }) =>
        isSet === undefined || (regex === undefined && numbers === undefined && present === undefined),
      'it has an effect beside `exact`, `prefix`, `suffix` and `contains` only; remove it (a regex may begin with `(?i)`)',
    ),
    ['ignoreCase'],
  ),
  v.forward(
    v.check(({ invert, present }) => invert === undefined || present === undefined, 'write `present: false` instead'),
    ['invert'],
  ),
  v.forward(
    v.check(
      ({ whenMissing, present }) => whenMissing === undefined || present === undefined,
      'it has no effect beside `present`; remove it',
    ),
    ['whenMissing'],
  ),
  v.description('Test of one value. Set exactly one of the tests; `ignoreCase`, `invert` and `whenMissing` go beside it.'),
);

const valueMatch = v.union(
  [v.string('a text'), stringMatch],
  'a text in quotes, or a mapping with one of exact, prefix, suffix, contains, regex, range, present',
);

/** Tests by header name. */
export const headerTests = v.record(tokenName(), valueMatch, 'a mapping');

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
      v.exactOptional(headerTests),
      v.description(
        'Tests by header name; a plain text must be the whole value. The values of a repeated header are joined with `,`.',
      ),
    ),
    query: v.pipe(
      v.exactOptional(v.record(v.string(), valueMatch, 'a mapping')),
      v.description('Tests by query parameter; a plain text must be the whole (decoded) value.'),
    ),
    cookies: v.pipe(
      v.exactOptional(v.record(tokenName('the name of a cookie'), valueMatch, 'a mapping')),
      v.description('Tests by name of a cookie that the request carries; a plain text must be the whole value.'),
    ),
    grpc: v.pipe(
      v.exactOptional(v.literal(true, 'true')),
      v.description('`true`: only requests whose content type is `application/grpc…`.'),
    ),
    percent: v.pipe(
      v.exactOptional(sharePercent()),
      v.description(
        'Only this share of the requests that pass all other tests, drawn by chance for each; the others try the next route. To split between destinations use the weights of `to`.',
      ),
    ),
  }),
  v.description('All of these must hold. Without `match` a route takes every request.'),
);

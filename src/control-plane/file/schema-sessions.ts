/** `sessionAffinity` and `hash`: which endpoint the requests of one caller go to. */
import * as v from 'valibot';
import { durationMs, flag, oneKind, tokenName } from './schema-values.ts';

const cookiePathText = v.pipe(
  v.string('a path that begins with / and has no ; or space'),
  v.regex(/^\/[!-:<-~]*$/, 'a path that begins with / and has no ; or space'),
);

const cookiePath = v.pipe(
  v.exactOptional(cookiePathText),
  v.description(
    'Path of the cookie. None by default: browsers then keep it for the directory of the request path (RFC 6265, section 5.1.4). `/` = all paths.',
  ),
);

/** `sessionAffinity`. */
export const sessionAffinity = v.pipe(
  oneKind(
    {
      cookie: v.pipe(
        v.exactOptional(tokenName('the name of a cookie')),
        v.description("Kept in a cookie of this name, in Envoy's format, which the mesh sets and the caller sends back."),
      ),
      header: v.pipe(
        v.exactOptional(tokenName()),
        v.description(
          'Kept in a header of this name. The response that begins or moves a session carries it, others do not; the caller keeps it and sends it back.',
        ),
      ),
    },
    {
      path: v.pipe(
        v.exactOptional(cookiePathText),
        v.description(
          'Path of the cookie; requests to other paths are not kept. By default all requests are, and the cookie names no path: browsers then keep it for the directory of the request path, so set `/` for them.',
        ),
      ),
      ttlMs: v.pipe(
        v.exactOptional(durationMs(0)),
        v.description('Life of the cookie. Without it, or with 0, it ends with the session of the caller.'),
      ),
      absoluteTimeoutMs: v.pipe(
        v.exactOptional(durationMs(1)),
        v.description('So long after it began a session is over, and the next request may go elsewhere. No end by default.'),
      ),
      idleTimeoutMs: v.pipe(
        v.exactOptional(durationMs(1)),
        v.description('So long after its last request a session is over. No end by default.'),
      ),
      strict: v.pipe(
        v.exactOptional(flag()),
        v.description('`true`: when the endpoint is gone the request fails, instead of going to another one.'),
      ),
    },
  ),
  v.forward(
    v.check(({ cookie, path }) => cookie !== undefined || path === undefined, 'it belongs to `cookie`; remove it'),
    ['path'],
  ),
  v.forward(
    v.check(({ cookie, ttlMs }) => cookie !== undefined || ttlMs === undefined, 'it belongs to `cookie`; remove it'),
    ['ttlMs'],
  ),
  v.description('Keeps the requests of one caller on the endpoint that served its first one, while that may be used.'),
);

/** `hash`: what a hashing `loadBalancing.policy` places requests by. */
export const hashPolicy = v.pipe(
  oneKind(
    {
      header: v.pipe(v.exactOptional(tokenName()), v.description('The value of this request header.')),
      cookie: v.pipe(v.exactOptional(tokenName('the name of a cookie')), v.description('The value of this cookie.')),
      query: v.pipe(
        v.exactOptional(v.pipe(v.string('the name of a parameter'), v.minLength(1, 'the name of a parameter'))),
        v.description('The value of this query parameter, as it is written.'),
      ),
      process: v.pipe(
        v.exactOptional(v.literal(true, 'true')),
        v.description('`true`: the same for all requests of this process, so that it keeps to one endpoint.'),
      ),
    },
    {
      ttlMs: v.pipe(
        v.exactOptional(durationMs(0)),
        v.description(
          'With `cookie`: a cookie that is missing is made, with this life; 0 = until the session of the caller ends.',
        ),
      ),
      path: cookiePath,
      terminal: v.pipe(
        v.exactOptional(flag()),
        v.description('`true`: when this gave a value, the items after it do not count.'),
      ),
    },
  ),
  v.forward(
    v.check(({ cookie, ttlMs }) => cookie !== undefined || ttlMs === undefined, 'it belongs to `cookie`; remove it'),
    ['ttlMs'],
  ),
  v.forward(
    v.check(
      ({ ttlMs, path }) => ttlMs !== undefined || path === undefined,
      'it has an effect beside `ttlMs` only, for the cookie that is made; remove it',
    ),
    ['path'],
  ),
  v.description('A part of the request that is hashed. All items count, in order.'),
);

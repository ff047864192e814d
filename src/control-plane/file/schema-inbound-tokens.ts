/** `inbound.jwt`: tokens that requests may or must bring. */
import * as v from 'valibot';
import { parseKeySet } from '../../security/jwt/key-set.ts';
import { maxClockSkewMs } from '../../security/jwt/token-claims.ts';
import { durationMs, flag, list, mapping, text, tokenName, wholeNumber } from './schema-values.ts';
import { pathPattern, wildcardText } from './schema-inbound-values.ts';

const keySet = v.looseObject({ keys: v.array(v.record(v.string(), v.unknown(), 'a key'), 'a list of keys') }, 'a JWK Set');

const keySetText = 'a JWK Set: a mapping with `keys`, or its JSON text (RFC 7517)';

const privateParts = ['d', 'p', 'q', 'k'] as const;

function keysOf(value: unknown): readonly unknown[] | undefined {
  try {
    const set: unknown = typeof value === 'string' ? JSON.parse(value) : value;
    return typeof set === 'object' && set !== null && 'keys' in set && Array.isArray(set.keys) ? set.keys : undefined;
  } catch {
    return undefined;
  }
}

const isPrivate = (key: unknown): boolean =>
  typeof key === 'object' && key !== null && privateParts.some((part) => Object.hasOwn(key, part));

const inlineKeys = v.pipe(
  v.union([v.string(keySetText), keySet], keySetText),
  v.check((value) => (keysOf(value)?.length ?? 0) > 0, `${keySetText}, with at least one key`),
  v.check(
    (value) => !(keysOf(value) ?? []).some(isPrivate),
    'public keys alone; remove what is secret (`d`, `k` …) and renew that key',
  ),
  v.check(
    (value) => typeof parseKeySet(typeof value === 'string' ? value : JSON.stringify(value), 'inline') !== 'string',
    'keys that are complete; there is no key that can verify a signature (RFC 7517: `kty` and its members, `use` of "sig" or none)',
  ),
);

const keyUrl = 'an https URL such as https://issuer.example/.well-known/jwks.json';

const withUrl = 'it belongs to `jwksUrl`; remove it';

/** An item of `jwt.providers`. */
export const tokenProvider = v.pipe(
  mapping({
    issuer: v.pipe(text('the `iss` of its tokens'), v.description('The `iss` of its tokens, letter by letter.')),
    name: v.pipe(
      v.exactOptional(text('a name')),
      v.description('Name in events and in `request.mesh.tokens`. Default: the issuer.'),
    ),
    audiences: v.pipe(
      v.union([v.literal('any', '`any`'), list(text('an audience'))], 'a list of audiences, or `any`'),
      v.description(
        'One of which the `aud` of a token must name: this service. `any` takes tokens that were made for others too (RFC 8725, section 3.9).',
      ),
    ),
    jwksUrl: v.pipe(
      v.exactOptional(
        v.pipe(
          text(keyUrl),
          v.check((value) => URL.canParse(value) && /^https?:$/.test(new URL(value).protocol), keyUrl),
        ),
      ),
      v.description('Where its keys are. Fetched again when they are old, or when a token names a key that is not there.'),
    ),
    jwksService: v.pipe(
      v.exactOptional(text('the name of a service of this file')),
      v.description('Service of this file whose endpoints are asked for `jwksUrl`. By default the host of the URL is.'),
    ),
    jwksTimeoutMs: v.pipe(v.exactOptional(durationMs(1)), v.description('Limit of one fetch. 5000 by default.')),
    jwksCacheMs: v.pipe(
      v.exactOptional(durationMs(1)),
      v.description('Age at which keys are fetched again. Ten minutes by default.'),
    ),
    jwks: v.pipe(v.exactOptional(inlineKeys), v.description('The keys themselves, a JWK Set, in place of `jwksUrl`.')),
    subject: v.pipe(v.exactOptional(wildcardText()), v.description('Whom the token may be about. Anybody by default.')),
    maxLifetimeMs: v.pipe(
      v.exactOptional(durationMs(1)),
      v.description('Longest time from the issue of a token to its expiry. Any by default.'),
    ),
    clockSkewMs: v.pipe(
      v.optional(wholeNumber(0, maxClockSkewMs, ' of milliseconds', '; set the clocks by NTP instead'), maxClockSkewMs),
      v.description("How far the clocks of issuer and service may be apart. A minute at most, Envoy's value."),
    ),
    fromHeaders: v.pipe(
      v.exactOptional(
        list(
          mapping({
            name: v.pipe(tokenName(), v.description('Name of the header.')),
            prefix: v.pipe(v.exactOptional(v.string('a text')), v.description('What stands before the token: `"Bearer "`.')),
          }),
        ),
      ),
      v.description('Headers that a token is looked for in. Default: `authorization`, after `Bearer `.'),
    ),
    fromQuery: v.pipe(
      v.exactOptional(list(text('the name of a parameter'))),
      v.description(
        'Query parameters that a token is looked for in. None by default: they end up in logs (RFC 9700, section 4.3.2).',
      ),
    ),
    fromCookies: v.pipe(
      v.exactOptional(list(tokenName('the name of a cookie'))),
      v.description('Cookies that a token is looked for in. None by default.'),
    ),
    forward: v.pipe(
      v.optional(flag(), true),
      v.description(
        'Whether the handler sees the token. It does by default; `false` takes it out of the request, as Envoy does.',
      ),
    ),
    payloadHeader: v.pipe(
      v.exactOptional(tokenName()),
      v.description(
        'Header that the handler finds the verified payload in, base64url. Taken out of every request that comes with it.',
      ),
    ),
    claimHeaders: v.pipe(
      v.exactOptional(v.record(tokenName(), text('the name of a claim'), 'a mapping of headers to claims')),
      v.description('Headers that the handler finds verified claims in, by name: `{ x-role: role }`.'),
    ),
  }),
  v.check(
    ({ jwksUrl, jwks }) => (jwksUrl === undefined) !== (jwks === undefined),
    'set `jwksUrl`, where its keys are, or `jwks`, the keys themselves',
  ),
  v.forward(
    v.check(
      ({ jwksUrl, jwksService }) => jwksUrl === undefined || jwksService !== undefined || /^https:/i.test(jwksUrl),
      "keys that come in plaintext could be anybody's: use https, or name the service of this file that has them with `jwksService`",
    ),
    ['jwksUrl'],
  ),
  v.forward(
    v.check(({ jwksUrl, jwksService }) => jwksService === undefined || jwksUrl !== undefined, withUrl),
    ['jwksService'],
  ),
  v.forward(
    v.check(({ jwksUrl, jwksTimeoutMs }) => jwksTimeoutMs === undefined || jwksUrl !== undefined, withUrl),
    ['jwksTimeoutMs'],
  ),
  v.forward(
    v.check(({ jwksUrl, jwksCacheMs }) => jwksCacheMs === undefined || jwksUrl !== undefined, withUrl),
    ['jwksCacheMs'],
  ),
  v.description('An issuer whose tokens are good.'),
);

/** `jwt`. */
export const jwt = v.pipe(
  mapping({
    providers: v.pipe(list(tokenProvider), v.description('The issuers whose tokens are good.')),
    required: v.pipe(
      v.optional(flag(), true),
      v.description(
        'Whether every request needs a good token of one of them. `false` is the meaning of Istio: a bad token is refused, a request without one passes, and `requestPrincipals` or `claim` of `authorization` say who needs one.',
      ),
    ),
    exempt: v.pipe(
      v.exactOptional(list(v.pipe(pathPattern(), v.regex(/^\//, 'a path that begins with /')))),
      v.description('Paths that need no token: `/public/*`. Tokens are not looked at there.'),
    ),
  }),
  v.description('Tokens (JWT) that requests bring. Without it nobody looks at them.'),
);

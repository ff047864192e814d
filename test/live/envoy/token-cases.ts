/** Tokens, the policies that ask for them, and requests that carry them, in Envoy's words: rows for token-check.test.ts. */
import { createHmac, createSign, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';

const nowS = Math.floor(Date.now() / 1000);

interface KeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

const ofA: KeyPair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ofA2: KeyPair = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ofB: KeyPair = generateKeyPairSync('ec', { namedCurve: 'P-384' });
const stranger: KeyPair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const edwards: KeyPair = generateKeyPairSync('ed25519');
const secret = Buffer.alloc(32, 7);

const jwkOf = ({ publicKey }: KeyPair, more: object): object => ({ ...publicKey.export({ format: 'jwk' }), ...more });

const keysOfA = { keys: [jwkOf(ofA, { kid: 'a1', alg: 'ES256' }), jwkOf(ofA2, { kid: 'a2' }), jwkOf(edwards, { kid: 'a3' })] };
const keysOfB = { keys: [jwkOf(ofB, {})] };
const secretKeys = { keys: [{ kty: 'oct', kid: 's', alg: 'HS256', k: secret.toString('base64url') }] };

const section = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

type Signer = (input: string) => Buffer;

const es256 =
  ({ privateKey }: KeyPair): Signer =>
  (input) =>
    sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' });
const es384: Signer = (input) => sign('sha384', Buffer.from(input), { key: ofB.privateKey, dsaEncoding: 'ieee-p1363' });
const rs256: Signer = (input) => createSign('RSA-SHA256').update(input).sign(ofA2.privateKey);
const eddsa: Signer = (input) => sign(undefined, Buffer.from(input), edwards.privateKey);

function tokenOf(header: unknown, payload: unknown, signer: Signer = es256(ofA)): string {
  const input = `${section(header)}.${section(payload)}`;
  return `${input}.${signer(input).toString('base64url')}`;
}

const headerOfA = { alg: 'ES256', kid: 'a1' };
const claimsOfA = { iss: 'https://a.example', sub: 'alice', exp: nowS + 600 };
const goodA = tokenOf(headerOfA, claimsOfA);
const [goodHeader, goodPayload, goodSignature] = goodA.split('.') as [string, string, string];
const withClaims = (claims: object): string => tokenOf(headerOfA, { ...claimsOfA, ...claims });
const publicPem = ofA2.publicKey.export({ type: 'spki', format: 'pem' });

/** Tokens by name. */
export const tokens: Readonly<Record<string, string>> = {
  a: goodA,
  aToo: withClaims({ sub: 'alina' }),
  b: tokenOf({ alg: 'ES384' }, { iss: 'https://b.example', sub: 'bob', exp: nowS + 600 }, es384),
  rsa: tokenOf({ alg: 'RS256', kid: 'a2' }, claimsOfA, rs256),
  edwards: tokenOf({ alg: 'EdDSA', kid: 'a3' }, claimsOfA, eddsa),
  secret: tokenOf({ alg: 'HS256', kid: 's' }, { ...claimsOfA, iss: 'https://s.example' }, (input) =>
    createHmac('sha256', secret).update(input).digest(),
  ),
  withoutKid: tokenOf({ alg: 'ES256' }, claimsOfA),
  emptyKid: tokenOf({ alg: 'ES256', kid: '' }, claimsOfA),
  unknownKid: tokenOf({ alg: 'ES256', kid: 'zz' }, claimsOfA),
  otherAlgOfKey: tokenOf({ alg: 'ES384', kid: 'a1' }, claimsOfA),
  otherTypeOfKey: tokenOf({ alg: 'ES256', kid: 'a2' }, claimsOfA),
  stranger: tokenOf(headerOfA, claimsOfA, es256(stranger)),
  otherIssuer: withClaims({ iss: 'https://c.example' }),
  withoutIssuer: withClaims({ iss: undefined }),
  modified: `${goodHeader}.${section({ ...claimsOfA, sub: 'admin' })}.${goodSignature}`,
  unsigned: `${section({ alg: 'none' })}.${goodPayload}.`,
  unsignedWithSignature: `${section({ alg: 'none' })}.${goodPayload}.${goodSignature}`,
  confused: tokenOf({ alg: 'HS256', kid: 'a2' }, claimsOfA, (input) => createHmac('sha256', publicPem).update(input).digest()),
  confusedWithoutKid: tokenOf({ alg: 'HS256' }, claimsOfA, (input) => createHmac('sha256', publicPem).update(input).digest()),
  expired: withClaims({ exp: nowS - 3600 }),
  expiredAMoment: withClaims({ exp: nowS - 30 }),
  expiredTwoMinutes: withClaims({ exp: nowS - 120 }),
  early: withClaims({ nbf: nowS + 3600 }),
  earlyAMoment: withClaims({ nbf: nowS + 30 }),
  earlyTwoMinutes: withClaims({ nbf: nowS + 120 }),
  forEver: withClaims({ exp: undefined }),
  longLived: withClaims({ exp: nowS + 7200 }),
  zeroExpiry: withClaims({ exp: 0 }),
  fractionOfSecond: withClaims({ exp: nowS + 600.5 }),
  forX: withClaims({ aud: 'x' }),
  forXAndY: withClaims({ aud: ['z', 'y', 'x'] }),
  forUrl: withClaims({ aud: 'https://x/' }),
  forNobody: withClaims({ aud: [] }),
  forZ: withClaims({ aud: 'z' }),
  rich: withClaims({
    role: 'admin',
    scope: 'read  write',
    level: 7,
    ratio: 0.25,
    minus: -3,
    big: 1e21,
    isBoss: true,
    isNot: false,
    empty: '',
    nothing: null,
    list: ['p', 'q'],
    nested: { deep: { name: 'n', list: [1] }, 'a.b': 'dotted' },
    'x.y': 'flat',
    line: 'a b',
    permission: 'only',
    words: ['w x', 'y'],
  }),
  otherLetters: withClaims({ role: 'größe' }),
  twoSections: `${goodHeader}.${goodPayload}`,
  oneSection: goodHeader,
  fiveSections: `${goodHeader}.a.b.c.${goodSignature}`,
  fourSections: `${goodA}.x`,
  emptyPayload: `${goodHeader}..${goodSignature}`,
  leadingDot: `.${goodA}`,
  trailingDot: `${goodA}.`,
  headerNotBase64: `!!.${goodPayload}.${goodSignature}`,
  headerNotJson: `${section('{"alg":')}.${goodPayload}.${goodSignature}`,
  headerIsList: `${section('[]')}.${goodPayload}.${goodSignature}`,
  headerWithoutAlg: `${section({ kid: 'a1' })}.${goodPayload}.${goodSignature}`,
  algIsNumber: `${section({ alg: 1 })}.${goodPayload}.${goodSignature}`,
  algUnknown: `${section({ alg: 'ES256K' })}.${goodPayload}.${goodSignature}`,
  algSmall: `${section({ alg: 'es256' })}.${goodPayload}.${goodSignature}`,
  kidIsNumber: tokenOf({ alg: 'ES256', kid: 1 }, claimsOfA),
  payloadNotBase64: `${goodHeader}.!!.${goodSignature}`,
  payloadNotJson: tokenOf(headerOfA, 'hello'),
  payloadIsList: tokenOf(headerOfA, [1]),
  signatureNotBase64: `${goodHeader}.${goodPayload}.!!`,
  signaturePadded: `${goodA}==`,
  signatureShort: `${goodHeader}.${goodPayload}.AAAA`,
  issIsNumber: withClaims({ iss: 1 }),
  subIsNumber: withClaims({ sub: 1 }),
  iatIsText: withClaims({ iat: 'x' }),
  iatIsNegative: withClaims({ iat: -1 }),
  nbfIsText: withClaims({ nbf: '1' }),
  nbfIsNegative: withClaims({ nbf: -1 }),
  expIsText: withClaims({ exp: String(nowS + 600) }),
  expIsNegative: withClaims({ exp: -1 }),
  expIsHuge: withClaims({ exp: 1e20 }),
  expIsNull: withClaims({ exp: null }),
  jtiIsNumber: withClaims({ jti: 1 }),
  audIsNumber: withClaims({ aud: 1 }),
  audIsMixed: withClaims({ aud: ['x', 1] }),
  critical: tokenOf({ ...headerOfA, crit: ['exp'], exp: 1 }, claimsOfA),
  notBase64Payload: tokenOf({ ...headerOfA, b64: false, crit: ['b64'] }, claimsOfA),
  claimTwice: tokenOf(headerOfA, `{"sub":"admin",${JSON.stringify(claimsOfA).slice(1)}`),
  nestedClaimTwice: tokenOf(headerOfA, `{"n":{"a":1,"a":2},${JSON.stringify(claimsOfA).slice(1)}`),
  headerTwice: tokenOf('{"alg":"none","alg":"ES256","kid":"a1"}', claimsOfA),
  ownKey: tokenOf({ alg: 'ES256', jwk: jwkOf(stranger, {}) }, claimsOfA, es256(stranger)),
  prototype: tokenOf(headerOfA, `{"__proto__":{"role":"admin"},${JSON.stringify(claimsOfA).slice(1)}`),
  deep: tokenOf(headerOfA, `{"n":${'['.repeat(150)}${']'.repeat(150)},${JSON.stringify(claimsOfA).slice(1)}`),
  notUtf8: (() => {
    const payload = Buffer.concat([
      Buffer.from('{"x":"'),
      Buffer.from([0xff]),
      Buffer.from(`",${JSON.stringify(claimsOfA).slice(1)}`),
    ]);
    const input = `${goodHeader}.${payload.toString('base64url')}`;
    return `${input}.${es256(ofA)(input).toString('base64url')}`;
  })(),
  oversized: withClaims({ filler: 'x'.repeat(12_500) }),
};

const a = { issuer: 'https://a.example', local_jwks: { inline_string: JSON.stringify(keysOfA) }, payload_in_metadata: 'a' };
const b = { issuer: 'https://b.example', local_jwks: { inline_string: JSON.stringify(keysOfB) }, payload_in_metadata: 'b' };
const s = { issuer: 'https://s.example', local_jwks: { inline_string: JSON.stringify(secretKeys) }, payload_in_metadata: 's' };

const needs = (requires: object): readonly object[] => [{ match: { prefix: '/' }, requires }];
const named = (provider: string): object => ({ provider_name: provider });
const any = (...requirements: readonly object[]): object => ({ requires_any: { requirements } });
const all = (...requirements: readonly object[]): object => ({ requires_all: { requirements } });
const allowMissing = { allow_missing: {} };
const allowFailed = { allow_missing_or_failed: {} };
const bInHeader = { ...b, from_headers: [{ name: 'x-b' }] };

/** `JwtAuthentication` filters by name. */
export const filters: Readonly<Record<string, object>> = {
  one: { providers: { a }, rules: needs(named('a')) },
  optional: { providers: { a }, rules: needs(any(named('a'), allowMissing)) },
  either: { providers: { a, b }, rules: needs(any(named('a'), named('b'))) },
  eitherOrNone: { providers: { a, b }, rules: needs(any(named('a'), named('b'), allowMissing)) },
  eachOrNone: { providers: { a, b }, rules: needs(all(any(named('a'), allowMissing), any(named('b'), allowMissing))) },
  both: { providers: { a, b: bInHeader }, rules: needs(all(named('a'), named('b'))) },
  bothInOnePlace: { providers: { a, b: { ...a, payload_in_metadata: 'b' } }, rules: needs(all(named('a'), named('b'))) },
  bothKept: {
    providers: { a: { ...a, forward: true }, b: { ...a, payload_in_metadata: 'b' } },
    rules: needs(all(named('a'), named('b'))),
  },
  pairOrOne: { providers: { a, b: bInHeader, s }, rules: needs(any(all(named('a'), named('b')), named('s'))) },
  eitherOrFailed: { providers: { a, b }, rules: needs(any(named('a'), named('b'), allowFailed)) },
  missing: { providers: { a, b: bInHeader }, rules: needs(allowMissing) },
  missingInAny: { providers: { a, b: bInHeader }, rules: needs(any(allowMissing, allowMissing)) },
  failed: { providers: { a, b: bInHeader }, rules: needs(allowFailed) },
  audience: { providers: { a: { ...a, audiences: ['x', 'y'] } }, rules: needs(named('a')) },
  audienceUrl: { providers: { a: { ...a, audiences: ['http://x'] } }, rules: needs(named('a')) },
  audienceOfRule: {
    providers: { a: { ...a, audiences: ['x'] } },
    rules: needs({ provider_and_audiences: { provider_name: 'a', audiences: ['z'] } }),
  },
  subject: { providers: { a: { ...a, subjects: { prefix: 'ali' } } }, rules: needs(named('a')) },
  otherSubject: { providers: { a: { ...a, subjects: { exact: 'bob' } } }, rules: needs(named('a')) },
  lifetime: { providers: { a: { ...a, max_lifetime: '3600s' } }, rules: needs(named('a')) },
  expiring: { providers: { a: { ...a, require_expiration: true } }, rules: needs(named('a')) },
  smallSkew: { providers: { a: { ...a, clock_skew_seconds: 5 } }, rules: needs(named('a')) },
  largeSkew: { providers: { a: { ...a, clock_skew_seconds: 60 } }, rules: needs(named('a')) },
  anybody: { providers: { a: { local_jwks: a.local_jwks, payload_in_metadata: 'a' } }, rules: needs(named('a')) },
  anybodyOptional: { providers: { a: { local_jwks: a.local_jwks, payload_in_metadata: 'a' }, b }, rules: needs(allowFailed) },
  secret: { providers: { s }, rules: needs(named('s')) },
  forward: { providers: { a: { ...a, forward: true } }, rules: needs(named('a')) },
  header: { providers: { a: { ...a, from_headers: [{ name: 'X-Token' }] } }, rules: needs(named('a')) },
  prefixed: { providers: { a: { ...a, from_headers: [{ name: 'x-token', value_prefix: 'JWT=' }] } }, rules: needs(named('a')) },
  parameter: { providers: { a: { ...a, from_params: ['jwt', 'other'] } }, rules: needs(named('a')) },
  cookie: { providers: { a: { ...a, from_cookies: ['session'] } }, rules: needs(named('a')) },
  places: {
    providers: {
      a: { ...a, from_headers: [{ name: 'x-2' }, { name: 'x-1' }], from_params: ['p2', 'p1'], from_cookies: ['c1', 'c2'] },
    },
    rules: needs(named('a')),
  },
  claims: {
    providers: {
      a: {
        ...a,
        forward_payload_header: 'X-Payload',
        claim_to_headers: [
          { header_name: 'x-role', claim_name: 'role' },
          { header_name: 'x-level', claim_name: 'level' },
          { header_name: 'x-ratio', claim_name: 'ratio' },
          { header_name: 'x-minus', claim_name: 'minus' },
          { header_name: 'x-big', claim_name: 'big' },
          { header_name: 'x-boss', claim_name: 'isBoss' },
          { header_name: 'x-not', claim_name: 'isNot' },
          { header_name: 'x-empty', claim_name: 'empty' },
          { header_name: 'x-nothing', claim_name: 'nothing' },
          { header_name: 'x-list', claim_name: 'list' },
          { header_name: 'x-object', claim_name: 'nested' },
          { header_name: 'x-deep', claim_name: 'nested.deep.name' },
          { header_name: 'x-dotted', claim_name: 'nested.a.b' },
          { header_name: 'x-flat', claim_name: 'x.y' },
          { header_name: 'x-absent', claim_name: 'absent' },
        ],
        normalize_payload_in_metadata: { space_delimited_claims: ['scope', 'permission', 'words', 'level', 'absent'] },
      },
    },
    rules: needs(named('a')),
  },
  paths: {
    providers: { a, b },
    rules: [
      { match: { path: '/open' } },
      { match: { prefix: '/b/' }, requires: named('b') },
      { match: { safe_regex: { regex: '/r[0-9]+' } }, requires: named('b') },
      { match: { path_separated_prefix: '/seg' }, requires: named('b') },
      { match: { prefix: '/h', headers: [{ name: 'x-who', string_match: { exact: 'me' } }] }, requires: named('b') },
      { match: { prefix: '/q', query_parameters: [{ name: 'v', string_match: { exact: '1' } }] }, requires: named('b') },
      { match: { prefix: '/a' }, requires: named('a') },
    ],
  },
  preflight: { providers: { a }, rules: needs(named('a')), bypass_cors_preflight: true },
  silent: { providers: { a: { ...a, audiences: ['x'] } }, rules: needs(named('a')), strip_failure_response: true },
  zeroSkew: { providers: { a: { ...a, clock_skew_seconds: 0 } }, rules: needs(named('a')) },
  unreachable: {
    providers: {
      a: {
        issuer: 'https://a.example',
        payload_in_metadata: 'a',
        remote_jwks: { http_uri: { uri: 'http://keys.example/keys', cluster: 'nobody', timeout: '1s' } },
      },
    },
    rules: needs(named('a')),
  },
};

/** A request: `{a}` in a value stands for the token of that name. */
export interface TokenCase {
  readonly name: string;
  readonly filter: string;
  readonly method?: string;
  readonly path?: string;
  readonly headers?: readonly (readonly [name: string, value: string])[];
  /** What of our answer is otherwise, on purpose, and why; a `verdict` is a refusal of what Envoy lets in. */
  readonly differs?: { readonly in: Difference; readonly why: string };
}

/** Parts of an answer that may differ. */
export type Difference = 'challenge' | 'path' | 'text' | 'verdict';

const bearer = (token: string): readonly (readonly [string, string])[] => [['authorization', `Bearer {${token}}`]];

const verdict = (why: string) => ({ differs: { in: 'verdict' as const, why } });
const tokenInQuery = {
  differs: { in: 'challenge' as const, why: 'a token of the query is not written into a header, which may be logged' },
};
const quoteInRealm = { differs: { in: 'challenge' as const, why: 'a quote would end the text that it stands in' } };
const queryAsWritten = {
  differs: { in: 'path' as const, why: 'the rest of the query stays as it was written; Envoy decodes it' },
};
const firstToken = 'a handler may read the second value, which nobody has verified';
const neverExpires = 'a token without an expiry cannot be taken back';
const edwardsLength = {
  differs: {
    in: 'text' as const,
    why: 'Envoy asks an Edwards key about a signature of another type; here the types have to agree',
  },
};

/** Tokens that Envoy takes, or that it gives another reason for. */
const kindsThatDiffer: Readonly<Record<string, Pick<TokenCase, 'differs'>>> = {
  confusedWithoutKid: edwardsLength,
  forEver: verdict(neverExpires),
  zeroExpiry: verdict('1970 is over'),
  leadingDot: verdict('there are four sections'),
  trailingDot: verdict('there are four sections'),
  signaturePadded: verdict('base64url of a token has no padding (RFC 7515, section 2), so that each token has one form'),
  critical: verdict('what is critical and not understood has to be refused (RFC 7515, section 4.1.11)'),
  notBase64Payload: verdict('the payload is not what it seems (RFC 7797), and not understood'),
  prototype: verdict('copied by a program, it would change the prototype of its own objects'),
  oversized: verdict('tokens are at most 16 KiB'),
};

/** Tokens of every kind, each to a provider that takes good ones. */
const kinds = Object.keys(tokens).map((token): TokenCase => ({
  name: `one-${token}`,
  filter: 'one',
  headers: bearer(token),
  ...kindsThatDiffer[token],
}));

const rows: readonly TokenCase[] = [
  { name: 'none', filter: 'one' },
  { name: 'none-with-query', filter: 'one', path: '/x/y?z=1' },
  { name: 'none-long-path', filter: 'one', path: `/${'p'.repeat(400)}` },
  { name: 'bad-with-query', filter: 'one', path: '/x?z=1', headers: bearer('expired') },
  { name: 'none-quote-in-path', filter: 'one', path: '/x"y', ...quoteInRealm },
  { name: 'small-bearer', filter: 'one', headers: [['authorization', 'bearer {a}']] },
  { name: 'bearer-twice', filter: 'one', headers: [['authorization', 'Bearer Bearer {a}']] },
  { name: 'bearer-two-spaces', filter: 'one', headers: [['authorization', 'Bearer  {a}']] },
  { name: 'bearer-alone', filter: 'one', headers: [['authorization', 'Bearer']] },
  { name: 'bearer-and-dash', filter: 'one', headers: [['authorization', 'Bearer !']] },
  { name: 'basic', filter: 'one', headers: [['authorization', 'Basic YTpi']] },
  { name: 'basic-and-bearer', filter: 'one', headers: [['authorization', 'Basic YTpi, Bearer {a}']] },
  { name: 'trailing-comma', filter: 'one', headers: [['authorization', 'Bearer {a}, x']] },
  { name: 'empty-authorization', filter: 'one', headers: [['authorization', '']] },
  { name: 'good-and-bad-headers', filter: 'one', headers: [...bearer('a'), ...bearer('expired')] },
  { name: 'bad-and-good-headers', filter: 'one', headers: [...bearer('expired'), ...bearer('a')] },
  { name: 'two-good-headers', filter: 'one', headers: [...bearer('a'), ...bearer('aToo')] },
  { name: 'default-parameter', filter: 'one', path: '/x?access_token={a}&z=1' },
  { name: 'parameter-first-of-three', filter: 'one', path: '/x?b=2&access_token={a}&c=%2F', ...queryAsWritten },
  { name: 'header-and-parameter', filter: 'one', path: '/x?access_token={aToo}', headers: bearer('a') },
  { name: 'header-and-bad-parameter', filter: 'one', path: '/x?access_token={expired}', headers: bearer('a'), ...tokenInQuery },
  { name: 'bad-header-and-parameter', filter: 'one', path: '/x?access_token={a}', headers: bearer('expired'), ...tokenInQuery },
  { name: 'bad-parameter', filter: 'one', path: '/x?access_token={expired}', ...tokenInQuery },
  { name: 'empty-parameter', filter: 'one', path: '/x?access_token=', ...tokenInQuery },
  { name: 'parameter-without-value', filter: 'one', path: '/x?access_token', ...tokenInQuery },
  { name: 'parameter-name-escaped', filter: 'one', path: '/x?access%5Ftoken={a}' },
  { name: 'parameter-twice', filter: 'one', path: '/x?access_token={a}&access_token={aToo}' },
  {
    name: 'parameter-twice-second-bad',
    filter: 'one',
    path: '/x?access_token={a}&access_token={expired}',
    ...verdict(firstToken),
  },
  { name: 'optional-none', filter: 'optional' },
  { name: 'optional-good', filter: 'optional', headers: bearer('a') },
  { name: 'optional-expired', filter: 'optional', headers: bearer('expired') },
  { name: 'optional-other-issuer', filter: 'optional', headers: bearer('otherIssuer') },
  { name: 'optional-garbage', filter: 'optional', headers: [['authorization', 'Bearer garbage']] },
  { name: 'optional-basic', filter: 'optional', headers: [['authorization', 'Basic YTpi']] },
  { name: 'either-none', filter: 'either' },
  { name: 'either-a', filter: 'either', headers: bearer('a') },
  { name: 'either-b', filter: 'either', headers: bearer('b') },
  { name: 'either-other', filter: 'either', headers: bearer('otherIssuer') },
  { name: 'either-expired', filter: 'either', headers: bearer('expired') },
  { name: 'either-both', filter: 'either', path: '/x?access_token={b}', headers: bearer('a'), ...tokenInQuery },
  { name: 'either-a-and-bad', filter: 'either', path: '/x?access_token={expired}', headers: bearer('b'), ...tokenInQuery },
  { name: 'either-or-none-none', filter: 'eitherOrNone' },
  { name: 'either-or-none-b', filter: 'eitherOrNone', headers: bearer('b') },
  { name: 'either-or-none-other', filter: 'eitherOrNone', headers: bearer('otherIssuer') },
  { name: 'either-or-none-expired', filter: 'eitherOrNone', headers: bearer('expired') },
  { name: 'each-or-none-none', filter: 'eachOrNone' },
  { name: 'each-or-none-a', filter: 'eachOrNone', headers: bearer('a') },
  { name: 'each-or-none-b', filter: 'eachOrNone', headers: bearer('b') },
  { name: 'each-or-none-other', filter: 'eachOrNone', headers: bearer('otherIssuer') },
  { name: 'both-none', filter: 'both' },
  { name: 'both-a', filter: 'both', headers: bearer('a') },
  { name: 'both-b', filter: 'both', headers: [['x-b', '{b}']] },
  { name: 'both-ab', filter: 'both', headers: [...bearer('a'), ['x-b', '{b}']] },
  { name: 'both-a-expired', filter: 'both', headers: [...bearer('expired'), ['x-b', '{b}']] },
  { name: 'both-swapped', filter: 'both', headers: [...bearer('b'), ['x-b', '{a}']] },
  { name: 'both-in-one-place', filter: 'bothInOnePlace', headers: bearer('a') },
  { name: 'both-kept', filter: 'bothKept', headers: bearer('a') },
  { name: 'pair-or-one-pair', filter: 'pairOrOne', headers: [...bearer('a'), ['x-b', '{b}']] },
  { name: 'pair-or-one-one', filter: 'pairOrOne', headers: bearer('secret') },
  { name: 'pair-or-one-half', filter: 'pairOrOne', headers: bearer('a') },
  { name: 'pair-or-one-none', filter: 'pairOrOne' },
  { name: 'pair-or-one-bad-half', filter: 'pairOrOne', headers: [...bearer('a'), ['x-b', '{expired}']] },
  { name: 'either-or-failed-none', filter: 'eitherOrFailed' },
  { name: 'either-or-failed-expired', filter: 'eitherOrFailed', headers: bearer('expired') },
  { name: 'either-or-failed-b', filter: 'eitherOrFailed', headers: bearer('b') },
  ...['missing', 'missingInAny', 'failed'].flatMap((filter): TokenCase[] => [
    { name: `${filter}-none`, filter },
    { name: `${filter}-a`, filter, headers: bearer('a') },
    { name: `${filter}-expired`, filter, headers: bearer('expired') },
    { name: `${filter}-other`, filter, headers: bearer('otherIssuer') },
    { name: `${filter}-garbage`, filter, headers: [['authorization', 'Bearer garbage']] },
    { name: `${filter}-a-and-b`, filter, headers: [...bearer('a'), ['x-b', '{b}']] },
    {
      name: `${filter}-a-and-bad-b`,
      filter,
      headers: [...bearer('a'), ['x-b', '{expired}']],
      ...(filter !== 'failed' && verdict('the last token that Envoy looks at decides for all; here all have to be good')),
    },
    { name: `${filter}-bad-a-and-b`, filter, headers: [...bearer('expired'), ['x-b', '{b}']] },
    { name: `${filter}-swapped`, filter, headers: [...bearer('b'), ['x-b', '{a}']] },
  ]),
  ...['forX', 'forXAndY', 'forUrl', 'forNobody', 'forZ', 'a'].flatMap((token): TokenCase[] =>
    ['audience', 'audienceUrl', 'audienceOfRule'].map((filter) => ({
      name: `${filter}-${token}`,
      filter,
      headers: bearer(token),
    })),
  ),
  ...['a', 'rich', 'longLived', 'forEver', 'expiredAMoment'].flatMap((token): TokenCase[] =>
    ['subject', 'otherSubject', 'lifetime', 'expiring'].map((filter) => ({
      name: `${filter}-${token}`,
      filter,
      headers: bearer(token),
      ...(filter === 'subject' && token === 'forEver' && verdict(neverExpires)),
    })),
  ),
  ...['expiredAMoment', 'expiredTwoMinutes', 'earlyAMoment', 'earlyTwoMinutes', 'expired'].flatMap((token): TokenCase[] =>
    ['smallSkew', 'largeSkew'].map((filter) => ({
      name: `${filter}-${token}`,
      filter,
      headers: bearer(token),
    })),
  ),
  ...['a', 'otherIssuer', 'withoutIssuer', 'b'].flatMap((token): TokenCase[] =>
    ['anybody', 'anybodyOptional'].map((filter) => ({
      name: `${filter}-${token}`,
      filter,
      headers: bearer(token),
      ...(filter === 'anybody' && token === 'b' && edwardsLength),
    })),
  ),
  { name: 'secret-good', filter: 'secret', headers: bearer('secret') },
  { name: 'secret-confused', filter: 'secret', headers: bearer('confused') },
  { name: 'forward-header', filter: 'forward', headers: bearer('a') },
  { name: 'forward-parameter', filter: 'forward', path: '/x?access_token={a}&z=1' },
  { name: 'header-whole-value', filter: 'header', headers: [['x-token', '{a}']] },
  {
    name: 'header-twice',
    filter: 'header',
    headers: [
      ['x-token', '{a}'],
      ['x-token', '{aToo}'],
    ],
  },
  { name: 'header-listed', filter: 'header', headers: [['x-token', '{a},{aToo}']] },
  { name: 'header-not-authorization', filter: 'header', headers: bearer('a') },
  { name: 'header-empty', filter: 'header', headers: [['x-token', '']] },
  { name: 'prefixed-good', filter: 'prefixed', headers: [['x-token', 'JWT={a}']] },
  { name: 'prefixed-inside', filter: 'prefixed', headers: [['x-token', 'v=1;JWT={a}']] },
  { name: 'prefixed-junk-between', filter: 'prefixed', headers: [['x-token', 'JWT=***{a}']] },
  { name: 'prefixed-junk-behind', filter: 'prefixed', headers: [['x-token', 'JWT={a};v=1']] },
  { name: 'prefixed-without', filter: 'prefixed', headers: [['x-token', '{a}']] },
  { name: 'parameter-jwt', filter: 'parameter', path: '/x?jwt={a}' },
  { name: 'parameter-other', filter: 'parameter', path: '/x?z=1&other={a}' },
  { name: 'parameter-both', filter: 'parameter', path: '/x?jwt={a}&other={aToo}' },
  { name: 'parameter-both-one-bad', filter: 'parameter', path: '/x?jwt={expired}&other={a}', ...tokenInQuery },
  { name: 'parameter-default-is-off', filter: 'parameter', path: '/x?access_token={a}', headers: bearer('a') },
  { name: 'cookie-good', filter: 'cookie', headers: [['cookie', 'session={a}']] },
  { name: 'cookie-among-others', filter: 'cookie', headers: [['cookie', 'x=1; session={a}; y=2']] },
  { name: 'cookie-quoted', filter: 'cookie', headers: [['cookie', 'session="{a}"']] },
  { name: 'cookie-twice', filter: 'cookie', headers: [['cookie', 'session={a}; session={aToo}']] },
  {
    name: 'cookie-twice-second-bad',
    filter: 'cookie',
    headers: [['cookie', 'session={a}; session={expired}']],
    ...verdict(firstToken),
  },
  { name: 'cookie-twice-first-bad', filter: 'cookie', headers: [['cookie', 'session={expired}; session={a}']] },
  { name: 'cookie-bad', filter: 'cookie', headers: [['cookie', 'session={expired}']] },
  { name: 'cookie-empty', filter: 'cookie', headers: [['cookie', 'session=']] },
  {
    name: 'places-cookie-before-header',
    filter: 'places',
    headers: [
      ['x-1', '{expired}'],
      ['cookie', 'c2={early}'],
    ],
  },
  {
    name: 'places-parameter-before-header',
    filter: 'places',
    path: '/x?p1={early}',
    headers: [['x-1', '{expired}']],
    ...tokenInQuery,
  },
  {
    name: 'places-second-header-first',
    filter: 'places',
    headers: [
      ['x-1', '{expired}'],
      ['x-2', '{early}'],
    ],
  },
  { name: 'places-second-parameter-first', filter: 'places', path: '/x?p1={early}&p2={expired}', ...tokenInQuery },
  { name: 'places-second-cookie-first', filter: 'places', headers: [['cookie', 'c2={early}; c1={expired}']] },
  {
    name: 'places-all-good',
    filter: 'places',
    path: '/x?p1={a}',
    headers: [
      ['x-1', '{a}'],
      ['cookie', 'c1={a}'],
    ],
  },
  { name: 'claims-rich', filter: 'claims', headers: bearer('rich') },
  { name: 'claims-few', filter: 'claims', headers: bearer('a') },
  { name: 'claims-forged', filter: 'claims', headers: [...bearer('a'), ['x-role', 'admin'], ['x-payload', 'forged']] },
  { name: 'claims-forged-twice', filter: 'claims', headers: [...bearer('rich'), ['X-Role', 'boss'], ['x-role', 'boss']] },
  { name: 'claims-other-letters', filter: 'claims', headers: bearer('otherLetters') },
  { name: 'claims-twice', filter: 'claims', path: '/x?access_token={rich}', headers: bearer('rich') },
  { name: 'path-open', filter: 'paths', path: '/open' },
  { name: 'path-open-query', filter: 'paths', path: '/open?x=1' },
  { name: 'path-open-forged', filter: 'paths', path: '/open/x', headers: bearer('expired') },
  { name: 'path-prefix-b', filter: 'paths', path: '/b/x', headers: bearer('b') },
  { name: 'path-prefix-a', filter: 'paths', path: '/b/x', headers: bearer('a') },
  { name: 'path-regex', filter: 'paths', path: '/r12?x', headers: bearer('a') },
  { name: 'path-regex-not-whole', filter: 'paths', path: '/r12x', headers: bearer('a') },
  { name: 'path-segment', filter: 'paths', path: '/seg/x', headers: bearer('a') },
  { name: 'path-segment-end', filter: 'paths', path: '/seg', headers: bearer('a') },
  { name: 'path-segment-longer', filter: 'paths', path: '/segment', headers: bearer('a') },
  { name: 'path-header', filter: 'paths', path: '/h', headers: [...bearer('a'), ['x-who', 'me']] },
  { name: 'path-header-other', filter: 'paths', path: '/h', headers: [...bearer('a'), ['x-who', 'you']] },
  { name: 'path-query', filter: 'paths', path: '/q?v=1', headers: bearer('a') },
  { name: 'path-query-other', filter: 'paths', path: '/q?v=2', headers: bearer('a') },
  { name: 'path-a', filter: 'paths', path: '/a', headers: bearer('a') },
  { name: 'path-no-rule', filter: 'paths', path: '/zzz', headers: bearer('expired') },
  {
    name: 'preflight',
    filter: 'preflight',
    method: 'OPTIONS',
    headers: [
      ['origin', 'https://page.example'],
      ['access-control-request-method', 'PUT'],
    ],
  },
  { name: 'preflight-without-method', filter: 'preflight', method: 'OPTIONS', headers: [['origin', 'https://page.example']] },
  {
    name: 'preflight-bad-token',
    filter: 'preflight',
    method: 'OPTIONS',
    headers: [['origin', 'https://p.example'], ['access-control-request-method', 'PUT'], ...bearer('expired')],
  },
  {
    name: 'preflight-get',
    filter: 'preflight',
    headers: [
      ['origin', 'https://p.example'],
      ['access-control-request-method', 'PUT'],
    ],
  },
  { name: 'silent-none', filter: 'silent' },
  { name: 'silent-expired', filter: 'silent', headers: bearer('expired') },
  { name: 'silent-audience', filter: 'silent', headers: bearer('a') },
  { name: 'silent-good', filter: 'silent', headers: bearer('forX') },
  { name: 'zero-skew', filter: 'zeroSkew', headers: bearer('expiredAMoment') },
  { name: 'unreachable-good', filter: 'unreachable', headers: bearer('a') },
  { name: 'unreachable-expired', filter: 'unreachable', headers: bearer('expired') },
  { name: 'unreachable-none', filter: 'unreachable' },
];

/** All requests. */
export const tokenCases: readonly TokenCase[] = [...kinds, ...rows];

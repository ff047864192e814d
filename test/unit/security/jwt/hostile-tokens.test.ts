/** Tokens that somebody made to get in, through the verification that requests meet (T-JWT of the security requirements). */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { verifyJwt, type VerifyJwtOptions } from 'meshfetch/testing';
import { ecKey, hmacSigner, rsaKey, sectionOf, signToken, type TokenSigner } from '../../../support/token-issuer.ts';

const nowMs = 1_767_225_600_000;
const nowS = nowMs / 1000;
const key = ecKey();
const rsa = rsaKey();
const stranger = ecKey();
const secret = Buffer.alloc(32, 9);
const keys = { keys: [key.jwk({ kid: 'ec' }), rsa.jwk({ kid: 'rsa' })] };
const header = { alg: 'ES256', kid: 'ec' };
const claims = { iss: 'https://login.example', sub: 'alice', aud: 'orders', exp: nowS + 300 };
const options: VerifyJwtOptions = { issuer: claims.iss, audiences: ['orders'], nowMs };

const tokenOf = (more: object = {}, ofHeader: object = {}, signer: TokenSigner = key.sign): string =>
  signToken({ ...header, ...ofHeader }, { ...claims, ...more }, signer);
const [goodHeader, goodPayload, goodSignature] = tokenOf().split('.') as [string, string, string];
const pem = rsa.publicKey.export({ type: 'spki', format: 'pem' }) as string;
const pemWithoutBreak = pem.trimEnd();
const modulus = Buffer.from(rsa.jwk()['n'] as string, 'base64url');
const publicText = JSON.stringify(rsa.jwk());

const small = rsaKey(1024);

/** Status and text of the answer; `accepted` when there is none. */
async function answerTo(token: string, more: VerifyJwtOptions = {}, jwks: string | object = keys): Promise<string> {
  const { isAccepted, refusal } = await verifyJwt(token, jwks, { ...options, ...more });
  assert.equal(isAccepted, refusal === undefined);
  return refusal === undefined ? 'accepted' : `${refusal.status} ${refusal.body}`;
}

const badFormat = '401 Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections';
const fails = '401 Jwt verification fails';
const notKnown = "401 Jwks doesn't have key to match kid or alg from Jwt";
const badJson = '401 Jwt payload is an invalid JSON';
const notUnderstood = '401 Jwt header has critical extensions that are not supported';

describe('T-JWT: a token', () => {
  it('is accepted when it is good', async () => {
    const { isAccepted, token } = await verifyJwt(tokenOf({ scope: 'a b' }), keys, { ...options, listClaims: ['scope'] });
    assert.ok(isAccepted);
    assert.deepEqual(
      [token?.issuer, token?.subject, token?.audiences, token?.claims['scope'], token?.ruleClaims?.['scope']],
      ['https://login.example', 'alice', ['orders'], 'a b', ['a', 'b']],
    );
  });

  const rows: readonly { readonly name: string; readonly token: string; readonly answer: string }[] = [
    // `none`, in every way to write it.
    ...['none', 'None', 'NONE', 'nOnE', ''].flatMap((alg) => [
      { name: `alg-${alg}-unsigned`, token: `${sectionOf({ alg })}.${goodPayload}.`, answer: badFormat },
      {
        name: `alg-${alg}-signed`,
        token: `${sectionOf({ ...header, alg })}.${goodPayload}.${goodSignature}`,
        answer: '401 Jwt header [alg] is not supported',
      },
    ]),
    // A public key is no secret, whatever bytes of it are taken for one.
    ...Object.entries({ pem, pemWithoutBreak, modulus, publicText }).flatMap(([name, bytes]) =>
      ['rsa', undefined].map((kid) => ({
        name: `key-confusion-${name}-${kid === undefined ? 'without' : 'with'}-kid`,
        token: tokenOf({}, { alg: 'HS256', kid }, hmacSigner(bytes)),
        answer: fails,
      })),
    ),
    { name: 'key-of-another-type', token: tokenOf({}, { kid: 'rsa' }), answer: fails },
    { name: 'rsa-signature-under-another-algorithm', token: tokenOf({}, { alg: 'RS256' }, rsa.sign), answer: fails },
    { name: 'signature-of-a-stranger', token: tokenOf({}, {}, stranger.sign), answer: fails },
    {
      name: 'payload-of-another',
      token: `${goodHeader}.${sectionOf({ ...claims, sub: 'root' })}.${goodSignature}`,
      answer: fails,
    },
    { name: 'signature-empty', token: `${goodHeader}.${goodPayload}.`, answer: badFormat },
    { name: 'signature-all-zero', token: `${goodHeader}.${goodPayload}.${'A'.repeat(86)}`, answer: fails },
    // Times.
    { name: 'expired', token: tokenOf({ exp: nowS - 61 }), answer: '401 Jwt is expired' },
    { name: 'not-yet-valid', token: tokenOf({ nbf: nowS + 61 }), answer: '401 Jwt not yet valid' },
    { name: 'without-expiry', token: tokenOf({ exp: undefined }), answer: fails },
    { name: 'expiry-null', token: tokenOf({ exp: null }), answer: '401 Jwt payload [exp] field is not an integer' },
    { name: 'expiry-text', token: tokenOf({ exp: String(nowS + 300) }), answer: '401 Jwt payload [exp] field is not an integer' },
    {
      name: 'expiry-beyond-64-bits',
      token: tokenOf({ exp: 2 ** 64 }),
      answer: '401 Jwt payload [exp] field is not a positive 64 bit integer',
    },
    // Whom it is for, and from.
    { name: 'wrong-audience', token: tokenOf({ aud: 'payments' }), answer: '403 Audiences in Jwt are not allowed' },
    { name: 'without-audience', token: tokenOf({ aud: undefined }), answer: '403 Audiences in Jwt are not allowed' },
    { name: 'audience-longer', token: tokenOf({ aud: 'orders-test' }), answer: '403 Audiences in Jwt are not allowed' },
    {
      name: 'audience-as-object',
      token: tokenOf({ aud: { orders: true } }),
      answer: '401 Jwt payload [aud] field is not a string or string list',
    },
    { name: 'wrong-issuer', token: tokenOf({ iss: 'https://login.example.evil' }), answer: '401 Jwt issuer is not configured' },
    { name: 'issuer-with-slash', token: tokenOf({ iss: 'https://login.example/' }), answer: '401 Jwt issuer is not configured' },
    { name: 'without-issuer', token: tokenOf({ iss: undefined }), answer: '401 Jwt issuer is not configured' },
    { name: 'issuer-list', token: tokenOf({ iss: [claims.iss] }), answer: '401 Jwt payload [iss] field is not a string' },
    // Names twice: one reader takes the first, another the last.
    {
      name: 'claim-twice',
      token: signToken(header, `{"sub":"root",${JSON.stringify(claims).slice(1)}`, key.sign),
      answer: badJson,
    },
    {
      name: 'claim-twice-escaped',
      token: signToken(header, `{"\\u0073ub":"root",${JSON.stringify(claims).slice(1)}`, key.sign),
      answer: badJson,
    },
    {
      name: 'claim-twice-below',
      token: signToken(header, `{"a":[{"b":1,"b":2}],${JSON.stringify(claims).slice(1)}`, key.sign),
      answer: badJson,
    },
    {
      name: 'alg-twice',
      token: signToken('{"alg":"none","alg":"ES256","kid":"ec"}', claims, key.sign),
      answer: '401 Jwt header is an invalid JSON',
    },
    {
      name: 'claim-proto',
      token: signToken(header, `{"__proto__":{"role":"admin"},${JSON.stringify(claims).slice(1)}`, key.sign),
      answer: badJson,
    },
    // Extensions, and keys that the token brings itself.
    { name: 'crit-unknown', token: tokenOf({}, { crit: ['x'], x: 1 }), answer: notUnderstood },
    { name: 'crit-empty', token: tokenOf({}, { crit: [] }), answer: notUnderstood },
    { name: 'b64-false', token: tokenOf({}, { crit: ['b64'], b64: false }), answer: notUnderstood },
    { name: 'b64-false-not-critical', token: tokenOf({}, { b64: false }), answer: notUnderstood },
    { name: 'embedded-jwk', token: tokenOf({}, { jwk: stranger.jwk() }, stranger.sign), answer: fails },
    {
      name: 'embedded-jwk-without-kid',
      token: tokenOf({}, { kid: undefined, jwk: stranger.jwk() }, stranger.sign),
      answer: fails,
    },
    { name: 'jku', token: tokenOf({}, { kid: 'zz', jku: 'https://evil.example/keys' }, stranger.sign), answer: notKnown },
    { name: 'x5u', token: tokenOf({}, { kid: 'zz', x5u: 'https://evil.example/cert' }, stranger.sign), answer: notKnown },
    { name: 'kid-as-path', token: tokenOf({}, { kid: '../../../dev/null' }), answer: notKnown },
    { name: 'kid-constructor', token: tokenOf({}, { kid: 'constructor' }), answer: notKnown },
    { name: 'kid-number', token: tokenOf({}, { kid: 1 }), answer: '401 Jwt header [kid] field is not a string' },
    { name: 'alg-of-an-object', token: tokenOf({}, { alg: 'toString' }), answer: '401 Jwt header [alg] is not supported' },
    // Other forms.
    { name: 'encrypted', token: [goodHeader, 'a', 'b', 'c', 'd'].join('.'), answer: badFormat },
    {
      name: 'json-form',
      token: JSON.stringify({ protected: goodHeader, payload: goodPayload, signature: goodSignature }),
      answer: badFormat,
    },
    { name: 'oversized', token: tokenOf({ filler: 'x'.repeat(13_000) }), answer: badFormat },
    {
      name: 'padded',
      token: `${goodHeader}.${goodPayload}.${goodSignature}==`,
      answer: '401 Jwt signature is an invalid Base64url encoded',
    },
    {
      name: 'other-base64',
      token: `${goodHeader}.+/8.${goodSignature}`,
      answer: '401 Jwt payload is an invalid Base64url encoded',
    },
    { name: 'payload-list', token: signToken(header, '[]', key.sign), answer: badJson },
    { name: 'payload-null', token: signToken(header, 'null', key.sign), answer: badJson },
    { name: 'payload-bom', token: signToken(header, `\u{feff}${JSON.stringify(claims)}`, key.sign), answer: badJson },
    {
      name: 'nested-too-deep',
      token: signToken(header, `{"a":${'['.repeat(120)}${']'.repeat(120)},${JSON.stringify(claims).slice(1)}`, key.sign),
      answer: badJson,
    },
    { name: 'empty', token: '', answer: badFormat },
    { name: 'dots', token: '..', answer: badFormat },
  ];
  for (const { name, token, answer } of rows) {
    it(`is refused: ${name}`, async () => {
      assert.equal(await answerTo(token), answer);
    });
  }

  it('holds a minute longer than it says, and no more, whatever tolerance is asked for', async () => {
    const minute = [tokenOf({ exp: nowS - 60 }), tokenOf({ nbf: nowS + 60 })];
    assert.deepEqual(await Promise.all(minute.map((token) => answerTo(token))), ['accepted', 'accepted']);
    assert.equal(await answerTo(tokenOf({ exp: nowS - 61 }), { clockSkewMs: 3_600_000 }), '401 Jwt is expired');
    assert.equal(await answerTo(tokenOf({ exp: nowS - 1 }), { clockSkewMs: 0 }), '401 Jwt is expired');
  });

  it('may not live longer than the policy says', async () => {
    assert.equal(await answerTo(tokenOf(), { maxLifetimeMs: 300_000 }), fails);
    assert.equal(await answerTo(tokenOf(), { maxLifetimeMs: 301_000 }), 'accepted');
  });

  it('may be about those alone whom the policy names', async () => {
    assert.equal(await answerTo(tokenOf(), { subjects: { kind: 'regex', value: 'a.*' } }), 'accepted');
    assert.equal(await answerTo(tokenOf({ sub: 'xalice' }), { subjects: { kind: 'regex', value: 'a.*' } }), fails);
    assert.equal(await answerTo(tokenOf({ sub: undefined }), { subjects: { kind: 'prefix', value: 'a' } }), fails);
  });

  it('has claims of its own alone, and nobody can change them', async () => {
    const { token } = await verifyJwt(tokenOf({ nested: { list: [1] } }), keys, options);
    assert.ok(token !== undefined && !Object.hasOwn(token.claims, 'toString'));
    assert.ok(Object.isFrozen(token.claims) && Object.isFrozen((token.claims['nested'] as { list: unknown }).list));
  });

  it('is not in the answer that refuses it', async () => {
    for (const { token } of rows.filter(({ token: each }) => each.length > 20)) {
      const { refusal } = await verifyJwt(token, keys, options);
      const told = JSON.stringify(refusal);
      for (const section of token.split('.').filter((each) => each.length > 8)) assert.ok(!told.includes(section));
    }
  });
});

describe('T-JWT: keys', () => {
  const rows: readonly {
    readonly name: string;
    readonly keys: readonly object[];
    readonly token?: string;
    readonly answer: string;
  }[] = [
    { name: 'two-with-one-id', keys: [stranger.jwk({ kid: 'ec' }), key.jwk({ kid: 'ec' })], answer: 'accepted' },
    { name: 'two-with-one-id-none-good', keys: [stranger.jwk({ kid: 'ec' }), rsa.jwk({ kid: 'ec' })], answer: fails },
    { name: 'without-id', keys: [key.jwk()], answer: 'accepted' },
    { name: 'of-another-id', keys: [key.jwk({ kid: 'other' })], answer: notKnown },
    {
      name: 'token-without-id',
      keys: [stranger.jwk({ kid: '1' }), key.jwk({ kid: '2' })],
      token: tokenOf({}, { kid: undefined }),
      answer: 'accepted',
    },
    { name: 'for-another-algorithm', keys: [key.jwk({ kid: 'ec', alg: 'ES384' })], answer: notKnown },
    { name: 'for-encryption', keys: [key.jwk({ kid: 'ec', use: 'enc' }), stranger.jwk()], answer: fails },
    { name: 'for-signing-alone', keys: [key.jwk({ kid: 'ec', key_ops: ['sign'] }), stranger.jwk()], answer: fails },
    {
      name: 'that-make-none',
      keys: [{ kty: 'EC' }, { kty: 'RSA' }, { kty: 'toString' }, {}],
      answer: "401 Jwks doesn't have any valid public key",
    },
    { name: 'none', keys: [], answer: "401 Jwks doesn't have any valid public key" },
    { name: 'not-on-their-curve', keys: [key.jwk({ kid: 'ec', y: key.jwk()['x'] })], answer: fails },
    { name: 'small-rsa', keys: [small.jwk()], token: tokenOf({}, { alg: 'RS256' }, small.sign), answer: fails },
    {
      name: 'secret',
      keys: [{ kty: 'oct', k: secret.toString('base64url') }],
      token: tokenOf({}, { alg: 'HS256' }, hmacSigner(secret)),
      answer: 'accepted',
    },
    {
      name: 'secret-too-short',
      keys: [{ kty: 'oct', k: 'c2VjcmV0' }],
      token: tokenOf({}, { alg: 'HS256' }, hmacSigner('secret')),
      answer: fails,
    },
    {
      name: 'secret-too-short-for-512',
      keys: [{ kty: 'oct', k: secret.toString('base64url') }],
      token: tokenOf({}, { alg: 'HS512' }, hmacSigner(secret, 'sha512')),
      answer: fails,
    },
  ];
  for (const { name, keys: list, token, answer } of rows) {
    it(`judge as they are: ${name}`, async () => {
      assert.equal(await answerTo(token ?? tokenOf(), {}, { keys: list }), answer);
    });
  }

  it('are none in a document that is too large, or not one of keys', async () => {
    const filler = { kty: 'oct', k: 'x'.repeat(66_000) };
    for (const document of [
      '',
      '{',
      '[]',
      '{}',
      '{"keys":{}}',
      '{"keys":[],"keys":[]}',
      JSON.stringify({ keys: [key.jwk(), filler] }),
    ])
      assert.equal(await answerTo(tokenOf(), {}, document), "401 Jwks doesn't have any valid public key");
  });

  it('are tried eight at most for a token that names none', async () => {
    const many = Array.from({ length: 8 }, () => stranger.jwk());
    assert.equal(await answerTo(tokenOf({}, { kid: undefined }), {}, { keys: [...many, key.jwk()] }), fails);
    assert.equal(await answerTo(tokenOf({}, { kid: undefined }), {}, { keys: [...many.slice(1), key.jwk()] }), 'accepted');
  });
});

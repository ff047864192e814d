/** What is remembered of tokens, what is handed on, and what fails closed; which token is good is in security/jwt, and beside Envoy in test/live. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createVirtualClock } from 'meshfetch/testing';
import type { AccessRequest } from '../../../../src/data-plane/inbound/access-request.ts';
import { createTokenCheck, type TokenCheck, type TokenOutcome } from '../../../../src/data-plane/inbound/token-check.ts';
import type { JwtProviderConfig, JwtRuleConfig } from '../../../../src/model/authorization.ts';
import { KeySources, type KeySource } from '../../../../src/security/jwt/key-source.ts';
import { KeySet, parseKeySet } from '../../../../src/security/jwt/key-set.ts';
import { ecKey, signToken, type IssuerKey } from '../../../support/token-issuer.ts';

const first = ecKey();
const second = ecKey();
const document = JSON.stringify({ keys: [first.jwk({ kid: 'first' })] });

/** A set that counts how often a signature is to be verified with it. */
class CountedKeys extends KeySet {
  verifications = 0;
  constructor(...keys: readonly (readonly [IssuerKey, string])[]) {
    const parsed = parseKeySet(JSON.stringify({ keys: keys.map(([key, kid]) => key.jwk({ kid })) }), 'inline');
    super(typeof parsed === 'string' ? [] : [...parsed.candidates(undefined, 'ES256')]);
  }
  override candidates(...args: Parameters<KeySet['candidates']>): ReturnType<KeySet['candidates']> {
    this.verifications += 1;
    return super.candidates(...args);
  }
}

/** A policy with one issuer in virtual time. */
class Policy {
  readonly clock = createVirtualClock();
  readonly nowS = this.clock.wallNow() / 1000;
  keys = new CountedKeys([first, 'first']);
  newer: () => Promise<KeySet> = () => Promise.resolve(this.keys);

  check(config: Partial<JwtProviderConfig> = {}, rules?: readonly JwtRuleConfig[]): TokenCheck {
    const source: KeySource = { current: () => this.keys, newer: () => this.newer() };
    const provider: JwtProviderConfig = {
      name: 'login',
      issuer: 'https://login.example',
      audiences: [],
      jwks: { kind: 'inline', document },
      ...config,
    };
    return createTokenCheck([provider], rules, { clock: this.clock, keySources: { of: () => source } as unknown as KeySources });
  }

  token(claims: object = {}, key = first, kid = 'first'): string {
    const all = { iss: 'https://login.example', sub: 'alice', exp: this.nowS + 300, ...claims };
    return signToken({ alg: 'ES256', kid }, all, key.sign);
  }
}

function requestWith(headers: Readonly<Record<string, string>>, path = '/'): AccessRequest {
  return {
    method: 'GET',
    path,
    pathOnly: path.split('?', 1)[0]!,
    authority: 'orders',
    scheme: 'http',
    connection: undefined as never,
    remoteAddress: '192.0.2.1',
    tokens: [],
    requestPrincipal: undefined,
    header: (name) => headers[name],
  };
}

const bearer = (token: string): AccessRequest => requestWith({ authorization: `Bearer ${token}` });

/** The outcome, and whether it was there at once. */
async function ask(check: TokenCheck, request: AccessRequest): Promise<TokenOutcome & { readonly isAtOnce: boolean }> {
  let isAtOnce = true;
  const outcome = new Promise<TokenOutcome & { readonly isAtOnce: boolean }>((resolve) => {
    check.check(request, (result) => resolve({ ...result, isAtOnce }));
  });
  isAtOnce = false;
  return outcome;
}

const answerOf = ({ refusal }: TokenOutcome): string =>
  refusal === undefined ? 'accepted' : `${refusal.status} ${refusal.body}`;

describe('a verified token', () => {
  it('is accepted at once when it comes again', async () => {
    const policy = new Policy();
    const check = policy.check();
    const token = policy.token();
    assert.equal((await ask(check, bearer(token))).isAtOnce, false);
    const again = await ask(check, bearer(token));
    assert.deepEqual([again.isAtOnce, again.tokens[0]?.subject, policy.keys.verifications], [true, 'alice', 1]);
  });

  it('is verified once for all who wait for it', async () => {
    const policy = new Policy();
    const check = policy.check();
    const token = policy.token();
    const all = await Promise.all(Array.from({ length: 50 }, () => ask(check, bearer(token))));
    assert.ok(all.every((outcome) => answerOf(outcome) === 'accepted'));
    assert.equal(policy.keys.verifications, 1);
  });

  it('is refused when it has expired meanwhile, and forgotten', async () => {
    const policy = new Policy();
    const check = policy.check({ clockSkewMs: 0 });
    const token = policy.token();
    await ask(check, bearer(token));
    await policy.clock.advance(300_000);
    assert.equal(answerOf(await ask(check, bearer(token))), 'accepted');
    await policy.clock.advance(1000);
    const expired = await ask(check, bearer(token));
    assert.deepEqual([expired.isAtOnce, answerOf(expired)], [true, '401 Jwt is expired']);
  });

  it('is verified anew with other keys, and refused when its key is gone', async () => {
    const policy = new Policy();
    const check = policy.check();
    const token = policy.token();
    await ask(check, bearer(token));
    policy.keys = new CountedKeys([first, 'first'], [second, 'second']);
    assert.equal((await ask(check, bearer(token))).isAtOnce, false);
    policy.keys = new CountedKeys([second, 'second']);
    assert.equal(answerOf(await ask(check, bearer(token))), "401 Jwks doesn't have key to match kid or alg from Jwt");
  });

  it('is verified anew under another policy', async () => {
    const policy = new Policy();
    const token = policy.token({ aud: 'orders' });
    assert.equal(answerOf(await ask(policy.check(), bearer(token))), 'accepted');
    const stricter = policy.check({ audiences: ['payments'] });
    assert.equal(answerOf(await ask(stricter, bearer(token))), '403 Audiences in Jwt are not allowed');
  });

  it('has to be for the audience of the rule that asks for it now', async () => {
    const policy = new Policy();
    const check = policy.check({}, [
      { match: { path: { kind: 'prefix', value: '/x' } }, requires: { kind: 'provider', provider: 'login', audiences: ['x'] } },
      { match: {}, requires: { kind: 'provider', provider: 'login' } },
    ]);
    const headers = { authorization: `Bearer ${policy.token({ aud: 'y' })}` };
    assert.equal(answerOf(await ask(check, requestWith(headers, '/y'))), 'accepted');
    const refused = await ask(check, requestWith(headers, '/x'));
    assert.deepEqual([refused.isAtOnce, answerOf(refused)], [true, '403 Audiences in Jwt are not allowed']);
  });

  it('is one of a thousand that are remembered', async () => {
    const policy = new Policy();
    const check = policy.check();
    const oldest = policy.token({ jti: 'oldest' });
    await ask(check, bearer(oldest));
    const others = Array.from({ length: 1000 }, (_each, index) => policy.token({ jti: String(index) }));
    for (const token of others) await ask(check, bearer(token));
    assert.equal((await ask(check, bearer(others[500]!))).isAtOnce, true);
    assert.equal((await ask(check, bearer(oldest))).isAtOnce, false);
  });

  it('is not remembered when it is long', async () => {
    const policy = new Policy();
    const check = policy.check();
    const token = policy.token({ filler: 'x'.repeat(4000) });
    await ask(check, bearer(token));
    assert.equal((await ask(check, bearer(token))).isAtOnce, false);
  });

  it('is not one because it was refused before, nor refused because another was', async () => {
    const policy = new Policy();
    const check = policy.check();
    const forged = policy.token({}, second);
    for (let times = 0; times < 3; times++)
      assert.equal(answerOf(await ask(check, bearer(forged))), '401 Jwt verification fails');
    assert.equal(answerOf(await ask(check, bearer(policy.token()))), 'accepted');
  });
});

describe('keys that change', () => {
  it('are asked for when a token names one that is new', async () => {
    const policy = new Policy();
    let fetches = 0;
    policy.newer = () => {
      fetches += 1;
      policy.keys = new CountedKeys([first, 'first'], [second, 'second']);
      return Promise.resolve(policy.keys);
    };
    const check = policy.check();
    assert.equal(answerOf(await ask(check, bearer(policy.token()))), 'accepted');
    assert.equal(fetches, 0);
    assert.equal(answerOf(await ask(check, bearer(policy.token({}, second, 'second')))), 'accepted');
    assert.equal(fetches, 1);
  });

  it('let nothing pass while there are none', async () => {
    const clock = createVirtualClock();
    const keySources = new KeySources({ clock, random: () => 0, fetchKeys: () => Promise.reject(new Error('no')) });
    const jwks = { kind: 'remote', url: 'https://login.example/keys' } as const;
    const provider: JwtProviderConfig = { name: 'login', issuer: 'https://login.example', audiences: [], jwks };
    const token = new Policy().token();
    for (const allowMissing of [false, true]) {
      const check = createTokenCheck([{ ...provider, allowMissing }], undefined, { clock, keySources });
      assert.equal(answerOf(await ask(check, bearer(token))), '401 Jwks remote fetch is failed');
    }
  });

  it('let nothing pass when asking for them goes wrong in a way that nobody thought of', async () => {
    const policy = new Policy();
    policy.newer = () => Promise.reject(new Error('a mistake'));
    const outcome = await ask(policy.check(), bearer(policy.token({}, second, 'second')));
    assert.equal(answerOf(outcome), '401 Jwt verification fails');
  });
});

describe('what the handler sees', () => {
  it('has no header of the policy that the caller sent, whatever rule holds', async () => {
    const policy = new Policy();
    const config = { payloadHeader: 'X-Payload', claimHeaders: [{ header: 'X-Role', claim: 'role' }] };
    const check = policy.check(config, [
      { match: { path: { kind: 'exact', value: '/open' } } },
      { match: { path: { kind: 'exact', value: '/maybe' } }, requires: { kind: 'missing-or-failed' } },
    ]);
    const forged = { 'x-role': 'admin', 'x-payload': 'forged' };
    for (const path of ['/open', '/maybe', '/without-a-rule']) {
      const { edit } = await ask(check, requestWith(forged, path));
      assert.deepEqual(edit, { remove: ['x-payload', 'x-role'] }, path);
    }
    const { edit } = await ask(check, requestWith({}, '/open'));
    assert.equal(edit, undefined);
  });

  it('has claims in headers, but for those that would break out of them', async () => {
    const policy = new Policy();
    const names = ['role', 'line', 'nul', 'letters', 'constructor', 'a.b'];
    const check = policy.check({ claimHeaders: names.map((claim) => ({ header: `x-${claim}`, claim })) });
    const claims = { role: 'admin', line: 'a\r\nx-role: root', nul: 'a\0', letters: 'é', a: { b: 1 } };
    const { edit } = await ask(check, bearer(policy.token(claims)));
    const letters = Buffer.from('é').toString('latin1');
    assert.deepEqual(edit?.set, [
      ['x-role', 'admin'],
      ['x-letters', letters],
      ['x-a.b', '1'],
    ]);
  });

  it('has the token only where the policy hands it on', async () => {
    const policy = new Policy();
    const token = policy.token();
    assert.deepEqual((await ask(policy.check(), bearer(token))).edit, { remove: ['authorization'] });
    assert.equal((await ask(policy.check({ forward: true }), bearer(token))).edit, undefined);
    const inQuery = policy.check({ fromQuery: ['jwt'] });
    assert.equal((await ask(inQuery, requestWith({}, `/a?b=%2F&jwt=${token}&c`))).path, '/a?b=%2F&c');
    assert.equal((await ask(inQuery, requestWith({}, `/a?jwt=${token}`))).path, '/a');
  });
});

describe('a rule', () => {
  const policy = new Policy();

  it('whose condition cannot be evaluated refuses what comes as far as it', async () => {
    const token = policy.token();
    for (const match of [{ unsupported: ['x'] }, { fraction: { numerator: 1, denominator: 100 } }] as const) {
      const check = policy.check({}, [{ match: { path: { kind: 'exact', value: '/before' } } }, { match }]);
      assert.equal(answerOf(await ask(check, requestWith({}, '/before'))), 'accepted');
      assert.equal(answerOf(await ask(check, bearer(token))), '401 Jwt verification fails');
    }
  });

  it('that names a provider which is not there refuses every token', async () => {
    const check = policy.check({}, [{ match: {}, requires: { kind: 'provider', provider: 'nobody' } }]);
    assert.equal(answerOf(await ask(check, bearer(policy.token()))), '401 Jwt issuer is not configured');
  });

  it('that asks for one of nothing refuses everything', async () => {
    const check = policy.check({}, [{ match: {}, requires: { kind: 'some', of: [] } }]);
    assert.equal(answerOf(await ask(check, bearer(policy.token()))), '401 Jwt is missing');
  });
});

it('a provider of the policy without a good key refuses every token', async () => {
  const clock = createVirtualClock();
  const keySources = new KeySources({ clock, random: () => 0, fetchKeys: () => Promise.reject(new Error('no')) });
  const provider: JwtProviderConfig = { name: 'p', audiences: [], jwks: { kind: 'inline', document: '{"keys":[{"kty":"XX"}]}' } };
  const check = createTokenCheck([provider], undefined, { clock, keySources });
  assert.equal(answerOf(await ask(check, bearer(new Policy().token()))), "401 Jwks doesn't have any valid public key");
});

/** Tokens that nobody signed cost little, however often they come. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { KeySet, parseKeySet } from '../../../../src/security/jwt/key-set.ts';
import { readToken, VerifiedTokens } from '../../../../src/security/jwt/verified-tokens.ts';
import { createVirtualClock } from '../../../../src/testing/virtual-clock.ts';
import { ecKey, signToken } from '../../../support/token-issuer.ts';

const claims = { iss: 'https://login.example', sub: 'alice', exp: 4_102_444_800 };
const keys = { keys: [ecKey().jwk()] };

describe('a token that no key has made', () => {
  it('costs no signature when it comes again, for as long as its keys and ten seconds last', async () => {
    let looked = 0;
    class CountedKeys extends KeySet {
      override candidates(...given: Parameters<KeySet['candidates']>): ReturnType<KeySet['candidates']> {
        looked++;
        return super.candidates(...given);
      }
    }
    const read = (): KeySet => {
      const set = parseKeySet(JSON.stringify(keys), 'inline');
      assert.ok(set instanceof KeySet);
      return Object.setPrototypeOf(set, CountedKeys.prototype) as KeySet;
    };
    let current = read();
    const clock = createVirtualClock();
    const provider = { name: 'p', audiences: [], jwks: { kind: 'inline', document: '' } } as const;
    const source = { current: () => current, newer: () => Promise.resolve(current) };
    const tokens = new VerifiedTokens(provider, source, clock);
    const token = readToken(signToken({ alg: 'ES256' }, claims, ecKey().sign));
    assert.ok(typeof token !== 'string');
    const verify = async (): Promise<number> => {
      assert.equal(await tokens.verify(token), 'verification-failed');
      return looked;
    };
    assert.deepEqual([await verify(), await verify()], [1, 1]);
    await clock.advance(10_000);
    assert.deepEqual([await verify(), await verify()], [2, 2]);
    current = read();
    assert.equal(await verify(), 3);
  });
});

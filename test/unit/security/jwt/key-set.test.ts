import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseKeySet, type KeySetOrigin } from '../../../../src/security/jwt/key-set.ts';
import type { TokenAlgorithm } from '../../../../src/security/jwt/token-algorithm.ts';
import { ecKey, rsaKey } from '../../../support/token-issuer.ts';

const members = {
  rsa: rsaKey().jwk({ kid: 'k' }),
  p256: ecKey('ES256').jwk({ kid: 'k' }),
  p384: ecKey('ES384').jwk({ kid: 'k' }),
  p521: ecKey('ES512').jwk({ kid: 'k' }),
  edwards: { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo', kid: 'k' },
  secret: { kty: 'oct', k: Buffer.alloc(64).toString('base64url'), kid: 'k' },
};

function candidates(alg: TokenAlgorithm, origin: KeySetOrigin = 'inline'): readonly string[] {
  const keys = parseKeySet(JSON.stringify({ keys: Object.values(members) }), origin);
  assert.ok(typeof keys !== 'string');
  return keys.candidates('k', alg).map(({ kty, crv }) => crv ?? kty);
}

describe('a signature is verified with a key of its own type alone', () => {
  const rows: readonly (readonly [TokenAlgorithm, readonly string[]])[] = [
    ['RS256', ['RSA']],
    ['RS384', ['RSA']],
    ['PS512', ['RSA']],
    ['ES256', ['P-256']],
    ['ES384', ['P-384']],
    ['ES512', ['P-521']],
    ['EdDSA', ['Ed25519']],
    ['HS256', ['oct']],
    ['HS512', ['oct']],
  ];
  for (const [alg, types] of rows) {
    it(alg, () => assert.deepEqual(candidates(alg), types));
  }

  it('and never with a secret that is published', () => {
    assert.deepEqual(candidates('HS256', 'remote'), []);
    assert.deepEqual(candidates('RS256', 'remote'), ['RSA']);
  });
});

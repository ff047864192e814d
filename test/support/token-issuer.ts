/** Issuers of tokens for tests: keys and signatures by Node's own crypto, so that what is tested is not what made it. */
import { createHmac, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';

/** Signs the first two sections of a token. */
export type TokenSigner = (input: string) => Buffer;

/** A key of an issuer. */
export interface IssuerKey {
  readonly alg: string;
  readonly publicKey: KeyObject;
  readonly sign: TokenSigner;
  /** For a key set. */
  jwk(members?: object): Readonly<Record<string, unknown>>;
}

const curves = { ES256: ['P-256', 'sha256'], ES384: ['P-384', 'sha384'], ES512: ['P-521', 'sha512'] } as const;

/** A new key of an elliptic curve. */
export function ecKey(alg: keyof typeof curves = 'ES256'): IssuerKey {
  const [namedCurve, digest] = curves[alg];
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve });
  return keyOf(alg, publicKey, (input) => sign(digest, Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' }));
}

/** A new RSA key. */
export function rsaKey(modulusLength = 2048): IssuerKey {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength });
  return keyOf('RS256', publicKey, (input) => sign('sha256', Buffer.from(input), privateKey));
}

/** A signature with a secret. */
export function hmacSigner(secret: Buffer | string, digest = 'sha256'): TokenSigner {
  return (input) => createHmac(digest, secret).update(input).digest();
}

function keyOf(alg: string, publicKey: KeyObject, signer: TokenSigner): IssuerKey {
  return { alg, publicKey, sign: signer, jwk: (members) => ({ ...publicKey.export({ format: 'jwk' }), ...members }) };
}

/** A section of a token: JSON, or the text itself. */
export function sectionOf(value: unknown): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
}

/** A token. */
export function signToken(header: unknown, payload: unknown, signer: TokenSigner): string {
  const input = `${sectionOf(header)}.${sectionOf(payload)}`;
  return `${input}.${signer(input).toString('base64url')}`;
}

/** Signatures that tokens may have, and the keys that go with them (RFC 7518, RFC 8037). There is no `none`. */

interface AlgorithmRow {
  readonly kty: 'RSA' | 'EC' | 'OKP' | 'oct';
  readonly crv?: string;
  /** Smallest key, where the type has several (RFC 7518, section 3.2). */
  readonly minKeyBytes?: number;
}

/** The algorithms that Envoy has. */
const algorithms = {
  RS256: { kty: 'RSA' },
  RS384: { kty: 'RSA' },
  RS512: { kty: 'RSA' },
  PS256: { kty: 'RSA' },
  PS384: { kty: 'RSA' },
  PS512: { kty: 'RSA' },
  ES256: { kty: 'EC', crv: 'P-256' },
  ES384: { kty: 'EC', crv: 'P-384' },
  ES512: { kty: 'EC', crv: 'P-521' },
  EdDSA: { kty: 'OKP', crv: 'Ed25519' },
  HS256: { kty: 'oct', minKeyBytes: 32 },
  HS384: { kty: 'oct', minKeyBytes: 48 },
  HS512: { kty: 'oct', minKeyBytes: 64 },
} as const satisfies Readonly<Record<string, AlgorithmRow>>;

/** A signature algorithm. */
export type TokenAlgorithm = keyof typeof algorithms;

/** Whether tokens may be signed that way. */
export function isTokenAlgorithm(name: string): name is TokenAlgorithm {
  return Object.hasOwn(algorithms, name);
}

/** The keys that an algorithm takes. */
export function keysFor(alg: TokenAlgorithm): AlgorithmRow {
  return algorithms[alg];
}

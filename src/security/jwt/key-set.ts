/**
 * The keys of one issuer (JWK Set, RFC 7517). A key is used only for signatures of its own type: what the header of a token says cannot
 * turn a public key into a secret ("key confusion"), nor an RSA key into one of an elliptic curve. Keys that cannot verify anything here
 * (another `use`, `key_ops` without `verify`, unknown type) are passed over, as RFC 7517, section 5, asks.
 */
import type { CryptoKey, JWK } from 'jose';
import { decodeSection, own } from './compact-token.ts';
import { loadJose } from './jose-library.ts';
import { parseStrictObject, type JsonObject } from './strict-json.ts';
import { keysFor, type TokenAlgorithm } from './token-algorithm.ts';
import type { TokenProblem } from './token-problem.ts';

/** Larger documents are refused. */
export const maxKeySetBytes = 65_536;

/** Keys that are tried for one token that does not name one: each try is a signature check that anybody can cause. */
const maxTries = 8;

/** A key that can verify signatures. */
export interface VerificationKey {
  readonly kid: string | undefined;
  /** The only algorithm that it may be used with, where it says so. */
  readonly alg: string | undefined;
  readonly kty: string;
  readonly crv: string | undefined;
  /** Of a secret. */
  readonly keyBytes: number | undefined;
  /** In the form of the library; made once for each algorithm. */
  imported(alg: TokenAlgorithm): Promise<CryptoKey | Uint8Array>;
}

/** The keys of an issuer; it never changes. */
export class KeySet {
  private readonly keys: readonly VerificationKey[];

  constructor(keys: readonly VerificationKey[]) {
    this.keys = keys;
  }

  /** Keys that may have made a signature: of this id, or without any, and of the type of the algorithm. */
  candidates(kid: string | undefined, alg: TokenAlgorithm): readonly VerificationKey[] {
    const wanted = keysFor(alg);
    const found = this.named(kid, alg).filter(
      (key) =>
        key.kty === wanted.kty &&
        (wanted.crv === undefined || key.crv === wanted.crv) &&
        (wanted.minKeyBytes === undefined || (key.keyBytes ?? 0) >= wanted.minKeyBytes),
    );
    return found.slice(0, maxTries);
  }

  /** Whether a key says that it could be the one, its type aside: what Envoy's two texts tell apart. */
  mayKnow(kid: string | undefined, alg: TokenAlgorithm): boolean {
    return this.named(kid, alg).length > 0;
  }

  private named(kid: string | undefined, alg: TokenAlgorithm): readonly VerificationKey[] {
    return this.keys.filter(
      (key) => (kid === undefined || key.kid === undefined || key.kid === kid) && (key.alg === undefined || key.alg === alg),
    );
  }
}

/** How a document came here: what is fetched is public, so that a secret in it is none. */
export type KeySetOrigin = 'inline' | 'remote';

/** Reads a document. */
export function parseKeySet(document: string, origin: KeySetOrigin): KeySet | TokenProblem {
  if (document.length > maxKeySetBytes) return 'keys-bad-json';
  const parsed = parseStrictObject(document);
  if (parsed === undefined) return 'keys-bad-json';
  const list = own(parsed, 'keys');
  if (list === undefined) return 'keys-missing';
  if (!Array.isArray(list)) return 'keys-not-list';
  const keys = list.flatMap((each) => keyFrom(each, origin) ?? []);
  return keys.length === 0 ? 'keys-none-valid' : new KeySet(keys);
}

function keyFrom(value: unknown, origin: KeySetOrigin): VerificationKey | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const jwk = value as JsonObject;
  const use = own(jwk, 'use');
  const operations = own(jwk, 'key_ops');
  if (use !== undefined && use !== 'sig') return undefined;
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify'))) return undefined;
  const publicJwk = publicPart(jwk, origin);
  if (publicJwk === undefined) return undefined;
  const alg = text(jwk, 'alg');
  const made = new Map<TokenAlgorithm, Promise<CryptoKey | Uint8Array>>();
  return {
    kid: text(jwk, 'kid'),
    alg,
    kty: publicJwk.kty!,
    crv: publicJwk.crv,
    keyBytes: publicJwk.k === undefined ? undefined : decodeSection(publicJwk.k)?.length,
    imported: (wanted) => {
      let key = made.get(wanted);
      if (key === undefined) made.set(wanted, (key = loadJose().then(({ importJWK }) => importJWK(publicJwk, wanted))));
      return key;
    },
  };
}

/** Nothing but what verifying needs: private parts and other members are left behind. */
function publicPart(jwk: JsonObject, origin: KeySetOrigin): JWK | undefined {
  const kty = text(jwk, 'kty');
  const members = kty === undefined ? undefined : membersOf[kty];
  if (kty === undefined || members === undefined || (kty === 'oct' && origin === 'remote')) return undefined;
  const part: JWK & Record<string, string> = { kty };
  for (const name of members) {
    const value = text(jwk, name);
    if (value === undefined) return undefined;
    part[name] = value;
  }
  return part;
}

const membersOf: Readonly<Record<string, readonly string[]>> = Object.assign(Object.create(null) as object, {
  RSA: ['n', 'e'],
  EC: ['crv', 'x', 'y'],
  OKP: ['crv', 'x'],
  oct: ['k'],
});

/** A text that is not empty. */
function text(jwk: JsonObject, name: string): string | undefined {
  const value = own(jwk, name);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

import { decodeSection, type CompactToken } from './compact-token.ts';
import { loadJose } from './jose-library.ts';
import type { KeySet } from './key-set.ts';
import type { TokenProblem } from './token-problem.ts';

/**
 * Whether one of the keys made the signature of the token; undefined = it did. The library checks the signature, with the algorithm that
 * the key and the header agree on (constant time for secrets); whatever it throws means that this key did not make it.
 */
export async function verifySignature(token: CompactToken, keys: KeySet): Promise<TokenProblem | undefined> {
  // The library takes padding and other letters.
  if (decodeSection(token.payload) === undefined) return 'payload-bad-base64';
  if (decodeSection(token.signature) === undefined) return 'signature-bad-base64';
  const candidates = keys.candidates(token.kid, token.alg);
  if (candidates.length === 0) return keys.mayKnow(token.kid, token.alg) ? 'verification-failed' : 'kid-or-alg-unknown';
  const { compactVerify } = await loadJose();
  for (const candidate of candidates) {
    try {
      await compactVerify(token.text, await candidate.imported(token.alg), { algorithms: [token.alg] });
      return undefined;
    } catch {
      // The next key may be the one.
    }
  }
  return 'verification-failed';
}

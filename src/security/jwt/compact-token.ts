/**
 * The compact form of a signed token (RFC 7515, section 7.1), read without looking at its signature. Nothing of it is believed yet; it
 * says which key is to be asked for. Stricter than Envoy, which takes padding, unused bits, empty sections in front and headers with
 * `crit`: what one reader takes and another does not is a way past the stricter one.
 */
import { isTokenAlgorithm, type TokenAlgorithm } from './token-algorithm.ts';
import { parseStrictObject, type JsonObject } from './strict-json.ts';
import type { TokenProblem } from './token-problem.ts';

/** Longer ones are refused unread: no header of a request is longer by default. */
const maxTokenBytes = 16_384;

/** A token in its three sections. */
export interface CompactToken {
  readonly text: string;
  readonly alg: TokenAlgorithm;
  /** Undefined where the header has none, or an empty one. */
  readonly kid: string | undefined;
  /** Base64url. */
  readonly payload: string;
  readonly signature: string;
}

/** Reads the form and the header. */
export function parseCompact(text: string): CompactToken | TokenProblem {
  if (text.length > maxTokenBytes) return 'bad-format';
  const headerEnd = text.indexOf('.');
  const payloadEnd = text.indexOf('.', headerEnd + 1);
  if (headerEnd <= 0 || payloadEnd === -1 || payloadEnd === text.length - 1) return 'bad-format';
  // A fifth section would be that of an encrypted token (JWE).
  if (text.includes('.', payloadEnd + 1)) return 'bad-format';
  const header = objectFrom(text.slice(0, headerEnd));
  if (typeof header === 'string') return header === 'base64' ? 'header-bad-base64' : 'header-bad-json';
  const { alg, kid } = { alg: own(header, 'alg'), kid: own(header, 'kid') };
  if (typeof alg !== 'string') return 'header-bad-alg';
  if (!isTokenAlgorithm(alg)) return 'alg-not-supported';
  if (kid !== undefined && typeof kid !== 'string') return 'header-bad-kid';
  // Nothing that may be critical is understood. `jku`, `jwk`, `x5u` and `x5c` would let a token bring its own key: they are not read.
  if (Object.hasOwn(header, 'crit') || Object.hasOwn(header, 'b64')) return 'header-not-understood';
  return {
    text,
    alg,
    kid: kid === '' ? undefined : kid,
    payload: text.slice(headerEnd + 1, payloadEnd),
    signature: text.slice(payloadEnd + 1),
  };
}

/** Decodes a section; undefined when it is not base64url in the one form that each value has (RFC 4648, section 3.5). */
export function decodeSection(section: string): Buffer | undefined {
  const bytes = Buffer.from(section, 'base64url');
  return bytes.toString('base64url') === section ? bytes : undefined;
}

/** The object in a section, or what is wrong with it. */
export function objectFrom(section: string): JsonObject | 'base64' | 'json' {
  const bytes = decodeSection(section);
  if (bytes === undefined) return 'base64';
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    return 'json';
  }
  return parseStrictObject(text) ?? 'json';
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A property of its own; what an object inherits is nobody's claim. */
export function own(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

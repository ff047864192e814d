/**
 * Why a token is not accepted. The texts are Envoy's (`JwtVerify::getStatusString`), so that callers and operators read what a sidecar
 * would have told them; none of them has anything of the token in it.
 */

interface ProblemRow {
  readonly text: string;
}

/** Every problem with the text that the caller gets. */
export const tokenProblems = {
  missing: { text: 'Jwt is missing' },
  'not-yet-valid': { text: 'Jwt not yet valid' },
  expired: { text: 'Jwt is expired' },
  'bad-format': { text: 'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections' },
  'header-bad-base64': { text: 'Jwt header is an invalid Base64url encoded' },
  'header-bad-json': { text: 'Jwt header is an invalid JSON' },
  'header-bad-alg': { text: 'Jwt header [alg] field is required and must be a string' },
  'alg-not-supported': { text: 'Jwt header [alg] is not supported' },
  'header-bad-kid': { text: 'Jwt header [kid] field is not a string' },
  /** No words of Envoy's, which reads neither `crit` nor `b64` (RFC 7515, section 4.1.11; RFC 7797). */
  'header-not-understood': { text: 'Jwt header has critical extensions that are not supported' },
  'payload-bad-base64': { text: 'Jwt payload is an invalid Base64url encoded' },
  'payload-bad-json': { text: 'Jwt payload is an invalid JSON' },
  'iss-not-string': { text: 'Jwt payload [iss] field is not a string' },
  'sub-not-string': { text: 'Jwt payload [sub] field is not a string' },
  'iat-not-integer': { text: 'Jwt payload [iat] field is not an integer' },
  'iat-out-of-range': { text: 'Jwt payload [iat] field is not a positive 64 bit integer' },
  'nbf-not-integer': { text: 'Jwt payload [nbf] field is not an integer' },
  'nbf-out-of-range': { text: 'Jwt payload [nbf] field is not a positive 64 bit integer' },
  'exp-not-integer': { text: 'Jwt payload [exp] field is not an integer' },
  'exp-out-of-range': { text: 'Jwt payload [exp] field is not a positive 64 bit integer' },
  'jti-not-string': { text: 'Jwt payload [jti] field is not a string' },
  'aud-not-string': { text: 'Jwt payload [aud] field is not a string or string list' },
  'signature-bad-base64': { text: 'Jwt signature is an invalid Base64url encoded' },
  'unknown-issuer': { text: 'Jwt issuer is not configured' },
  'audience-not-allowed': { text: 'Audiences in Jwt are not allowed' },
  'verification-failed': { text: 'Jwt verification fails' },
  'keys-bad-json': { text: 'Jwks is an invalid JSON' },
  'keys-missing': { text: 'Jwks does not have [keys] field' },
  'keys-not-list': { text: '[keys] in Jwks is not an array' },
  'keys-none-valid': { text: "Jwks doesn't have any valid public key" },
  'kid-or-alg-unknown': { text: "Jwks doesn't have key to match kid or alg from Jwt" },
  'keys-not-fetched': { text: 'Jwks remote fetch is failed' },
} as const satisfies Readonly<Record<string, ProblemRow>>;

/** Why a token is not accepted. */
export type TokenProblem = keyof typeof tokenProblems;

/** Status of the response: who shows a token for somebody else is known and not allowed, everybody else has to show one. Source: Envoy. */
export function statusOf(problem: TokenProblem): 401 | 403 {
  return problem === 'audience-not-allowed' ? 403 : 401;
}

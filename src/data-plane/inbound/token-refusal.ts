import type { InboundRefusal } from '../../model/inbound.ts';
import { statusOf, tokenProblems, type TokenProblem } from '../../security/jwt/token-problem.ts';
import type { AccessRequest } from './access-request.ts';
import { refusal } from './refusal.ts';
import { withoutQueryValues } from './token-locations.ts';

const maxRealmLength = 256; // Envoy's, of the path

/**
 * The answer to a request whose tokens are not good, in Envoy's words. The realm is the request's own URL (RFC 6750, section 3) without
 * these parameters, which tokens are in.
 */
export function tokenRefusal(problem: TokenProblem, request: AccessRequest, parameters: ReadonlySet<string>): InboundRefusal {
  const { text } = tokenProblems[problem];
  const path = parameters.size === 0 ? request.path : withoutQueryValues(request.path, parameters);
  const url = `${request.scheme}://${request.authority}${path.slice(0, maxRealmLength)}`;
  const realm = `Bearer realm="${url.replaceAll(outsideRealm, encoded)}"`;
  return refusal(statusOf(problem), text, {
    details: detailsOf(problem),
    headers: { 'www-authenticate': problem === 'missing' ? realm : `${realm}, error="invalid_token"` },
  });
}

/** The same to a caller who is not told why. */
export function silentTokenRefusal(problem: TokenProblem): InboundRefusal {
  return refusal(statusOf(problem), '', { details: detailsOf(problem) });
}

function detailsOf(problem: TokenProblem): string {
  return `jwt_authn_access_denied{${tokenProblems[problem].text.replaceAll(' ', '_')}}`;
}

/** What would end the quoted text or is not allowed in a header. */
const outsideRealm = /[^\x21\x23-\x5b\x5d-\x7e]/g;

function encoded(character: string): string {
  return encodeURIComponent(character.toWellFormed());
}

/** Whether the request asks for another on behalf of a page (Fetch standard, "CORS-preflight request"); browsers send no token with it. */
export function isPreflight(request: AccessRequest): boolean {
  return request.method === 'OPTIONS' && has(request, 'origin') && has(request, 'access-control-request-method');
}

function has(request: AccessRequest, name: string): boolean {
  const value = request.header(name);
  return value !== undefined && value.length > 0 && value !== '' && value[0] !== '';
}

/** Whether a request may come in, decided by the code that requests themselves meet. */
import { suggestion } from '../base/nearest-name.ts';
import { usePatternEngine } from '../base/pattern-engine.ts';
import { compileAuthorizer, type AccessReport } from '../data-plane/inbound/authorizer.ts';
import { compilePathNormalizer } from '../data-plane/inbound/normalize-path.ts';
import { pathSpellings } from '../data-plane/inbound/path-spelling.ts';
import { authorityOf } from '../data-plane/inbound/request-authority.ts';
import { hasHeader } from '../data-plane/inbound/request-headers.ts';
import type { AuthorizationPolicyConfig } from '../model/authorization.ts';
import type { InboundRefusal } from '../model/inbound.ts';
import type { FilterChainConfig } from '../model/listener.ts';
import { accessRequestOf, connectionOf, inboundRequestOf, type AuthorizedPeer, type AuthorizedRequest } from './access-input.ts';

/** What is evaluated: policies, or what a filter chain says of paths and access. */
export type AuthorizedPolicy =
  | AuthorizationPolicyConfig
  | readonly AuthorizationPolicyConfig[]
  | Pick<FilterChainConfig, 'authorization' | 'pathNormalization'>;

/** What becomes of the request. */
export interface AuthorizeResult {
  /** `ask` = a service outside has to be asked (CUSTOM). */
  readonly verdict: 'allowed' | 'denied' | 'ask';
  /** 200 = the program gets it; 403 = it is denied; 400 or a redirect = its path or host is refused before any rule sees it. */
  readonly status: number;
  /** Name of the rule that decided. */
  readonly rule?: string;
  /** Envoy response code details of a refusal. */
  readonly details?: string;
  /** Who is asked, and by which rule. */
  readonly asked?: readonly { readonly provider: string; readonly rule: string }[];
  /** In the form that rules see, with its query; the refusal has none. */
  readonly path?: string;
  /** What dry runs and audits came to. */
  readonly reports: readonly AccessReport[];
}

/**
 * The verdict of the rules on one request: pure, the same input gives the same result. Without a `peer` it comes in plaintext. What else
 * keeps requests out (the mode of the port, its `peers`, tokens that are required) is not asked. Throws a TypeError for what is no policy,
 * request or peer: a test must not pass by a slip of the pen.
 *
 * ```js
 * authorize(chain, { method: 'DELETE', path: '/orders//42', host: 'orders' }, { spiffeId: 'spiffe://example.org/ns/shop/sa/web' });
 * // { verdict: 'denied', status: 403, rule: 'no-deletes', details: 'rbac_access_denied_matched_policy[no-deletes]', … }
 * ```
 */
export function authorize(policy: AuthorizedPolicy, request: AuthorizedRequest, peer: AuthorizedPeer = {}): AuthorizeResult {
  checkInput(policy, request, peer);
  usePatternEngine();
  const { authorization, pathNormalization } = chainOf(policy);
  const inbound = inboundRequestOf(request);
  const connection = connectionOf(peer, request.port ?? 80);
  // A test of rules about paths need not name a host; where there is one it has to be one.
  const authority = hasHeader(inbound, 'host') ? authorityOf(inbound, connection.isTls ? 'https' : 'http') : '';
  if (typeof authority !== 'string') return refusedBefore(authority);
  const path = compilePathNormalizer(pathNormalization)(inbound.url ?? '/');
  if (typeof path !== 'string') return refusedBefore(path);
  const reports: AccessReport[] = [];
  const authorizer = compileAuthorizer(authorization, (report) => reports.push(report));
  const verdict = authorizer.check(
    accessRequestOf(inbound, connection, {
      path,
      ...pathSpellings(pathNormalization),
      authority,
      remoteAddress: peer.remoteAddress ?? connection.peerAddress,
      tokens: (request.tokens ?? []).map((token) => ({ provider: '', audiences: [], ...token })),
    }),
  );
  const { kind, ...more } = verdict;
  const asked = verdict.kind === 'ask' ? { asked: verdict.policies } : more;
  return { verdict: kind, status: kind === 'denied' ? 403 : 200, ...asked, path, reports };
}

const requestKeys: readonly string[] = [
  'method',
  'path',
  'host',
  'headers',
  'port',
  'tokens',
] satisfies (keyof AuthorizedRequest)[];
const peerKeys: readonly string[] = [
  'spiffeId',
  'uris',
  'dnsNames',
  'address',
  'remoteAddress',
  'localAddress',
  'serverName',
  'isTls',
] satisfies (keyof AuthorizedPeer)[];

function checkInput(policy: unknown, request: unknown, peer: unknown): void {
  const policies: readonly unknown[] = Array.isArray(policy) ? policy : [policy];
  for (const each of policies)
    if (!isRecord(each) || (!Array.isArray(each['authorization']) && !Array.isArray(each['rules'])))
      throw new TypeError(
        'authorize: the policy must be a filter chain, an authorization policy or a list of these; of a listener take `listener.filterChains[0]`, of a mesh.yaml `compileMeshFile(text).listeners[0].filterChains[0]`',
      );
  if (!isRecord(request)) throw new TypeError('authorize: the request must be { method, path, host, headers … }');
  const unknown = Object.keys(request).find((key) => !requestKeys.includes(key));
  if (unknown !== undefined) throw new TypeError(`authorize: a request has no "${unknown}"; ${suggestion(unknown, requestKeys)}`);
  if (!isRecord(peer)) throw new TypeError('authorize: the peer must be { spiffeId } or { dnsNames }, or left out');
  const unknownPeer = Object.keys(peer).find((key) => !peerKeys.includes(key));
  if (unknownPeer !== undefined)
    throw new TypeError(`authorize: a peer has no "${unknownPeer}"; ${suggestion(unknownPeer, peerKeys)}`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refusedBefore({ status, details }: InboundRefusal): AuthorizeResult {
  return { verdict: 'denied', status, details, reports: [] };
}

function chainOf(policy: AuthorizedPolicy): Pick<FilterChainConfig, 'authorization' | 'pathNormalization'> {
  if (Array.isArray(policy)) return { authorization: policy as readonly AuthorizationPolicyConfig[] };
  return 'authorization' in policy ? policy : { authorization: [policy as AuthorizationPolicyConfig] };
}

/** Header mutations of all places around a route, and the rewrites of a route, as one edit. */
import type { HeaderMutation } from '../../model/policy.ts';
import type { HostRewrite, PathRewrite, RequestPolicy } from '../../model/route.ts';
import type { PathMatcher } from '../../model/match.ts';
import { compileHostEdit, type RequestEdit, type ResponseEdit } from './edit-request.ts';
import { compileMutation, type CompiledMutation } from './header-mutation.ts';
import { compilePathEdit } from './rewrite-path.ts';

/** The policies around a route, nearest first: its own, its virtual host's, its table's, its listener's. */
export interface PolicyPlaces {
  readonly policies: readonly (RequestPolicy | undefined)[];
  /** See `RouteTableConfig.mostSpecificHeadersWin`. */
  readonly mostSpecificHeadersWin: boolean;
}

/** What a destination or a route says of one request. */
interface Rewrites {
  readonly pathRewrite?: PathRewrite | undefined;
  readonly hostRewrite?: HostRewrite | undefined;
  readonly isHostOfDestination?: boolean;
  readonly appendForwardedHost?: boolean | undefined;
}

/**
 * The mutations in the order in which they are carried out: those of a destination first, then the nearest place first, so that the
 * outermost has the last word; `mostSpecificHeadersWin` turns the places around. Source: Envoy's `getHeaderParsers`.
 */
function mutationsOf(
  places: PolicyPlaces,
  own: HeaderMutation | undefined,
  of: (policy: RequestPolicy) => HeaderMutation | undefined,
): readonly CompiledMutation[] {
  const around = places.policies.map((policy) => policy && of(policy));
  const ordered = [own, ...(places.mostSpecificHeadersWin ? around.toReversed() : around)];
  return ordered.map(compileMutation).filter((mutation) => mutation !== undefined);
}

/** What is changed of a request; undefined = nothing. */
export function compileRequestEdit(
  places: PolicyPlaces,
  match: PathMatcher | undefined,
  rewrites: Rewrites,
  own?: HeaderMutation,
): RequestEdit | undefined {
  const headers = mutationsOf(places, own, ({ requestHeaders }) => requestHeaders);
  const path = compilePathEdit(rewrites.pathRewrite, match);
  const host = compileHostEdit(rewrites.hostRewrite);
  const isHostFromEndpoint = rewrites.hostRewrite?.kind === 'endpoint';
  if (headers.length === 0 && path === undefined && host === undefined && !isHostFromEndpoint) return undefined;
  const isHostOfDestination = rewrites.isHostOfDestination === true;
  const appendsForwardedHost = rewrites.appendForwardedHost === true && !isHostOfDestination;
  return { path, host, isHostFromEndpoint, isHostOfDestination, appendsForwardedHost, headers };
}

/** What is changed of a response; undefined = nothing. */
export function compileResponseEdit(places: PolicyPlaces, own?: HeaderMutation): ResponseEdit | undefined {
  const headers = mutationsOf(places, own, ({ responseHeaders }) => responseHeaders);
  return headers.length === 0 ? undefined : { headers };
}

import type { InboundRefusal } from '../../model/inbound.ts';
import type { InboundRefusalReason } from '../../telemetry/inbound-events.ts';
import type { Cors } from './cors.ts';
import type { Exchange } from './exchange.ts';
import { isRoute } from './inbound-routes.ts';
import { refusal } from './refusal.ts';
import { upgradeRefused } from './refusals.ts';

/** What is answered in the place of the program, and the step of the way in that does so. */
export interface RouteAnswer {
  readonly reason: InboundRefusalReason;
  readonly refusal: InboundRefusal;
}

/** What the route of a request says itself; undefined = the program is asked. */
export function routeAnswer(exchange: Exchange): RouteAnswer | undefined {
  const { found, request, chain } = exchange;
  if (found !== undefined && !isRoute(found))
    return { reason: found.status === 404 ? 'no_route' : 'direct_response', refusal: found };
  if (isUpgradeRefused(exchange, found === undefined ? chain.upgrades : found.upgrades))
    return { reason: 'no_route', refusal: upgradeRefused };
  const answer = found?.answer(exchange, request);
  return answer && { reason: 'direct_response', refusal: answer };
}

/**
 * The answer to a preflight that the policy allows; undefined = the request goes on, and its response says what a page may read, a
 * refusal too: else the page could not tell 401 from a network that failed.
 */
export function crossOriginAnswer(cors: Cors, exchange: Exchange): InboundRefusal | undefined {
  const allowed = cors.preflight(exchange);
  if (allowed === undefined) {
    const headers = cors.responseHeaders(exchange);
    if (headers.length > 0) exchange.addToResponse(headers);
    return undefined;
  }
  return refusal(200, '', { details: 'cors_preflight', headers: Object.fromEntries(allowed), grpcStatus: 0 });
}

/** Whether a request asks for a protocol that is not among these; undefined = any may be asked for. */
function isUpgradeRefused(exchange: Exchange, allowed: readonly string[] | undefined): boolean {
  if (allowed === undefined || exchange.request.httpVersionMajor > 1) return false;
  const asked = exchange.header('upgrade');
  if (asked === undefined) return false;
  // Node hands an upgrade to a listener of its own only where there is one; a request that is served as any other asks for nothing.
  const connection = exchange.header('connection');
  const options = [connection ?? []].flat().join(',').toLowerCase().split(',');
  if (!options.some((option) => option.trim() === 'upgrade')) return false;
  return ![asked].flat().every((protocol) => allowed.some((each) => each.toLowerCase() === protocol.trim().toLowerCase()));
}

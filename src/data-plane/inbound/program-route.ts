import type { InboundRequest } from '../../model/inbound.ts';

/**
 * The pattern by which the program's framework found its handler, where it leaves it on the request, as Express does. Of a router that is
 * mounted it tells the path (`baseUrl`) and not the pattern, and each user's path would be a route of its own: `*` stands for it.
 */
export function programRoute(request: InboundRequest): string | undefined {
  const { route, baseUrl } = request as { readonly route?: { readonly path?: unknown }; readonly baseUrl?: unknown };
  if (typeof route?.path !== 'string') return undefined;
  return typeof baseUrl === 'string' && baseUrl !== '' ? `*${route.path}` : route.path;
}

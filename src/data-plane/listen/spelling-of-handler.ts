import type { InboundDoorOptions } from '../../model/inbound.ts';
import type { RequestListener } from './listen-options.ts';

/**
 * How the router behind a handler compares paths, where that can be seen: an Express app (that of Nest's adapter is one) takes them in any
 * case, with or without a final slash. Its settings do not say otherwise for all of it: a `Router()` is made without them, and what is
 * mounted takes a final slash whatever they say. Of other handlers nothing can be seen.
 */
export function spellingOfHandler(handler: RequestListener): Pick<InboundDoorOptions, 'ignorePathCase' | 'ignoreTrailingSlash'> {
  return isExpressApp(handler) ? { ignorePathCase: true, ignoreTrailingSlash: true } : {};
}

function isExpressApp(handler: RequestListener): boolean {
  const { settings, enabled } = handler as { readonly settings?: unknown; readonly enabled?: unknown };
  return typeof settings === 'object' && settings !== null && typeof enabled === 'function';
}

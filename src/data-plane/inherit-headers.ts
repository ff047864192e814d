/**
 * Headers that a request inherits from the inbound one on whose behalf it is made: marks that routes go by (canary, tenant), the
 * identifier of the request, and a trace that no tracer reads. They are there before a route is chosen, so that every service on the
 * way is routed alike, with no code in between. What the caller wrote itself stays; a host that only DNS knows may be anybody, and
 * gets none of them.
 */
import type { RequestContext } from '../base/request-context.ts';
import type { OriginEntry } from './origin.ts';
import { flatHeaders, headerList, lowerCaseName } from './routing/header-list.ts';
import type { DispatchOptions } from './send-options.ts';

/** A request that may inherit headers. */
export interface Heir {
  options: DispatchOptions;
  /** Set = `options` have headers that were inherited; and what they were before. */
  asked: DispatchOptions | undefined;
  entry: OriginEntry | undefined;
}

/** What no request can carry; undici would refuse the whole of it. */
const unsendable = /[^\t\u0020-\u007E\u0080-\u00FF]/;

/** Gives the request the headers that it lacks. To be called when it is known where it goes; again when that has changed. */
export function inheritHeaders(heir: Heir, inherited: NonNullable<RequestContext['headers']>): void {
  const asked = heir.asked ?? heir.options;
  heir.options = asked;
  if (heir.entry?.isLastResort !== false) return;
  const written = headerList(asked.headers);
  const names = new Set(written.map(([name]) => lowerCaseName(name)));
  // Two halves of different traces name none.
  if (names.has('traceparent')) names.add('tracestate');
  const missing = inherited.filter(([name, value]) => !names.has(name) && !unsendable.test(value));
  if (missing.length === 0) return;
  heir.asked = asked;
  heir.options = { ...asked, headers: flatHeaders([...written, ...missing]) };
}

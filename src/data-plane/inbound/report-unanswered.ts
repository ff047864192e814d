import type { AccessRequest } from './access-request.ts';
import { Exchange } from './exchange.ts';

/** Tells that an authorizer has said nothing about a request: why, and whether the request went on all the same. */
export function reportUnanswered(authorizer: string, reason: string, wentOn: boolean, request: AccessRequest): void {
  if (request instanceof Exchange) request.span?.unanswered({ authorizer, reason, wentOn });
}

import type { AccessReport } from './authorizer.ts';
import type { AccessRequest } from './access-request.ts';
import { Exchange } from './exchange.ts';

/** Tells what a policy without effect came to. A connection has no span, and nobody is told of it. */
export function reportShadow(report: AccessReport, request: AccessRequest): void {
  if (request instanceof Exchange) request.span?.shadowed(report);
}

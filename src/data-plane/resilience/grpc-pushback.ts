import { responseHeader, type Outcome } from './outcome.ts';

/**
 * What a gRPC server says about the next attempt, in `grpc-retry-pushback-ms`: wait exactly so many milliseconds, or never (a
 * negative number, or what is none). Undefined when it says nothing, or the response is not gRPC. Source: gRFC A6, "pushback".
 */
export function pushbackMs(outcome: Outcome): number | 'never' | undefined {
  if (outcome.kind !== 'response' || outcome.grpcStatus === undefined) return undefined;
  const value = responseHeader(outcome, 'grpc-retry-pushback-ms');
  if (value === undefined) return undefined;
  const text = value.trim();
  return /^\d{1,10}$/.test(text) ? Number(text) : 'never';
}

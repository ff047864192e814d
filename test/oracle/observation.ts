import type { Arrival } from './upstreams.ts';

/** What one side did with one request. */
export interface Observation {
  /** As a caller of Envoy sees it: of the response, or that of the MeshError. 0 = the caller gave up. */
  readonly status: number;
  /** Envoy's short response flags, sorted, comma separated; `-` without any. */
  readonly flags: string;
  /** Attempts by the proxy's own count, those that never reached an endpoint included. */
  readonly tries: number;
  /** Attempts by the endpoints' count. */
  readonly arrivals: readonly Arrival[];
  /** The response came whole. */
  readonly isComplete: boolean;
  /** Undefined where there is no response but an error. */
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly body: string;
  readonly elapsedMs: number;
  /** Number of the status in the head of a gRPC response, or of the MeshError. */
  readonly grpcStatus: string | undefined;
  /** In words of its own, for the reader of a difference. */
  readonly details: string;
}

/** Flags in an order that does not depend on who wrote them. */
export function sortedFlags(flags: string): string {
  return flags === '' ? '-' : flags.split(',').sort().join(',');
}

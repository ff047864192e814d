import type { ServerFacts } from './server-facts.ts';

/** A request that is over, as a line of an access log tells it. */
export interface AccessLogEntry {
  readonly mesh: string;
  readonly facts: ServerFacts;
  /** Milliseconds since 1970. */
  readonly startWallMs: number;
  readonly durationMs: number;
  readonly status: number | undefined;
  readonly flags: string;
  readonly details: string;
  /** The mesh answered it. */
  readonly isRefused: boolean;
  readonly isCancelled: boolean;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly grpcStatus: string | undefined;
  readonly listener: string | undefined;
  readonly chain: string | undefined;
  readonly route: string | undefined;
  readonly traceId: string | undefined;
}

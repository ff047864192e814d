import type { InboundLimitsConfig } from '../../model/listener.ts';

/** The limits of a port with their defaults, as the servers take them. */
export interface ServerLimits {
  readonly maxHeaderBytes: number;
  readonly maxHeaders: number | undefined;
  readonly headersTimeoutMs: number;
  /** 0 = none. */
  readonly requestTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly responseIdleTimeoutMs: number;
  readonly maxConcurrentStreams: number;
  readonly maxConnectionAgeMs: number | undefined;
}

/** Fills in the defaults. */
export function serverLimits(config: InboundLimitsConfig = {}): ServerLimits {
  const requestTimeoutMs = config.requestTimeoutMs ?? 300_000; // Node's
  const headersTimeoutMs = config.headersTimeoutMs ?? 10_000; // a request line takes one round trip; Node's 60 s is for browsers
  return {
    maxHeaderBytes: config.maxHeaderBytes ?? 16_384, // Node's
    maxHeaders: config.maxHeaders,
    // Node refuses a server whose headers may take longer than the whole request.
    headersTimeoutMs: requestTimeoutMs === 0 ? headersTimeoutMs : Math.min(headersTimeoutMs, requestTimeoutMs),
    requestTimeoutMs,
    keepAliveTimeoutMs: config.keepAliveTimeoutMs ?? 65_000, // longer than common load balancers keep one
    responseIdleTimeoutMs: config.responseIdleTimeoutMs ?? 300_000, // Envoy's `stream_idle_timeout`
    maxConcurrentStreams: config.maxConcurrentStreams ?? 100, // Envoy's advice for edges
    maxConnectionAgeMs: config.maxConnectionAgeMs,
  };
}

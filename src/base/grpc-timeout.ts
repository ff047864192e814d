const unitsMs: Readonly<Record<string, number>> = {
  __proto__: null as never,
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 0.001,
  n: 0.000_001,
};

/**
 * Milliseconds of a `grpc-timeout` header, or undefined when it is none: at most eight digits and a unit. Parts of a millisecond
 * are kept. Source: "gRPC over HTTP2", Timeout.
 */
export function parseGrpcTimeout(value: string | undefined): number | undefined {
  const parts = value === undefined ? undefined : /^(?<amount>\d{1,8})(?<unit>[HMSmun])$/.exec(value)?.groups;
  return parts === undefined ? undefined : Number(parts['amount']) * unitsMs[parts['unit']!]!;
}

/**
 * The shortest form of a timeout that keeps its milliseconds, as far as eight digits go. A timeout of less than 1 ms is sent as 1 ms: zero would
 * mean that the call is over. Source: "gRPC over HTTP2", Timeout.
 */
export function formatGrpcTimeout(timeoutMs: number): string {
  const wholeMs = Math.max(1, Math.floor(timeoutMs));
  if (wholeMs < 100_000_000) return `${wholeMs}m`;
  if (wholeMs < 100_000_000_000) return `${Math.floor(wholeMs / 1000)}S`;
  if (wholeMs < 6_000_000_000_000) return `${Math.floor(wholeMs / 60_000)}M`;
  return `${Math.min(99_999_999, Math.floor(wholeMs / 3_600_000))}H`;
}

/**
 * Timeout of a gRPC request on a route that has `grpcTimeoutCapMs`, instead of the route's own: what the caller's `grpc-timeout`
 * says, capped; 0 = none. A cap of 0 caps nothing. Source: Envoy `max_grpc_timeout`.
 */
export function cappedGrpcTimeoutMs(header: string | undefined, capMs: number): number {
  const askedMs = parseGrpcTimeout(header) ?? 0;
  if (capMs === 0) return askedMs;
  return askedMs === 0 ? capMs : Math.min(askedMs, capMs);
}

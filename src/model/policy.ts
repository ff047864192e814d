import type { Fraction, StringMatcher, ValueMatcher } from './match.ts';
import type { RetryCondition } from './retry-conditions.ts';
import type { Metadata } from './tls.ts';

/** Back-off between attempts: full jitter in [0, min(max, base·(2ⁿ−1))). Source: Envoy retry semantics. */
export interface BackoffConfig {
  /** Default 25 (Envoy). */
  readonly baseMs: number;
  /** Default 10 × base (Envoy). */
  readonly maxMs: number;
  /** Set = the wait is min(max, base·2ⁿ) plus up to this ratio of it (Linkerd `jitter_ratio`); absent = full jitter. */
  readonly jitterRatio?: number;
}

/** How many retries are allowed beside the first attempts. */
export type RetryBudgetConfig =
  /**
   * `ratio` tokens per first attempt, at most max(minTokens, ratio × last second's requests); a second without a retry grants one. While
   * nine of ten attempts fail, requests earn half, a quarter, at last an eighth.
   */
  | { readonly kind: 'token-bucket'; readonly ratio: number; readonly minTokens: number }
  /** Concurrent retries ≤ max(minConcurrent, ratio × active and pending requests). */
  | { readonly kind: 'concurrent'; readonly ratio: number; readonly minConcurrent: number }
  /** Finagle and Linkerd: deposits live `ttlMs`, plus `minPerSecond`. */
  | { readonly kind: 'deposit'; readonly ratio: number; readonly minPerSecond: number; readonly ttlMs: number }
  /** gRPC A6 `retryThrottling`. */
  | { readonly kind: 'grpc-throttle'; readonly maxTokens: number; readonly tokenRatio: number };

/** When and how often a request is tried again. */
export interface RetryConfig {
  /** Attempts in all, the first included. 1 = never retry. */
  readonly maxAttempts: number;
  readonly on: readonly RetryCondition[];
  readonly statusCodes?: readonly number[];
  readonly retriableHeaders?: readonly ValueMatcher[];
  /** Only requests that match are retried. */
  readonly requestHeaders?: readonly ValueMatcher[];
  readonly perTryTimeoutMs?: number;
  readonly perTryIdleTimeoutMs?: number;
  /** The last allowed attempt has no `perTryTimeoutMs` (Linkerd). */
  readonly lastTryUntimed?: boolean;
  readonly backoff?: BackoffConfig;
  /** Response headers that name the wait before the next attempt, in order. Default `Retry-After`; an empty list = none (Envoy's default). */
  readonly resetHeaders?: readonly { readonly name: string; readonly format: 'seconds' | 'unix-timestamp' }[];
  /**
   * Longest wait that a response may ask for. A header of `resetHeaders` with a longer one is passed over (Envoy); after a
   * `Retry-After` with a longer one nothing follows. Default 30 000.
   */
  readonly maxResetMs?: number;
  readonly budget?: RetryBudgetConfig;
  /** Draw another host than those already tried (Envoy `previous_hosts`). Default true. */
  readonly avoidTriedHosts?: boolean;
  readonly hostSelectionAttempts?: number;
  /** Never draw a host with this metadata for a retry (Envoy `omit_host_metadata`). */
  readonly avoidHostMetadata?: Metadata;
  /** Move to the next priority after this many attempts (Envoy `previous_priorities`). */
  readonly priorityUpdateFrequency?: number;
  /** Largest body kept for another attempt. Default 65 536 bytes. */
  readonly maxBodyBytes?: number;
  /** Default `'never'`. `'as-configured'` obeys a control plane's explicit policy for POST as Envoy does. */
  readonly nonIdempotent?: 'never' | 'as-configured';
}

/**
 * More than one attempt at a time; the first response that is not to be retried wins and the others are cancelled. Never for a
 * request that may not be executed twice. Hedges count in the retry budget.
 */
export interface HedgeConfig {
  /** A per-try timeout starts the next attempt and leaves the timed out one running (Envoy `hedge_on_per_try_timeout`). */
  readonly onPerTryTimeout?: boolean;
  /** A further attempt starts each time so long passed without a response; 0 = all at once. Source: gRFC A6 `hedgingDelay`. */
  readonly delayMs?: number;
  /** Attempts in all, the first included. Default 2. */
  readonly maxAttempts?: number;
  /** gRPC status names on which the other attempts go on, and the next is sent at once. Source: gRFC A6 `nonFatalStatusCodes`. */
  readonly nonFatalStatuses?: readonly string[];
  /** A second attempt once the first takes longer than most do. Source: Finagle `BackupRequestFilter`. */
  readonly backup?: {
    /** Greatest share of additional requests, 0…100: the backup goes out at the (100 − this)th percentile of latency. */
    readonly maxExtraLoadPercent: number;
    /** Never sooner than this. Default 1. */
    readonly minDelayMs?: number;
  };
}

/**
 * Finds out how many requests a cluster can have in flight, by their latency. `gradient2` and `vegas`: Netflix concurrency-limits;
 * `aimd`: additive increase, multiplicative decrease on failures and timeouts; `gradient`: Envoy `adaptive_concurrency`.
 */
export interface AdaptiveConcurrencyConfig {
  readonly algorithm: 'gradient' | 'gradient2' | 'vegas' | 'aimd';
  /** Default 20 (3 for `gradient`). */
  readonly minLimit?: number;
  /** Default 200 (1000 for `gradient`). */
  readonly maxLimit?: number;
  /** Default 20 (`minLimit` for `gradient`). */
  readonly initialLimit?: number;
  /** `aimd`: a response that took longer counts as a drop. Default 5000. */
  readonly timeoutMs?: number;
}

/**
 * Refuses a share of requests in this process while a cluster refuses most: max(0, (requests − accepts × `multiplier`) / (requests +
 * 1)). Source: Site Reliability Engineering, chapter 21, "client-side throttling".
 */
export interface ClientThrottleConfig {
  /** Default 2. */
  readonly multiplier?: number;
  /** Default 120 000. */
  readonly windowMs?: number;
  /** Largest share that is refused, 0…100. Default 80 (Envoy admission control). */
  readonly maxRefusalPercent?: number;
  /** Below so many requests a second nothing is refused. Default 5. */
  readonly minRequestsPerSecond?: number;
}

/** Caps of one cluster, counted per process. Absent = the default of `limits.ts`. */
export interface LimitsConfig {
  readonly maxConnections?: number;
  readonly maxPendingRequests?: number;
  /** How long a request may be pending before it fails (Linkerd `failfast_timeout`); absent = its own timeout decides. */
  readonly pendingTimeoutMs?: number;
  /** Requests in flight, until the end of their response bodies. */
  readonly maxRequests?: number;
  readonly maxRetries?: number;
  /** Connections of one host. */
  readonly maxConnectionsPerHost?: number;
  /** Beside `maxRequests`. Default none. */
  readonly adaptive?: AdaptiveConcurrencyConfig;
  /** Default none. */
  readonly throttle?: ClientThrottleConfig;
  /** The same limits for requests of high priority (Envoy `RoutingPriority.HIGH`), counted apart. */
  readonly highPriority?: Omit<LimitsConfig, 'highPriority' | 'adaptive' | 'throttle'>;
}

/**
 * What a server lets in. What is refused gets `retry-after` and a status that tells the caller's mesh to go elsewhere; the least critical
 * goes first. Source: Site Reliability Engineering, chapter 21; Netflix concurrency-limits.
 */
export interface AdmissionConfig {
  /** Requests under way, until the end of their responses. Absent = no cap. */
  readonly maxRequests?: number;
  /** Found out by latency, beside the cap. */
  readonly adaptive?: AdaptiveConcurrencyConfig;
  /** Delay of the event loop above which sheddable requests are refused, and at twice it all but the most critical. Absent = not looked at. */
  readonly maxLoopDelayMs?: number;
  /** Of the refusal. Default 503. */
  readonly status?: number;
  /** `retry-after` of the refusal, in seconds. Default 1. */
  readonly retryAfterSeconds?: number;
}

/** Delays or answers a share of requests on purpose (Envoy fault filter). */
export interface FaultConfig {
  readonly delay?: { readonly fraction: Fraction; readonly fixedMs?: number; readonly byHeader?: boolean };
  readonly abort?: {
    readonly fraction: Fraction;
    readonly httpStatus?: number;
    readonly grpcStatus?: number;
    readonly byHeader?: boolean;
    /** Text of the answer (Linkerd `message`). */
    readonly message?: string;
  };
  readonly maxActive?: number;
  /** Slows the response body down (Envoy `response_rate_limit`). */
  readonly responseBytesPerSecond?: number;
  /** Share of the responses that are slowed down. Default all. */
  readonly responseRateFraction?: Fraction;
  /** The rate stands in `x-envoy-fault-throughput-response`, in KiB a second. */
  readonly responseRateByHeader?: boolean;
  readonly headers?: readonly ValueMatcher[];
}

/** A bucket that starts full; each request takes a token. */
export interface TokenBucketConfig {
  readonly maxTokens: number;
  readonly tokensPerFill: number;
  readonly fillIntervalMs: number;
}

/** Token bucket of this process. */
export interface LocalRateLimitConfig extends TokenBucketConfig {
  /** Default 429. */
  readonly status?: number;
  /** Of the refusal. */
  readonly responseHeaders?: HeaderMutation;
  /** A further bucket for each identity of a peer; those without one share a bucket (Linkerd). */
  readonly perIdentity?: TokenBucketConfig;
  /** A bucket that these identities share, instead of `perIdentity`. */
  readonly overrides?: readonly { readonly identities: readonly StringMatcher[]; readonly bucket: TokenBucketConfig }[];
}

/** Cross-origin requests that an inbound route answers (Envoy `CorsPolicy`, Gateway API `HTTPCORSFilter`). */
export interface CorsConfig {
  readonly allowOrigins: readonly StringMatcher[];
  readonly allowMethods?: readonly string[];
  readonly allowHeaders?: readonly string[];
  readonly exposeHeaders?: readonly string[];
  readonly maxAgeMs?: number;
  readonly allowCredentials?: boolean;
}

/**
 * Changes to headers, in this order: remove, set, add, as Envoy's defaults do; a source with another order is folded into this one.
 * Values are literal: a translator resolves Envoy's `%…%` operators or reports them.
 */
export interface HeaderMutation {
  readonly remove?: readonly string[];
  /** Only where the header is not there yet (Envoy `ADD_IF_ABSENT`). */
  readonly setIfAbsent?: readonly (readonly [name: string, value: string])[];
  /** Only where the header is there already (Envoy `OVERWRITE_IF_EXISTS`). */
  readonly setIfPresent?: readonly (readonly [name: string, value: string])[];
  readonly set?: readonly (readonly [name: string, value: string])[];
  readonly add?: readonly (readonly [name: string, value: string])[];
}

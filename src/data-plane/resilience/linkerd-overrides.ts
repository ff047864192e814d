import type { RetryConfig } from '../../model/policy.ts';
import { grpcRetryConditions, type RetryCondition } from '../../model/retry-conditions.ts';
import type { OverrideValues } from './request-overrides.ts';

/** What Linkerd does for a request that asks for retries on a route without a policy: 25 to 250 ms, doubled by jitter. */
const defaults: RetryConfig = {
  maxAttempts: 2,
  on: [],
  backoff: { baseMs: 25, maxMs: 250, jitterRatio: 1 },
  maxBodyBytes: 65_536,
  lastTryUntimed: true,
  resetHeaders: [],
};

const grpcWords: ReadonlySet<string> = new Set(grpcRetryConditions);
/** Conditions on a status of HTTP: what `l5d-retry-http` replaces. */
const httpStatusWords: ReadonlySet<string> = new Set<RetryCondition>([
  '5xx',
  'gateway-error',
  'retriable-4xx',
  'retriable-status-codes',
]);

/**
 * The retry policy with what `l5d-retry-http`, `-grpc`, `-limit` and `-timeout` ask for: each replaces what the policy says of the
 * same. Source: Linkerd, "per-request policy".
 */
export function linkerdRetry(values: OverrideValues, retry: RetryConfig | undefined): RetryConfig | undefined {
  const statuses = values.get('l5d-retry-http');
  const grpc = values.get('l5d-retry-grpc');
  const limit = values.get('l5d-retry-limit');
  const perTryTimeoutMs = linkerdDurationMs(values.get('l5d-retry-timeout'));
  const retries = limit !== undefined && /^\d{1,9}$/.test(limit) ? Number(limit) : undefined;
  if (statuses === undefined && grpc === undefined && retries === undefined && perTryTimeoutMs === undefined) return retry;
  const base = retry ?? defaults;
  const on = new Set<RetryCondition>(base.on);
  if (statuses !== undefined) {
    for (const word of on) if (httpStatusWords.has(word)) on.delete(word);
    on.add('retriable-status-codes');
  }
  if (grpc !== undefined) {
    for (const word of on) if (grpcWords.has(word)) on.delete(word);
    for (const word of grpc.split(',').map((one) => one.toLowerCase())) if (grpcWords.has(word)) on.add(word as RetryCondition);
  }
  if (perTryTimeoutMs !== undefined) on.add('per-try-timeout');
  return {
    ...base,
    on: [...on],
    ...(statuses === undefined ? {} : { statusCodes: statusCodesOf(statuses) }),
    ...(retries === undefined ? {} : { maxAttempts: retries + 1 }),
    ...(perTryTimeoutMs === undefined ? {} : { perTryTimeoutMs }),
    // The caller says outright that this request may be sent again.
    nonIdempotent: base.nonIdempotent ?? 'as-configured',
  };
}

/** `5xx`, `gateway-error`, `503`, `500-504`; what is none of these says nothing. */
function statusCodesOf(conditions: string): number[] {
  return conditions.split(',').flatMap((condition) => {
    const word = condition.toLowerCase();
    if (word === '5xx') return range(500, 599);
    if (word === 'gateway-error') return range(502, 504);
    const parts = /^(?<start>[1-5]\d\d)(?:-(?<end>[1-5]\d\d))?$/.exec(word)?.groups;
    return parts === undefined ? [] : range(Number(parts['start']), Number(parts['end'] ?? parts['start']));
  });
}

function range(start: number, end: number): number[] {
  return Array.from({ length: Math.max(0, end - start + 1) }, (_, index) => start + index);
}

const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of a duration as Linkerd writes it (`300ms`, `10s`), or undefined when it is none. */
export function linkerdDurationMs(value: string | undefined): number | undefined {
  const parts = value === undefined ? undefined : /^\s*(?<amount>\d{1,12})(?<unit>ms|s|m|h|d)?\s*$/.exec(value)?.groups;
  if (parts === undefined) return undefined;
  const amount = Number(parts['amount']);
  const unit = parts['unit'];
  if (unit === undefined) return amount === 0 ? 0 : undefined;
  return amount * unitsMs[unit]!;
}

/**
 * Timeouts and retries that the headers of one request ask for, where the policy allows it (`overrideHeaders`). A request without
 * such a header costs one pass over its header names and gets its policy back as it is.
 *
 * What differs from a sidecar: `x-envoy-upstream-rq-timeout-alt-response` is taken off and has no effect, because a timeout is an
 * error of the call here and no response whose status could be another.
 */
import { LRUCache } from 'lru-cache';
import type { HedgeConfig, RetryConfig } from '../../model/policy.ts';
import { grpcRetryConditions, httpRetryConditions, type RetryCondition } from '../../model/retry-conditions.ts';
import type { RequestView } from '../routing/request-view.ts';
import { linkerdDurationMs, linkerdRetry } from './linkerd-overrides.ts';

/** What the headers of a request may change. */
export interface OverridablePolicy {
  /** 0 = none. */
  readonly timeoutMs: number;
  readonly retry: RetryConfig | undefined;
  readonly hedge: HedgeConfig | undefined;
  readonly responseTimeoutMs?: number | undefined;
  readonly maxStreamDurationMs?: number | undefined;
}

/** Values by lower-case name; only names of {@link overrideHeaders}. */
export type OverrideValues = ReadonlyMap<string, string>;

/** The headers that are read, lower case. They are never sent on when `overrideHeaders` names their kind. */
export const overrideHeaders: Readonly<Record<'envoy' | 'linkerd', ReadonlySet<string>>> = {
  envoy: new Set([
    'x-envoy-max-retries',
    'x-envoy-retry-on',
    'x-envoy-retry-grpc-on',
    'x-envoy-retriable-status-codes',
    'x-envoy-retriable-header-names',
    'x-envoy-upstream-rq-timeout-ms',
    'x-envoy-upstream-rq-per-try-timeout-ms',
    'x-envoy-upstream-rq-timeout-alt-response',
    'x-envoy-upstream-stream-duration-ms',
    'x-envoy-hedge-on-per-try-timeout',
  ]),
  linkerd: new Set([
    'l5d-timeout',
    'l5d-request-timeout',
    'l5d-response-timeout',
    'l5d-retry-http',
    'l5d-retry-grpc',
    'l5d-retry-limit',
    'l5d-retry-timeout',
  ]),
};

/**
 * The policy of this request: `policy` itself when no header changes it. Values that cannot be read change nothing.
 * Sources: Envoy router filter, "HTTP headers (consumed from downstreams)"; Linkerd `l5d-*` headers (per-request policy).
 */
export function overridden(request: RequestView, policy: OverridablePolicy, kind: 'envoy' | 'linkerd'): OverridablePolicy {
  const values = overrideValues(request.headers, overrideHeaders[kind]);
  if (values === undefined) return policy;
  return kind === 'envoy' ? envoyOverrides(values, policy) : linkerdOverrides(values, policy);
}

function envoyOverrides(values: OverrideValues, policy: OverridablePolicy): OverridablePolicy {
  const hedgeOnTimeout = values.get('x-envoy-hedge-on-per-try-timeout');
  const streamDurationMs = wholeNumber(values.get('x-envoy-upstream-stream-duration-ms'));
  return {
    ...policy,
    timeoutMs: wholeNumber(values.get('x-envoy-upstream-rq-timeout-ms')) ?? policy.timeoutMs,
    retry: cachedRetry(values, policy.retry, envoyRetry),
    hedge:
      hedgeOnTimeout === 'true' || hedgeOnTimeout === 'false'
        ? { ...policy.hedge, onPerTryTimeout: hedgeOnTimeout === 'true' }
        : policy.hedge,
    ...(streamDurationMs === undefined ? {} : { maxStreamDurationMs: streamDurationMs }),
  };
}

function linkerdOverrides(values: OverrideValues, policy: OverridablePolicy): OverridablePolicy {
  const timeoutMs = linkerdDurationMs(values.get('l5d-request-timeout')) ?? linkerdDurationMs(values.get('l5d-timeout'));
  const responseTimeoutMs = linkerdDurationMs(values.get('l5d-response-timeout'));
  return {
    ...policy,
    timeoutMs: timeoutMs ?? policy.timeoutMs,
    retry: cachedRetry(values, policy.retry, linkerdRetry),
    ...(responseTimeoutMs === undefined ? {} : { responseTimeoutMs }),
  };
}

/** Words of `x-envoy-retry-on` and `x-envoy-retry-grpc-on`. */
const httpWords: ReadonlySet<string> = new Set(httpRetryConditions);
const grpcWords: ReadonlySet<string> = new Set(grpcRetryConditions);

function envoyRetry(values: OverrideValues, retry: RetryConfig | undefined): RetryConfig | undefined {
  const perTryTimeoutMs = wholeNumber(values.get('x-envoy-upstream-rq-per-try-timeout-ms'));
  const asked = [
    ...wordsOf(values.get('x-envoy-retry-on'), httpWords),
    ...wordsOf(values.get('x-envoy-retry-grpc-on'), grpcWords),
  ] as RetryCondition[];
  const on = [...new Set([...(retry?.on ?? []), ...asked])];
  if (on.length === 0 && perTryTimeoutMs === undefined) return retry;
  const maxRetries = on.length === 0 ? 0 : wholeNumber(values.get('x-envoy-max-retries'));
  const statusCodes = listOf(values.get('x-envoy-retriable-status-codes')).flatMap((code) => wholeNumber(code) ?? []);
  const headerNames = listOf(values.get('x-envoy-retriable-header-names'));
  return {
    // A request that asks for retries on a route that has none gets one (Envoy).
    maxAttempts: 2,
    // The caller says outright that this request may be sent again.
    ...(retry?.nonIdempotent === undefined && asked.length > 0 ? { nonIdempotent: 'as-configured' as const } : {}),
    // As in Envoy, a route without a policy does not wait for what a response asks for.
    ...(retry === undefined ? { resetHeaders: [] } : {}),
    ...retry,
    on,
    ...(maxRetries === undefined ? {} : { maxAttempts: maxRetries + 1 }),
    ...(perTryTimeoutMs === undefined ? {} : { perTryTimeoutMs }),
    ...(statusCodes.length === 0 ? {} : { statusCodes: [...(retry?.statusCodes ?? []), ...statusCodes] }),
    ...(headerNames.length === 0
      ? {}
      : {
          retriableHeaders: [
            ...(retry?.retriableHeaders ?? []),
            ...headerNames.map((name) => ({ name: name.toLowerCase(), match: { kind: 'present' as const } })),
          ],
        }),
  };
}

/** Retry policies that requests have asked for, by the policy that they change: what retry.ts compiles once stays compiled. */
const madeFor = new WeakMap<object, LRUCache<string, RetryConfig>>();
/** Stands for a route without a policy. */
const noPolicy = {};
/** Different header values beside one policy; programs use few. */
const maxMade = 100;

function cachedRetry(
  values: OverrideValues,
  retry: RetryConfig | undefined,
  make: (values: OverrideValues, retry: RetryConfig | undefined) => RetryConfig | undefined,
): RetryConfig | undefined {
  let made = madeFor.get(retry ?? noPolicy);
  if (made === undefined) madeFor.set(retry ?? noPolicy, (made = new LRUCache({ max: maxMade })));
  const key = keyOf(values);
  const known = made.get(key);
  if (known !== undefined) return known;
  const config = make(values, retry);
  if (config !== undefined) made.set(key, config);
  return config;
}

function keyOf(values: OverrideValues): string {
  let key = '';
  for (const [name, value] of values) if (!isTimeoutOfCall.has(name)) key += `${name}: ${value}\n`;
  return key;
}

/** They change nothing of the retry policy; callers put what is left of a deadline into them, which never repeats. */
const isTimeoutOfCall: ReadonlySet<string> = new Set([
  'x-envoy-upstream-rq-timeout-ms',
  'x-envoy-upstream-stream-duration-ms',
  'l5d-timeout',
  'l5d-request-timeout',
  'l5d-response-timeout',
]);

function wordsOf(value: string | undefined, known: ReadonlySet<string>): string[] {
  return listOf(value).filter((word) => known.has(word));
}

function listOf(value: string | undefined): string[] {
  return value === undefined
    ? []
    : value
        .split(',')
        .map((word) => word.trim())
        .filter((word) => word !== '');
}

/** What Envoy's parser takes as an unsigned number. */
function wholeNumber(value: string | undefined): number | undefined {
  return value !== undefined && /^\s*\+?\d{1,15}\s*$/.test(value) ? Number(value) : undefined;
}

/** The values of the headers that are asked for; undefined when there is none. The first value of a repeated header counts. */
function overrideValues(headers: RequestView['headers'], names: ReadonlySet<string>): OverrideValues | undefined {
  if (headers === null || headers === undefined) return undefined;
  let values: Map<string, string> | undefined;
  const take = (name: string, value: unknown): void => {
    if (!isLikely(name)) return;
    const lower = name.toLowerCase();
    const first = (Array.isArray(value) ? value[0] : value) as string | number | null | undefined;
    if (!names.has(lower) || first === undefined || first === null || values?.has(lower) === true) return;
    (values ??= new Map()).set(lower, String(first));
  };
  if (Array.isArray(headers))
    for (let index = 0; index + 1 < headers.length; index += 2) take(String(headers[index]), headers[index + 1]);
  else if (Symbol.iterator in headers) for (const [name, value] of headers as Iterable<[string, unknown]>) take(name, value);
  else for (const name in headers) if (Object.hasOwn(headers, name)) take(name, headers[name]);
  return values;
}

/** Names begin with `x-e` or `l5d`: most headers of a request are passed over by their first letter. */
function isLikely(name: string): boolean {
  const first = name.charCodeAt(0) | 32;
  return (first === 120 && name.charCodeAt(1) === 45) || (first === 108 && name.charCodeAt(1) === 53);
}

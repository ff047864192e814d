/** Retries and hedging (`config.route.v3.RetryPolicy`, `HedgePolicy`) with Envoy's defaults written out. */
import type { ValueMatcher } from '../../../model/match.ts';
import type { BackoffConfig, HedgeConfig, RetryConfig } from '../../../model/policy.ts';
import { grpcRetryConditions, httpRetryConditions, type RetryCondition } from '../../../model/retry-conditions.ts';
import type { Metadata } from '../../../model/tls.ts';
import type { Message } from './message.ts';
import { extensionOf } from './typed-message.ts';
import { metadataFrom } from './metadata.ts';
import { headerMatchersFrom } from './string-matcher.ts';

const conditions: ReadonlySet<string> = new Set([...httpRetryConditions, ...grpcRetryConditions]);

/** Envoy's `per_connection_buffer_limit_bytes`, which bounds the body that is kept for another attempt. */
const bufferBytes = 1_048_576;
const baseMs = 25;
const maxResetMs = 300_000;

/** Reads a `RetryPolicy`. `bodyBytes` is the limit of the route or virtual host on what is buffered. */
export function retryFrom(message: Message, bodyBytes: number | undefined): RetryConfig {
  const statusCodes = message.list('retriable_status_codes').flatMap((status, index) => {
    if (Number.isInteger(status) && (status as number) >= 100 && (status as number) <= 599) return [status as number];
    message.findings.problem(`${message.at('retriable_status_codes')}[${index}]`, 'must be a status from 100 to 599');
    return [];
  });
  const retriableHeaders = headerMatchersFrom(message.messages('retriable_headers'));
  const requestHeaders = requestTests(message);
  const perTryTimeoutMs = message.durationMs('per_try_timeout');
  const perTryIdleTimeoutMs = message.durationMs('per_try_idle_timeout');
  const selectionAttempts = message.whole('host_selection_retry_max_attempts', -(2 ** 53 - 1), 2 ** 53 - 1);
  const predicates = hostPredicates(message);
  const updateFrequency = priorityUpdateFrequency(message);
  return {
    maxAttempts: Math.min((message.whole('num_retries') ?? 1) + 1, 4_294_967_295),
    on: retryOn(message),
    ...(statusCodes.length > 0 && { statusCodes }),
    ...(retriableHeaders.length > 0 && { retriableHeaders }),
    ...(requestHeaders.length > 0 && { requestHeaders }),
    // 0 = none, in both.
    ...(perTryTimeoutMs !== undefined && perTryTimeoutMs > 0 && { perTryTimeoutMs }),
    ...(perTryIdleTimeoutMs !== undefined && perTryIdleTimeoutMs > 0 && { perTryIdleTimeoutMs }),
    backoff: backoffFrom(message),
    ...resetsFrom(message),
    avoidTriedHosts: predicates.previousHosts,
    ...(selectionAttempts !== undefined && { hostSelectionAttempts: Math.max(0, selectionAttempts) }),
    ...(predicates.metadata !== undefined && { avoidHostMetadata: predicates.metadata }),
    ...(updateFrequency !== undefined && { priorityUpdateFrequency: updateFrequency }),
    maxBodyBytes: bodyBytes ?? bufferBytes,
    nonIdempotent: 'as-configured',
  };
}

/** Of which one has to be met. Where none can be tested there is one that nothing meets: a header has no line break. */
function requestTests(message: Message): readonly ValueMatcher[] {
  const tests = message.messages('retriable_request_headers');
  const said = headerMatchersFrom(tests);
  if (tests.length === 0 || said.length > 0) return said;
  message.note('retriable_request_headers', 'none of them can be tested; no request is tried again');
  return [{ name: tests[0]!.text('name')?.toLowerCase() ?? '', match: { kind: 'exact', value: '\n' } }];
}

function retryOn(message: Message): readonly RetryCondition[] {
  const words = (message.text('retry_on') ?? '').split(',').map((word) => word.trim());
  const on = new Set<RetryCondition>();
  for (const word of words) {
    if (conditions.has(word)) on.add(word as RetryCondition);
    else if (word === 'http3-post-connect-failure') message.note('retry_on', `${word} has no effect: HTTP/3 is not spoken`);
    else if (word !== '')
      message.note('retry_on', `${JSON.stringify(word)} is no condition of Envoy; known: ${[...conditions].join(', ')}`);
  }
  return [...on];
}

function backoffFrom(message: Message): BackoffConfig {
  const backoff = message.message('retry_back_off');
  if (backoff === undefined) return { baseMs, maxMs: 10 * baseMs };
  if (!backoff.has('base_interval')) backoff.problem('base_interval', 'must be a duration longer than 0');
  // "Intervals of less than a millisecond are rounded up to one."
  const base = Math.max(1, backoff.durationMs('base_interval') ?? baseMs);
  const max = backoff.durationMs('max_interval');
  if (max !== undefined && max < base) backoff.problem('max_interval', `is less than base_interval (${base} ms)`);
  return { baseMs: base, maxMs: max ?? 10 * base };
}

function resetsFrom(message: Message): Pick<RetryConfig, 'resetHeaders' | 'maxResetMs'> {
  const limited = message.message('rate_limited_retry_back_off');
  // Without it Envoy does not listen to what a response asks for.
  if (limited === undefined) return { resetHeaders: [] };
  const resetHeaders = limited.messages('reset_headers').map((header) => {
    const name = header.name('name')?.toLowerCase();
    if (name === undefined) header.problem('name', 'must be the name of a header');
    const format = header.choice('format', ['SECONDS', 'UNIX_TIMESTAMP']) ?? 'SECONDS';
    return { name: name ?? '', format: format === 'SECONDS' ? ('seconds' as const) : ('unix-timestamp' as const) };
  });
  if (resetHeaders.length === 0) limited.problem('reset_headers', 'must name at least one header');
  return { resetHeaders, maxResetMs: limited.durationMs('max_interval') ?? maxResetMs };
}

function hostPredicates(message: Message): { readonly previousHosts: boolean; readonly metadata: Metadata | undefined } {
  let previousHosts = false;
  let metadata: Metadata | undefined;
  for (const predicate of message.messages('retry_host_predicate')) {
    const config = predicate.any('typed_config');
    switch (extensionOf(predicate, config)) {
      case 'previous_hosts':
        previousHosts = true;
        break;
      case 'omit_canary_hosts':
        metadata = { ...metadata, canary: true };
        break;
      case 'omit_host_metadata':
        metadata = { ...metadata, ...metadataFrom(config?.message.message('metadata_match')) };
        break;
      default:
        predicate.note('name', 'is no predicate of hosts that is known here');
    }
  }
  return { previousHosts, metadata };
}

function priorityUpdateFrequency(message: Message): number | undefined {
  const priority = message.message('retry_priority');
  if (priority === undefined) return undefined;
  const config = priority.any('typed_config');
  if (extensionOf(priority, config) !== 'previous_priorities') {
    priority.note('name', 'is no choice of priorities that is known here');
    return undefined;
  }
  const frequency = config?.message.whole('update_frequency', 1);
  if (frequency === undefined) priority.problem('typed_config', 'must have an update_frequency of at least 1');
  return frequency;
}

/** Reads a `HedgePolicy`. Of its fields Envoy itself carries out only the hedge on a per-try timeout. */
export function hedgeFrom(message: Message, retry: RetryConfig | undefined): HedgeConfig | undefined {
  if (message.whole('initial_requests') === 1) message.skip('initial_requests');
  else if (message.has('initial_requests')) message.note('initial_requests', 'is carried out neither by Envoy nor here');
  if (message.has('additional_request_chance'))
    message.note('additional_request_chance', 'is carried out neither by Envoy nor here');
  if (message.flag('hedge_on_per_try_timeout') !== true) return undefined;
  return { onPerTryTimeout: true, maxAttempts: retry?.maxAttempts ?? 2 };
}

/** The policies of a service, a route or `defaults` → the request policy of the model. */
import type { FaultConfig, HeaderMutation, HedgeConfig, LocalRateLimitConfig, RetryConfig } from '../../model/policy.ts';
import type { HashPolicy, SessionAffinity } from '../../model/affinity.ts';
import type { RequestPolicy } from '../../model/route.ts';
import type { DefaultsFile, RetryFile, ServiceFile } from './schema.ts';
import { maxDurationMs } from './schema-values.ts';
import { fractionFromPercent, headerMatchers } from './translate-matches.ts';

type Policies = Partial<Omit<ServiceFile, 'endpoints' | 'routes'>> & Partial<Pick<DefaultsFile, 'timeoutMs' | 'retry'>>;
type File<K extends keyof Policies> = NonNullable<Policies[K]>;

/** What of the keys is there, in the words of the model. */
export function policyFromFile(file: Policies): RequestPolicy {
  const { timeoutMs, responseTimeoutMs, maxStreamDurationMs, grpcTimeoutCapMs, includeAttemptCount } = file;
  const { priority, overrideHeaders, upgrades } = file;
  const policy: { -readonly [K in keyof RequestPolicy]: RequestPolicy[K] | undefined } = {
    timeoutMs,
    responseTimeoutMs,
    idleTimeoutMs: file.streamIdleTimeoutMs,
    maxStreamDurationMs,
    grpcTimeoutCapMs,
    retry: file.retry && retryFromFile(file.retry),
    hedge: file.hedge && hedgeFromFile(file.hedge),
    fault: file.fault && faultFromFile(file.fault),
    rateLimit: file.rateLimit && rateLimitFromFile(file.rateLimit),
    requestHeaders: file.requestHeaders && mutationFromFile(file.requestHeaders),
    responseHeaders: file.responseHeaders && mutationFromFile(file.responseHeaders),
    sessionAffinity: file.sessionAffinity && affinityFromFile(file.sessionAffinity),
    priority,
    includeAttemptCount,
    overrideHeaders,
    upgrades,
  };
  return present(policy);
}

/** A retry policy of the file in the words of the model. */
function retryFromFile({ budget, retriableHeaders, requestHeaders, resetHeaders, ...retry }: RetryFile): RetryConfig {
  const { baseMs, maxMs = Math.min(baseMs * 10, maxDurationMs) } = retry.backoff;
  return {
    ...retry,
    backoff: { baseMs, maxMs },
    ...(retriableHeaders !== undefined && { retriableHeaders: headerMatchers(retriableHeaders) }),
    ...(requestHeaders !== undefined && { requestHeaders: headerMatchers(requestHeaders) }),
    ...(resetHeaders !== undefined && {
      resetHeaders: Object.entries(resetHeaders).map(([name, format]) => ({ name: name.toLowerCase(), format })),
    }),
    budget: { kind: 'token-bucket', ...budget },
  };
}

/** Changes of headers; the pairs stand in the order of the file. */
export function mutationFromFile(mutation: File<'requestHeaders'>): HeaderMutation {
  const { remove, set, setIfAbsent, setIfPresent, add } = mutation;
  const pairs = (values: Readonly<Record<string, string>> | undefined) => values && Object.entries(values);
  return present({
    remove,
    setIfAbsent: pairs(setIfAbsent),
    setIfPresent: pairs(setIfPresent),
    set: pairs(set),
    add: pairs(add),
  });
}

/** What is hashed, in order. */
export function hashFromFile(policies: File<'hash'>): HashPolicy[] {
  return policies.map(({ header, cookie, query, process, ttlMs, path, terminal }): HashPolicy => {
    const end = terminal === true ? { terminal } : {};
    if (header !== undefined) return { kind: 'header', name: header.toLowerCase(), ...end };
    if (process === true) return { kind: 'channel', ...end };
    if (query !== undefined) return { kind: 'query', name: query, ...end };
    return { kind: 'cookie', name: cookie!, ...present({ ttlMs, path }), ...end };
  });
}

function hedgeFromFile({ backup, ...hedge }: File<'hedge'>): HedgeConfig {
  return { ...hedge, ...(backup !== undefined && { backup }) };
}

/** A fault of the file in the words of the model. */
export function faultFromFile({ delay, abort, headers, ...fault }: File<'fault'>): FaultConfig {
  return {
    ...fault,
    ...(delay !== undefined && { delay: { fraction: fractionFromPercent(delay.percent), ...without(delay, 'percent') } }),
    ...(abort !== undefined && {
      abort: {
        fraction: fractionFromPercent(abort.percent),
        ...(abort.status !== undefined && { httpStatus: abort.status }),
        ...without(abort, 'percent', 'status'),
      },
    }),
    ...(headers !== undefined && { headers: headerMatchers(headers) }),
  };
}

/** A rate of requests as a bucket that starts full. */
export function rateLimitFromFile({
  requests,
  perMs,
  burst = requests,
  status,
  responseHeaders,
}: File<'rateLimit'>): LocalRateLimitConfig {
  return {
    maxTokens: burst,
    tokensPerFill: requests,
    fillIntervalMs: perMs,
    ...(status !== undefined && { status }),
    ...(responseHeaders !== undefined && { responseHeaders: mutationFromFile(responseHeaders) }),
  };
}

function affinityFromFile({ cookie, header, path, ttlMs, strict, ...times }: File<'sessionAffinity'>): SessionAffinity {
  const bounds = { ...times, ...(strict === true && { strict }) };
  if (header !== undefined) return { kind: 'header', name: header.toLowerCase(), ...bounds };
  return { kind: 'cookie', name: cookie!, ...present({ path, ttlMs }), ...bounds };
}

type Present<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** The keys that are set. */
function present<T extends object>(value: T): Present<T> {
  return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined)) as Present<T>;
}

function without<T extends object, K extends keyof T & string>(value: T, ...keys: readonly K[]): Omit<T, K> {
  return Object.fromEntries(Object.entries(value).filter(([key]) => !(keys as readonly string[]).includes(key))) as Omit<T, K>;
}

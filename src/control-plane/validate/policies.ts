/** Checks of what routes and clusters say about retries, faults, rates, sessions and headers. */
import type {
  CorsConfig,
  FaultConfig,
  LocalRateLimitConfig,
  RetryBudgetConfig,
  RetryConfig,
  TokenBucketConfig,
} from '../../model/policy.ts';
import type { HashPolicy, SessionAffinity } from '../../model/affinity.ts';
import type { InternalRedirectConfig } from '../../model/internal-redirect.ts';
import { retryConditions } from '../../model/retry-conditions.ts';
import type { RequestPolicy } from '../../model/route.ts';
import { nearestName } from '../../base/nearest-name.ts';
import { checkAuthorizationPolicy, checkExternalAuthorizer } from './authorization.ts';
import { maxUint32, printed, type Check } from './check.ts';
import { checkHeaderMutation } from './headers.ts';
import { checkHedge } from './hedge.ts';
import { checkFraction, checkHeaderMatchers, checkStringMatcher } from './matchers.ts';
import { checkRegexRewrite } from './rewrites.ts';

/** Kept for another attempt, by each request that is under way: more than this takes the memory of the process. */
const maxBodyBytes = 1_073_741_824;
const maxRatio = 1000; // Finagle's own bound on the share of retries

/** Checks the policy of a route, a virtual host, a table or a listener. */
export function checkRequestPolicy(check: Check, policy: RequestPolicy): void {
  for (const key of ['timeoutMs', 'responseTimeoutMs', 'idleTimeoutMs', 'maxStreamDurationMs', 'grpcTimeoutCapMs'] as const) {
    check.durationMs(key, policy[key]);
  }
  check.within('retry', policy.retry, checkRetry);
  check.within('hedge', policy.hedge, checkHedge);
  check.within('internalRedirect', policy.internalRedirect, checkInternalRedirect);
  check.within('fault', policy.fault, checkFault);
  check.within('rateLimit', policy.rateLimit, checkRateLimit);
  check.within('requestHeaders', policy.requestHeaders, checkHeaderMutation);
  check.within('responseHeaders', policy.responseHeaders, checkHeaderMutation);
  check.within('sessionAffinity', policy.sessionAffinity, checkSessionAffinity);
  check.oneOf('priority', policy.priority, ['default', 'high']);
  check.flag('includeAttemptCount', policy.includeAttemptCount);
  check.flag('includeAttemptCountInResponse', policy.includeAttemptCountInResponse);
  check.oneOf('overrideHeaders', policy.overrideHeaders, ['envoy', 'linkerd']);
  check.each('upgrades', policy.upgrades, (inner, upgrade) => inner.headerName('', upgrade, 'any-case'));
  check.within('cors', policy.cors, checkCors);
  check.each('authorization', policy.authorization, checkAuthorizationPolicy);
  check.within('externalAuthorization', policy.externalAuthorization, checkExternalAuthorizer);
}

function checkRetry(check: Check, retry: RetryConfig): void {
  check.whole('maxAttempts', retry.maxAttempts ?? null, 1);
  check.enter('on');
  for (const [index, condition] of check.list(retry.on).entries()) {
    if (retryConditions.includes(condition)) continue;
    const near = typeof condition === 'string' ? nearestName(condition, retryConditions) : undefined;
    const hint = near === undefined ? '' : `; did you mean ${near}?`;
    check.reject(`${printed(condition)} is none of ${retryConditions.join(', ')}${hint}`, index);
  }
  check.leave();
  check.each('statusCodes', retry.statusCodes, (inner, status) => inner.whole('', status, 100, 599));
  checkHeaderMatchers(check, 'retriableHeaders', retry.retriableHeaders);
  checkHeaderMatchers(check, 'requestHeaders', retry.requestHeaders);
  for (const key of ['perTryTimeoutMs', 'perTryIdleTimeoutMs', 'maxResetMs'] as const) check.durationMs(key, retry[key]);
  check.within('backoff', retry.backoff, (inner, backoff) => {
    inner.durationMs('baseMs', backoff.baseMs ?? null);
    inner.durationMs('maxMs', backoff.maxMs ?? null);
    inner.number('jitterRatio', backoff.jitterRatio, 0, maxRatio);
    if (backoff.maxMs < backoff.baseMs) inner.reject(`is less than baseMs (${backoff.baseMs})`, 'maxMs');
  });
  check.each('resetHeaders', retry.resetHeaders, (inner, header) => {
    inner.headerName('name', header.name, 'any-case');
    inner.oneOf('format', header.format, ['seconds', 'unix-timestamp']);
  });
  check.within('budget', retry.budget, checkRetryBudget);
  check.whole('hostSelectionAttempts', retry.hostSelectionAttempts, 0);
  check.whole('priorityUpdateFrequency', retry.priorityUpdateFrequency, 1);
  check.flag('lastTryUntimed', retry.lastTryUntimed);
  check.flag('avoidTriedHosts', retry.avoidTriedHosts);
  check.within('avoidHostMetadata', retry.avoidHostMetadata, () => {});
  check.whole('maxBodyBytes', retry.maxBodyBytes, 0, maxBodyBytes);
  check.oneOf('nonIdempotent', retry.nonIdempotent, ['never', 'as-configured']);
}

function checkInternalRedirect(check: Check, redirect: InternalRedirectConfig): void {
  check.whole('maxRedirects', redirect.maxRedirects, 0);
  check.each('statuses', redirect.statuses, (inner, status) => inner.oneOf('', status, [301, 302, 303, 307, 308]));
  check.oneOf('crossScheme', redirect.crossScheme, ['never', 'safe', 'always']);
  check.each('responseHeadersToCopy', redirect.responseHeadersToCopy, (inner, name) => {
    inner.headerName('', name, 'lower-case');
    if (/^(host$|:)/.test(name)) inner.reject(`${printed(name)} is what the redirect itself says; leave it out`);
  });
  check.flag('avoidPreviousRoutes', redirect.avoidPreviousRoutes);
  check.each('allowedRoutes', redirect.allowedRoutes, (inner, name) => inner.name('', name));
}

/** Checks how many retries are allowed. */
export function checkRetryBudget(check: Check, budget: RetryBudgetConfig): void {
  check.oneOf('kind', budget.kind ?? 'nothing', ['token-bucket', 'concurrent', 'deposit', 'grpc-throttle']);
  switch (budget.kind) {
    case 'token-bucket':
      check.number('minTokens', budget.minTokens ?? null, 0, maxUint32);
      break;
    case 'concurrent':
      check.whole('minConcurrent', budget.minConcurrent ?? null, 0);
      break;
    case 'deposit':
      check.number('minPerSecond', budget.minPerSecond ?? null, 0, maxUint32);
      check.durationMs('ttlMs', budget.ttlMs ?? null);
      break;
    case 'grpc-throttle':
      check.number('maxTokens', budget.maxTokens ?? null, 0, 1000); // gRPC A6
      check.number('tokenRatio', budget.tokenRatio ?? null, 0, maxRatio);
      return;
  }
  check.number('ratio', budget.ratio ?? null, 0, maxRatio);
}

/** Checks a fault that is made on purpose. */
export function checkFault(check: Check, fault: FaultConfig): void {
  check.within('delay', fault.delay, (inner, delay) => {
    inner.within('fraction', delay.fraction ?? {}, checkFraction);
    inner.durationMs('fixedMs', delay.fixedMs);
    const ways = countOf(delay.fixedMs !== undefined, delay.byHeader === true);
    if (ways === 0) inner.reject('says neither fixedMs nor byHeader; add one of them');
    if (ways > 1) inner.reject('says both fixedMs and byHeader; keep one of them');
  });
  check.within('abort', fault.abort, (inner, abort) => {
    inner.within('fraction', abort.fraction ?? {}, checkFraction);
    inner.whole('httpStatus', abort.httpStatus, 200, 599);
    inner.whole('grpcStatus', abort.grpcStatus, 0, 16);
    const ways = countOf(abort.httpStatus !== undefined, abort.grpcStatus !== undefined, abort.byHeader === true);
    if (ways === 0) inner.reject('says none of httpStatus, grpcStatus and byHeader; add one of them');
    if (ways > 1) inner.reject('says more than one of httpStatus, grpcStatus and byHeader; keep one of them');
    if (abort.message !== undefined) inner.text('message', abort.message);
  });
  check.whole('maxActive', fault.maxActive, 0);
  check.number('responseBytesPerSecond', fault.responseBytesPerSecond, 1, Number.MAX_SAFE_INTEGER);
  check.within('responseRateFraction', fault.responseRateFraction, checkFraction);
  check.flag('responseRateByHeader', fault.responseRateByHeader);
  checkHeaderMatchers(check, 'headers', fault.headers);
}

function countOf(...ways: readonly boolean[]): number {
  return ways.filter(Boolean).length;
}

/** Checks the buckets of a rate limit. */
export function checkRateLimit(check: Check, limit: LocalRateLimitConfig): void {
  checkBucket(check, limit);
  check.whole('status', limit.status, 400, 599);
  check.within('responseHeaders', limit.responseHeaders, checkHeaderMutation);
  check.within('perIdentity', limit.perIdentity, checkBucket);
  check.each('overrides', limit.overrides, (inner, override) => {
    inner.each('identities', override.identities, checkStringMatcher);
    inner.within('bucket', override.bucket ?? {}, checkBucket);
  });
}

function checkBucket(check: Check, bucket: TokenBucketConfig): void {
  check.whole('maxTokens', bucket.maxTokens ?? null, 1);
  check.whole('tokensPerFill', bucket.tokensPerFill ?? null, 1);
  check.longerThanNothing('fillIntervalMs', bucket.fillIntervalMs ?? null);
}

/** Checks what a hashing balancer hashes. */
export function checkHashPolicy(check: Check, policy: HashPolicy): void {
  check.oneOf('kind', policy.kind ?? 'nothing', ['header', 'cookie', 'query', 'source-ip', 'channel']);
  check.flag('terminal', policy.terminal);
  if (policy.kind === 'header') {
    check.headerName('name', policy.name, 'lower-case');
    check.within('regexRewrite', policy.regexRewrite, checkRegexRewrite);
  } else if (policy.kind === 'query') check.name('name', policy.name);
  else if (policy.kind === 'cookie') checkCookie(check, policy);
}

/** A name or path with a semicolon would add attributes of its own to the cookie (RFC 6265, section 4.1.1). */
function checkCookie(check: Check, cookie: { readonly name: string; readonly path?: string; readonly ttlMs?: number }): void {
  if (typeof cookie.name !== 'string' || !/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(cookie.name))
    check.reject(`${printed(cookie.name)} is not the name of a cookie: letters, digits, - and _`, 'name');
  if (cookie.path !== undefined && (typeof cookie.path !== 'string' || !/^[!-:<-~]*$/.test(cookie.path)))
    check.reject(`${printed(cookie.path)} is no path of a cookie: it has a semicolon, a space or other characters`, 'path');
  check.durationMs('ttlMs', cookie.ttlMs);
}

function checkSessionAffinity(check: Check, affinity: SessionAffinity): void {
  check.oneOf('kind', affinity.kind ?? 'nothing', ['cookie', 'header']);
  if (affinity.kind === 'cookie') checkCookie(check, affinity);
  else check.headerName('name', affinity.name, 'any-case');
  check.flag('strict', affinity.strict);
  check.durationMs('absoluteTimeoutMs', affinity.absoluteTimeoutMs);
  check.durationMs('idleTimeoutMs', affinity.idleTimeoutMs);
}

function checkCors(check: Check, cors: CorsConfig): void {
  check.each('allowOrigins', cors.allowOrigins, checkStringMatcher);
  for (const key of ['allowMethods', 'allowHeaders', 'exposeHeaders'] as const)
    check.each(key, cors[key], (inner, name) => inner.headerName('', name, 'any-case'));
  check.flag('allowCredentials', cors.allowCredentials);
  check.durationMs('maxAgeMs', cors.maxAgeMs);
}

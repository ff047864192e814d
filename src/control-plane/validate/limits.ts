/** Checks of how much a cluster may have under way. */
import type { InboundLimitsConfig } from '../../model/listener.ts';
import type { AdaptiveConcurrencyConfig, AdmissionConfig, ClientThrottleConfig, LimitsConfig } from '../../model/policy.ts';
import type { Check } from './check.ts';

/** Checks the caps of a cluster. */
export function checkLimits(check: Check, limits: LimitsConfig): void {
  checkCaps(check, limits);
  check.within('adaptive', limits.adaptive, checkAdaptive);
  check.within('throttle', limits.throttle, checkThrottle);
  check.within('highPriority', limits.highPriority, (inner, high) => {
    checkCaps(inner, high);
    for (const key of ['highPriority', 'adaptive', 'throttle'])
      if (Object.hasOwn(high, key)) inner.reject('stands beside `highPriority`, not in it', key);
  });
}

function checkCaps(check: Check, limits: Omit<LimitsConfig, 'highPriority'>): void {
  for (const key of ['maxConnections', 'maxPendingRequests', 'maxRequests', 'maxRetries'] as const)
    check.whole(key, limits[key], 0);
  check.whole('maxConnectionsPerHost', limits.maxConnectionsPerHost, 1);
  check.durationMs('pendingTimeoutMs', limits.pendingTimeoutMs);
}

function checkAdaptive(check: Check, adaptive: AdaptiveConcurrencyConfig): void {
  check.oneOf('algorithm', adaptive.algorithm ?? 'nothing', ['gradient', 'gradient2', 'vegas', 'aimd']);
  for (const key of ['minLimit', 'maxLimit', 'initialLimit'] as const) check.whole(key, adaptive[key], 1);
  const isGradient = adaptive.algorithm === 'gradient';
  const { minLimit = isGradient ? 3 : 20, maxLimit = isGradient ? 1000 : 200, initialLimit } = adaptive;
  if (maxLimit < minLimit) check.reject(`is less than minLimit (${minLimit})`, 'maxLimit');
  else if (initialLimit !== undefined && (initialLimit < minLimit || initialLimit > maxLimit))
    check.reject(`lies outside of minLimit (${minLimit}) and maxLimit (${maxLimit})`, 'initialLimit');
  check.longerThanNothing('timeoutMs', adaptive.timeoutMs);
}

function checkThrottle(check: Check, throttle: ClientThrottleConfig): void {
  // Below 1 it would refuse requests of a cluster that accepts all of them.
  check.number('multiplier', throttle.multiplier, 1, 1000);
  check.longerThanNothing('windowMs', throttle.windowMs);
  check.percent('maxRefusalPercent', throttle.maxRefusalPercent);
  check.number('minRequestsPerSecond', throttle.minRequestsPerSecond, 0, 1_000_000);
}

/** Checks how much a server lets in. */
export function checkAdmission(check: Check, admission: AdmissionConfig): void {
  check.whole('maxRequests', admission.maxRequests, 1);
  check.within('adaptive', admission.adaptive, checkAdaptive);
  check.longerThanNothing('maxLoopDelayMs', admission.maxLoopDelayMs);
  check.whole('status', admission.status, 400, 599);
  check.whole('retryAfterSeconds', admission.retryAfterSeconds, 0);
}

/** Checks what a port takes at most. */
export function checkInboundLimits(check: Check, limits: InboundLimitsConfig): void {
  for (const key of ['maxConnections', 'maxHeaders', 'maxConcurrentStreams'] as const) check.whole(key, limits[key], 1);
  check.whole('maxHeaderBytes', limits.maxHeaderBytes, 1024);
  check.durationMs('requestTimeoutMs', limits.requestTimeoutMs);
  for (const key of ['maxConnectionAgeMs', 'headersTimeoutMs', 'keepAliveTimeoutMs', 'responseIdleTimeoutMs'] as const)
    check.longerThanNothing(key, limits[key]);
}

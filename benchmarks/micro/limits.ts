/** What a request pays for limits, rate limits, faults and inherited deadlines, where they are configured and where they are not. */
import { currentRequest, runWithRequest } from '../../src/base/request-context.ts';
import { systemRandom } from '../../src/base/runtime.ts';
import { requestContextFrom } from '../../src/data-plane/inherit.ts';
import { adaptiveAlgorithms, createAdaptiveLimit } from '../../src/data-plane/resilience/adaptive-limits.ts';
import { faultInjectionOf } from '../../src/data-plane/resilience/fault-injection.ts';
import { ClusterLimits } from '../../src/data-plane/resilience/limits.ts';
import { RateLimits } from '../../src/data-plane/resilience/rate-limit.ts';
import type { AdaptiveConcurrencyConfig, FaultConfig, LimitsConfig, LocalRateLimitConfig } from '../../src/model/policy.ts';
import { call, type MicroRow } from './operation.ts';

const request = { method: 'GET', path: '/v9/items?page=2', headers: { accept: '*/*', 'x-canary': 'true' } };

/** A request that is let in, answered in about 10 ms and over. */
function admission(name: string, config: LimitsConfig | undefined): MicroRow {
  return call(`limits: admit, outcome, release; ${name}`, () => {
    const limits = new ClusterLimits(config);
    let now = 0.5;
    return () => {
      now += 0.1;
      limits.admit(now, systemRandom, 'critical');
      limits.onOutcome('success', 10.5, limits.admission.inFlight, now, systemRandom);
      limits.releaseRequest();
    };
  });
}

function adaptive(algorithm: AdaptiveConcurrencyConfig['algorithm']): MicroRow {
  return call(`adaptive limit: a sample, ${algorithm}`, () => {
    const limit = createAdaptiveLimit({ algorithm });
    let now = 0.5;
    return () => limit.onSample({ latencyMs: 10.5, inFlight: limit.limit, isDropped: false, now: (now += 0.1) }, systemRandom);
  });
}

function fault(name: string, config: FaultConfig): MicroRow {
  return call(`fault: ${name}`, () => () => faultInjectionOf(config).plan(request, systemRandom));
}

export const rows: readonly MicroRow[] = [
  call('limits: acquire and release', () => {
    const limits = new ClusterLimits(undefined);
    return () => {
      limits.tryAcquireRequest();
      limits.releaseRequest();
    };
  }),
  admission('neither adaptive nor throttled', undefined),
  admission('adaptive', { adaptive: { algorithm: 'gradient2' } }),
  admission('throttled', { throttle: {} }),
  ...(Object.keys(adaptiveAlgorithms) as AdaptiveConcurrencyConfig['algorithm'][]).map(adaptive),
  call('rate limit: take a token', () => {
    const limits = new RateLimits();
    const config: LocalRateLimitConfig = { maxTokens: 1000, tokensPerFill: 1000, fillIntervalMs: 1000 };
    let now = 0.5;
    return () => limits.tryTake(config, (now += 0.1));
  }),
  fault('drawn, and not for this request', { abort: { fraction: { numerator: 0, denominator: 100 }, httpStatus: 503 } }),
  fault('by header, and the request has none', {
    delay: { fraction: { numerator: 100, denominator: 100 }, byHeader: true },
    abort: { fraction: { numerator: 100, denominator: 100 }, byHeader: true },
  }),
  call('inherited: look, in a process that serves nothing', () => () => currentRequest()),
  call('inherited: look, in a process that serves', () => {
    runWithRequest({ isTrusted: true }, () => undefined);
    return () => currentRequest();
  }),
  call('inherited: run with a context', () => {
    const context = { isTrusted: true, deadlineMs: 1000.5 };
    return () => runWithRequest(context, currentRequest);
  }),
  call('inherited: read from headers', () => {
    const headers = { 'x-envoy-expected-rq-timeout-ms': '1500', host: 'orders', 'content-type': 'application/json' };
    const options = { now: 1000.5, isTrusted: true };
    return () => requestContextFrom(headers, options);
  }),
];

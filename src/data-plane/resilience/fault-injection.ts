/**
 * Faults made on purpose: a delay, an answer without an endpoint, a slow response body. What is drawn, in which order, and which
 * headers a caller may ask with are Envoy's (fault filter). Once per request, before its attempts: an injected answer is never
 * retried.
 */
import type { Random } from '../../base/runtime.ts';
import type { Fraction } from '../../model/match.ts';
import type { FaultConfig } from '../../model/policy.ts';
import { compileValue } from '../routing/match-value.ts';
import { headerOf, headerValuesOf, type RequestView } from '../routing/request-view.ts';

/** The answer that is given instead of a response. */
export interface FaultAbort {
  /** 200 where only a gRPC status was asked for. */
  readonly httpStatus: number;
  /** The gRPC status to give; undefined = a gRPC request gets the one that the HTTP status stands for. */
  readonly grpcStatus: number | undefined;
  /** Body, or `grpc-message`. Envoy's is `fault filter abort`. */
  readonly message: string;
}

/** What is done to one request, in this order. */
export interface FaultPlan {
  /** 0 = none. */
  readonly delayMs: number;
  readonly abort: FaultAbort | undefined;
  /** Of the response body; 0 = as fast as it comes. */
  readonly responseBytesPerSecond: number;
  /** To be called when the request is over, however it ends: until then it counts under `maxActive`. A second call does nothing. */
  release(): void;
}

const defaultMessage = 'fault filter abort';

/** Never a fault: share 0. */
const never: Fraction = { numerator: 0, denominator: 100 };
const always: Fraction = { numerator: 100, denominator: 100 };

/** The faults of one policy, and how many requests suffer from them now. */
export class FaultInjection {
  private readonly config: FaultConfig;
  private readonly tests: readonly ((request: RequestView) => boolean)[];
  /** Requests with a fault that are not over. */
  active = 0;

  constructor(config: FaultConfig) {
    this.config = config;
    this.tests = (config.headers ?? []).map((matcher) => compileValue(matcher, headerValuesOf));
  }

  /** What to do to this request; undefined = nothing. */
  plan(request: RequestView, random: Random): FaultPlan | undefined {
    const { config } = this;
    if (this.active >= (config.maxActive ?? Number.POSITIVE_INFINITY)) return undefined;
    for (const test of this.tests) if (!test(request)) return undefined;
    const responseBytesPerSecond = this.responseRate(request, random);
    const delayMs = this.delay(request, random);
    const abort = this.abort(request, random);
    if (delayMs === 0 && abort === undefined && responseBytesPerSecond === 0) return undefined;
    return new ActiveFault(this, delayMs, abort, responseBytesPerSecond);
  }

  private responseRate(request: RequestView, random: Random): number {
    const { responseBytesPerSecond, responseRateByHeader, responseRateFraction = always } = this.config;
    const kibPerSecond = responseRateByHeader === true ? numberIn(request, 'x-envoy-fault-throughput-response') : undefined;
    const rate = responseRateByHeader === true ? (kibPerSecond ?? 0) * 1024 : (responseBytesPerSecond ?? 0);
    return rate > 0 && isDrawn(responseRateFraction, random) ? rate : 0;
  }

  private delay(request: RequestView, random: Random): number {
    const { delay } = this.config;
    if (delay === undefined) return 0;
    const byHeader = delay.byHeader === true;
    if (
      !isDrawn(byHeader ? fractionIn(request, 'x-envoy-fault-delay-request-percentage', delay.fraction) : delay.fraction, random)
    )
      return 0;
    return (byHeader ? numberIn(request, 'x-envoy-fault-delay-request') : delay.fixedMs) ?? 0;
  }

  private abort(request: RequestView, random: Random): FaultAbort | undefined {
    const { abort } = this.config;
    if (abort === undefined) return undefined;
    const byHeader = abort.byHeader === true;
    const fraction = byHeader
      ? fractionIn(request, 'x-envoy-fault-abort-request-percentage', abort.fraction)
      : (abort.fraction ?? never);
    if (!isDrawn(fraction, random)) return undefined;
    const asked = byHeader ? numberIn(request, 'x-envoy-fault-abort-request') : abort.httpStatus;
    // Envoy takes from the header only what can be the status of a response.
    const httpStatus = asked !== undefined && asked >= 200 && asked < 600 ? asked : undefined;
    // Where both are there the HTTP status wins.
    const grpcStatus =
      httpStatus !== undefined ? undefined : byHeader ? numberIn(request, 'x-envoy-fault-abort-grpc-request') : abort.grpcStatus;
    if (httpStatus === undefined && grpcStatus === undefined) return undefined;
    return { httpStatus: httpStatus ?? 200, grpcStatus, message: abort.message ?? defaultMessage };
  }
}

class ActiveFault implements FaultPlan {
  readonly delayMs: number;
  readonly abort: FaultAbort | undefined;
  readonly responseBytesPerSecond: number;
  private owner: FaultInjection | undefined;

  constructor(owner: FaultInjection, delayMs: number, abort: FaultAbort | undefined, responseBytesPerSecond: number) {
    this.owner = owner;
    this.delayMs = delayMs;
    this.abort = abort;
    this.responseBytesPerSecond = responseBytesPerSecond;
    owner.active++;
  }

  release(): void {
    if (this.owner === undefined) return;
    this.owner.active--;
    this.owner = undefined;
  }
}

const injections = new WeakMap<FaultConfig, FaultInjection>();

/** The one injection of a policy: a fault of a table is one for all its routes, and its `maxActive` counts over all of them. */
export function faultInjectionOf(config: FaultConfig): FaultInjection {
  let injection = injections.get(config);
  if (injection === undefined) injections.set(config, (injection = new FaultInjection(config)));
  return injection;
}

/** Envoy draws an integer below the denominator. */
function isDrawn({ numerator, denominator }: Fraction, random: Random): boolean {
  return numerator > 0 && (numerator >= denominator || random() * denominator < numerator);
}

/** A caller may ask for a smaller share than the policy's, never for a larger one. Source: Envoy `HeaderPercentageProvider`. */
function fractionIn(request: RequestView, name: string, most: Fraction): Fraction {
  const numerator = numberIn(request, name);
  return numerator === undefined ? most : { ...most, numerator: Math.min(numerator, most.numerator) };
}

/** A whole number in a header; anybody may have sent it, so only its first value counts. */
function numberIn(request: RequestView, name: string): number | undefined {
  const value = headerOf(request, name)?.split(',', 1)[0]!.trim();
  return value !== undefined && /^\d{1,9}$/.test(value) ? Number(value) : undefined;
}

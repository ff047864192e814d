import { SpanKind, trace } from '@opentelemetry/api';
import type { Attributes, Context, Span } from '@opentelemetry/api';
import { rounded } from '../base/rounded.ts';
import { channels } from './channels.ts';
import type { AttemptOutcomeKind, EventPayloads, FailureType } from './events.ts';
import { errorType, setFailure } from './failure.ts';
import { canActivate, headersToInject, isUndiciObserved, suppressed } from './propagation.ts';
import type { GrpcAttempt } from './grpc-call.ts';
import type { RequestSpan } from './request-span.ts';

/** An attempt that begins. */
export interface AttemptFacts {
  /** From 1. */
  readonly number: number;
  /** The endpoint's IP address or name. */
  readonly address: string;
  readonly port: number;
  /** `address:port`. */
  readonly endpoint: string;
  readonly cluster: string;
}

/** How an attempt ended. */
export interface AttemptOutcome {
  readonly kind: AttemptOutcomeKind;
  readonly status?: number | undefined;
  readonly error?: FailureType | undefined;
  /** In the words of the transport; never with credentials. */
  readonly reason?: string | undefined;
  /** `1.1` or `2`, as negotiated. */
  readonly protocol?: string | undefined;
}

/** Anything with undici's `dispatch`. */
export interface Dispatching<O, H> {
  dispatch(options: O, handler: H): boolean;
}

const noHeaders: readonly string[] = [];
const attemptEnd = channels['attempt:end'];

/** One attempt as telemetry sees it: its CLIENT span, its share of the metrics, its event. Ends once. */
export class AttemptSpan {
  /** Name, value, name, value: to be sent beside the caller's headers, which have been looked at already. */
  readonly headers: readonly string[];
  /** Set = the request is gRPC, and measured as such. */
  readonly grpc: GrpcAttempt | undefined;
  private readonly request: RequestSpan;
  private readonly facts: AttemptFacts;
  private readonly startMs: number;
  private readonly span: Span | undefined;
  private readonly dispatchContext: Context | undefined;
  private isEnded = false;

  /** @internal Made by {@link RequestSpan.startAttempt}. */
  constructor(request: RequestSpan, facts: AttemptFacts, nowMs: number) {
    this.request = request;
    this.facts = facts;
    this.startMs = nowMs;
    const { tracer, context: parent } = request;
    let headers = noHeaders;
    if (tracer === undefined || parent === undefined) {
      this.span = undefined;
      this.dispatchContext = undefined;
    } else {
      const attributes: Attributes = {
        ...request.httpAttributes(),
        'network.peer.address': facts.address,
        'network.peer.port': facts.port,
        'meshfetch.cluster': facts.cluster,
      };
      if (facts.number > 1) attributes['http.request.resend_count'] = facts.number - 1;
      this.span = tracer.startSpan(request.methodName, { kind: SpanKind.CLIENT, attributes }, parent);
      const own = trace.setSpan(parent, this.span);
      let dispatchContext: Context | undefined;
      let isTheirsToInject = false;
      if (isUndiciObserved()) {
        dispatchContext = suppressed(own);
        // Without a context manager the other instrumentation cannot be held off: then its header is the one.
        isTheirsToInject = !canActivate(dispatchContext);
      }
      this.dispatchContext = dispatchContext;
      if (!isTheirsToInject) headers = headersToInject(own, request.callerHeaders);
    }
    this.headers = headers;
    this.grpc = request.grpc?.startAttempt(facts.cluster);
    request.instruments?.get('http.client.active_requests').add(1, request.metricLabels);
  }

  /**
   * `dispatcher.dispatch(options, handler)`, out of sight of other tracing instrumentation of undici. Connections that undici opens
   * meanwhile keep that context for life: open them beforehand, or in `AsyncLocalStorage.exit`.
   */
  dispatch<O, H>(dispatcher: Dispatching<O, H>, options: O, handler: H): boolean {
    if (this.dispatchContext === undefined) return dispatcher.dispatch(options, handler);
    return this.request.activate(this.dispatchContext, dispatcher, options, handler);
  }

  /** `grpc-status` of its response, in the head or the trailers; undefined where there is none. */
  answered(grpcStatus: string | string[] | undefined): void {
    if (this.grpc !== undefined && grpcStatus !== undefined) this.grpc.status = grpcStatus;
  }

  /** The attempt is over: its response body ended, failed or was cancelled, or there was no response. Further calls do nothing. */
  end(outcome: AttemptOutcome, nowMs: number): void {
    if (this.isEnded) return;
    this.isEnded = true;
    const durationMs = nowMs - this.startMs;
    const failure = errorType(outcome.error, outcome.status);
    this.request.attemptEnded(this.facts, outcome, this.startMs, durationMs);
    if (this.request.instruments !== undefined) this.measure(outcome, failure, durationMs);
    this.grpc?.end(outcome.error, durationMs);
    if (this.span !== undefined) this.endSpan(this.span, outcome, failure);
    if (attemptEnd.hasSubscribers) attemptEnd.publish(this.event(outcome, durationMs));
  }

  private measure(outcome: AttemptOutcome, failure: string | undefined, durationMs: number): void {
    const { metricLabels, scope } = this.request;
    const instruments = this.request.instruments!;
    instruments.get('http.client.active_requests').add(-1, metricLabels);
    const labels: Attributes = { ...metricLabels };
    if (outcome.status !== undefined) labels['http.response.status_code'] = outcome.status;
    if (failure !== undefined) labels['error.type'] = failure;
    if (outcome.protocol !== undefined) labels['network.protocol.version'] = outcome.protocol;
    instruments.get('http.client.request.duration').record(durationMs / 1000, labels, this.request.context);
    const attempts: Attributes = {
      'meshfetch.cluster': scope.clusters.label(this.facts.cluster),
      'meshfetch.attempt.outcome': outcome.kind,
      'meshfetch.mesh.name': scope.meshName,
    };
    if (failure !== undefined) attempts['error.type'] = failure;
    instruments.get('meshfetch.client.attempts').add(1, attempts);
  }

  private endSpan(span: Span, outcome: AttemptOutcome, failure: string | undefined): void {
    if (span.isRecording()) {
      if (outcome.status !== undefined) span.setAttribute('http.response.status_code', outcome.status);
      if (outcome.protocol !== undefined) span.setAttribute('network.protocol.version', outcome.protocol);
      span.setAttribute('meshfetch.attempt.outcome', outcome.kind);
      if (failure !== undefined) setFailure(span, failure, outcome.error, outcome.reason);
    }
    span.end();
  }

  private event(outcome: AttemptOutcome, durationMs: number): EventPayloads['attempt:end'] {
    return {
      ...this.request.eventFields(outcome.status, outcome.error),
      cluster: this.facts.cluster,
      endpoint: this.facts.endpoint,
      attempt: this.facts.number,
      outcome: outcome.kind,
      reason: outcome.reason,
      protocol: outcome.protocol,
      durationMs: rounded(durationMs),
    };
  }
}

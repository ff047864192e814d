import { SpanKind, context, trace, type Attributes, type Context, type Span, type Tracer } from '@opentelemetry/api';
import type { AttemptReport } from '../base/errors.ts';
import { rounded } from '../base/rounded.ts';
import { AttemptSpan, type AttemptFacts, type AttemptOutcome, type Dispatching } from './attempt-span.ts';
import { otherName } from './bounded-names.ts';
import { channels } from './channels.ts';
import type { EventName, EventPayloads, FailureType, RequestEvent, RetryDenial } from './events.ts';
import { detailsOf, errorType, flagsOf, setFailure } from './failure.ts';
import { methodLabel } from './http-method.ts';
import { GrpcCall } from './grpc-call.ts';
import type { Instruments } from './instruments.ts';
import type { MeshScope } from './mesh-scope.ts';
import type { RequestHeaders } from './propagation.ts';
import { fullUrl } from './redact-url.ts';
import type { RequestOutcome } from './request-outcome.ts';
import type { RetryFacts } from './retry-facts.ts';
import { spanEventAttributes, spanEventName } from './span-event.ts';
import type { WorkloadExchange } from './workload-exchange.ts';

/**
 * A request that begins, as the URL names it: before routing and rewriting. An interface, so that what the caller has already
 * will do and nothing need be allocated to ask.
 */
export interface RequestFacts {
  readonly method: string;
  /** `http` or `https`. */
  readonly scheme: string;
  /** The logical service: host of the URL without the port, IPv6 in brackets. */
  readonly host: string;
  readonly port: number;
  /** With its query. */
  readonly path: string;
  /** Looked at for trace headers of the caller. Not an iterator that can be read only once. */
  readonly headers: RequestHeaders;
}

export type { RequestOutcome } from './request-outcome.ts';
export type { RetryFacts } from './retry-facts.ts';

const requestEnd = channels['request:end'];
const retryScheduled = channels['retry:scheduled'];
const retryDenied = channels['retry:denied'];

/**
 * One request as telemetry sees it: its INTERNAL span, its share of the metrics, its events. It keeps the async context of the
 * caller, because a retry runs in whatever context its timer was set in. Ends once.
 */
export class RequestSpan {
  /** @internal */ readonly scope: MeshScope;
  /** @internal */ readonly tracer: Tracer | undefined;
  /** @internal */ readonly instruments: Instruments | undefined;
  /** @internal The caller's, with the span of this request; undefined without a tracer. */
  readonly context: Context | undefined;
  /** @internal */ readonly callerHeaders: RequestHeaders;
  /** @internal `{method}` of the conventions for span names. */
  readonly methodName: string;
  /** @internal Labels that all http.client metrics of this request have. */
  readonly metricLabels: Attributes;
  /** Set = it is gRPC, and measured as such. */
  grpc: GrpcCall | undefined = undefined;
  /** What metrics by workloads need to know; undefined where there are none. */
  readonly exchange: WorkloadExchange | undefined;

  private readonly number: number;
  private readonly startMs: number;
  private readonly method: string;
  private readonly scheme: string;
  private readonly host: string;
  private readonly port: number;
  private readonly path: string;
  private readonly span: Span | undefined;
  private readonly spanAttributes: Attributes | undefined;
  private readonly attempts: AttemptReport[] = [];
  private route: string | undefined = undefined;
  private cluster: string | undefined = undefined;
  private endpoint: string | undefined = undefined;
  private virtualCluster: string | undefined = undefined;
  private configVersion: string | undefined = undefined;
  private isEnded = false;

  /** @internal Made by `Telemetry.startRequest`. */
  constructor(scope: MeshScope, number: number, facts: RequestFacts, startMs: number) {
    const { method, scheme, host, port, path } = facts;
    this.scope = scope;
    this.number = number;
    this.startMs = startMs;
    this.method = method;
    this.scheme = scheme;
    this.host = host;
    this.port = port;
    this.path = path;
    this.callerHeaders = facts.headers;
    const { tracer, instruments } = scope.registration;
    this.tracer = tracer;
    this.instruments = instruments;
    this.exchange = instruments === undefined ? undefined : scope.workload?.exchangeOf(facts);
    const known = methodLabel(scope.knownMethods, method);
    this.methodName = known === '_OTHER' ? 'HTTP' : known;
    const service = scope.services.labelWithPort(host, port);
    this.metricLabels = { 'http.request.method': known, 'server.address': service, 'url.scheme': scheme };
    if (service !== otherName) this.metricLabels['server.port'] = port;
    if (tracer === undefined) {
      this.span = undefined;
      this.context = undefined;
      this.spanAttributes = undefined;
    } else {
      // All at creation: samplers decide by them.
      this.spanAttributes = {
        'http.request.method': known,
        'url.full': fullUrl(scheme, host, port, path),
        'server.address': host,
        'server.port': port,
      };
      if (known !== method) this.spanAttributes['http.request.method_original'] = method;
      const parent = context.active();
      const attributes = { ...this.spanAttributes, 'meshfetch.mesh.name': scope.meshName };
      this.span = tracer.startSpan(`meshfetch ${this.methodName}`, { kind: SpanKind.INTERNAL, attributes }, parent);
      this.context = trace.setSpan(parent, this.span);
    }
  }

  /** The request is gRPC. */
  isGrpc(): void {
    if (this.exchange !== undefined) this.exchange.isGrpc = true;
    this.grpc = new GrpcCall(this.scope, this.instruments, {
      path: this.path,
      scheme: this.scheme,
      host: this.host,
      port: this.port,
    });
  }

  /** `grpc-status` of the response that the caller gets; undefined where it has none. */
  answered(grpcStatus: string | string[] | undefined): void {
    if (this.grpc !== undefined && grpcStatus !== undefined) this.grpc.status = grpcStatus;
  }

  /** A route was found: the name that it gives to spans, and the class of requests that this one belongs to, where it has them. */
  matched(operation: string | undefined, virtualCluster: string | undefined): void {
    if (operation !== undefined) this.span?.updateName(operation);
    this.virtualCluster = virtualCluster;
  }

  /** The request was routed; called again when the cluster is drawn anew. */
  routed(route: string | undefined, cluster: string | undefined, configVersion?: string): void {
    this.route = route;
    this.cluster = cluster;
    this.configVersion = configVersion;
  }

  /** An endpoint was chosen and the attempt is about to be sent. `nowMs` is `clock.now()`, here and below. */
  startAttempt(facts: AttemptFacts, nowMs: number): AttemptSpan {
    this.endpoint = facts.endpoint;
    return new AttemptSpan(this, facts, nowMs);
  }

  /** Another attempt follows the one that has failed, or takes long. */
  retryScheduled(facts: RetryFacts): void {
    this.instruments?.get('meshfetch.client.retries').add(1, {
      'meshfetch.cluster': this.clusterLabel(),
      'meshfetch.retry.reason': facts.reason,
      'meshfetch.mesh.name': this.scope.meshName,
    });
    if (!retryScheduled.hasSubscribers && !this.isRecording()) return;
    const event: EventPayloads['retry:scheduled'] = {
      ...this.eventFields(facts.status, facts.error),
      retry: facts.retry,
      maxRetries: facts.maxRetries,
      reason: facts.reason,
      delayMs: rounded(facts.delayMs),
      budgetLeft: facts.budgetLeft === undefined ? undefined : rounded(facts.budgetLeft),
    };
    this.addSpanEvent('retry:scheduled', event);
    retryScheduled.publish(event);
  }

  /** The attempt that has failed, with this status or error, could have been retried by the policy and is not. */
  retryDenied(reason: RetryDenial, budgetLeft?: number, status?: number, error?: FailureType): void {
    if (reason === 'budget') {
      this.instruments?.get('meshfetch.retry_budget.exhausted').add(1, {
        'meshfetch.cluster': this.clusterLabel(),
        'meshfetch.mesh.name': this.scope.meshName,
      });
    }
    if (!retryDenied.hasSubscribers && !this.isRecording()) return;
    const left = budgetLeft === undefined ? undefined : rounded(budgetLeft);
    const event: EventPayloads['retry:denied'] = { ...this.eventFields(status, error), reason, budgetLeft: left };
    this.addSpanEvent('retry:denied', event);
    retryDenied.publish(event);
  }

  /** The request is over: its response body ended, failed or was cancelled, or it was refused. Further calls do nothing. */
  end(outcome: RequestOutcome, nowMs: number): void {
    if (this.isEnded) return;
    this.isEnded = true;
    const durationMs = nowMs - this.startMs;
    const failure = errorType(outcome.error, outcome.status);
    const flags = outcome.flags ?? flagsOf(outcome.error);
    const details = outcome.details ?? detailsOf(outcome.error);
    this.measure(outcome, failure, durationMs);
    const grpcStatus = this.grpc?.end(outcome.error, durationMs);
    this.exchange?.measure(this.instruments!, { status: outcome.status, error: outcome.error, flags, durationMs });
    if (this.span !== undefined) this.endSpan(this.span, outcome, failure, flags, details);
    if (!requestEnd.hasSubscribers) return;
    const event: EventPayloads['request:end'] = {
      ...this.eventFields(outcome.status, outcome.error),
      grpcStatus,
      flags,
      details,
      attempts: this.attempts,
      durationMs: rounded(durationMs),
      configVersion: this.configVersion,
      traceId: this.span?.spanContext().traceId,
    };
    requestEnd.publish(event);
  }

  /** @internal `fn` in the context; a method so that an attempt needs no closure. */
  activate<O, H>(active: Context, dispatcher: Dispatching<O, H>, options: O, handler: H): boolean {
    // oxlint-disable-next-line typescript/unbound-method -- bound by the third argument
    return context.with(active, dispatcher.dispatch, dispatcher, options, handler);
  }

  /** @internal */
  attemptEnded(facts: AttemptFacts, outcome: AttemptOutcome, startMs: number, durationMs: number): void {
    const reason = outcome.reason ?? (outcome.error === 'cancelled' ? 'cancelled' : undefined);
    this.attempts.push({
      number: facts.number,
      endpoint: facts.endpoint,
      startMs: rounded(startMs - this.startMs),
      durationMs: rounded(durationMs),
      ...(outcome.status !== undefined && { status: outcome.status }),
      ...(outcome.error !== undefined && outcome.error !== 'cancelled' && { error: outcome.error }),
      ...(reason !== undefined && { reason }),
    });
  }

  /** @internal Attributes that the spans of all attempts have. */
  httpAttributes(): Attributes {
    return this.spanAttributes ?? {};
  }

  /** @internal What every event of this request carries. */
  eventFields(status: number | undefined, error: FailureType | undefined): RequestEvent & { readonly mesh: string } {
    const query = this.path.indexOf('?');
    return {
      mesh: this.scope.meshName,
      request: this.number,
      method: this.method,
      scheme: this.scheme,
      host: this.host,
      port: this.port,
      path: query === -1 ? this.path : this.path.slice(0, query),
      route: this.route,
      cluster: this.cluster,
      endpoint: this.endpoint,
      status,
      error,
    };
  }

  /** @internal Notes a decision on the span of this request, with the fields of its event. */
  addSpanEvent(name: EventName, event: object): void {
    if (this.isRecording()) this.span!.addEvent(spanEventName(name), spanEventAttributes(event));
  }

  private isRecording(): boolean {
    return this.span !== undefined && this.span.isRecording();
  }

  private clusterLabel(): string {
    return this.cluster === undefined ? otherName : this.scope.clusters.label(this.cluster);
  }

  private measure(outcome: RequestOutcome, failure: string | undefined, durationMs: number): void {
    if (this.instruments === undefined) return;
    const labels: Attributes = { ...this.metricLabels, 'meshfetch.mesh.name': this.scope.meshName };
    if (outcome.status !== undefined) labels['http.response.status_code'] = outcome.status;
    if (failure !== undefined) labels['error.type'] = failure;
    if (this.virtualCluster !== undefined)
      labels['meshfetch.virtual_cluster'] = this.scope.virtualClusters.label(this.virtualCluster);
    this.instruments.get('meshfetch.client.call.duration').record(durationMs / 1000, labels, this.context);
  }

  private endSpan(span: Span, outcome: RequestOutcome, failure: string | undefined, flags: string, details: string): void {
    if (span.isRecording()) {
      if (this.route !== undefined) span.setAttribute('meshfetch.route', this.route);
      if (this.cluster !== undefined) span.setAttribute('meshfetch.cluster', this.cluster);
      if (this.virtualCluster !== undefined) span.setAttribute('meshfetch.virtual_cluster', this.virtualCluster);
      if (this.configVersion !== undefined) span.setAttribute('meshfetch.config.version', this.configVersion);
      if (outcome.status !== undefined) span.setAttribute('http.response.status_code', outcome.status);
      span.setAttribute('meshfetch.attempts', this.attempts.length);
      span.setAttribute('meshfetch.response.flags', flags);
      span.setAttribute('meshfetch.response.details', details);
      if (failure !== undefined) setFailure(span, failure, outcome.error, outcome.message);
    }
    span.end();
  }
}

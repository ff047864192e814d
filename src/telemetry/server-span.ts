/**
 * A request that came in, as telemetry sees it: its SERVER span, which continues the caller's trace, its share of the metrics, its
 * events. An HTTP instrumentation that has made a SERVER span of it already keeps that span and the `http.server.*` metrics: then
 * the mesh adds what it knows to it. Whoever makes the span is known by the RPC metadata in its context, which all copies of
 * @opentelemetry/core find by one name (`createContextKey` is `Symbol.for`); frameworks write the route there, for either.
 */
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, context, propagation, trace } from '@opentelemetry/api';
import type { Attributes, Context, Span, TextMapGetter } from '@opentelemetry/api';
import { rounded } from '../base/rounded.ts';
import type { InboundRefusal } from '../model/inbound.ts';
import type { AccessLogEntry } from './access-log-entry.ts';
import type { AccessLog } from './access-log.ts';
import { bodySizesOf, type BodySizes } from './body-sizes.ts';
import { channels } from './channels.ts';
import { methodLabel } from './http-method.ts';
import { grpcServerCallOf, type GrpcServerCall } from './grpc-server-call.ts';
import type { InboundEndEvent, InboundEvent, InboundRefusalReason } from './inbound-events.ts';
import type { Instruments } from './instruments.ts';
import type { MeshScope } from './mesh-scope.ts';
import { printable } from './printable.ts';
import { rpcMetadataKey, rpcMetadataOf, type RpcMetadata } from './rpc-metadata.ts';
import { ServerExchange } from './server-exchange.ts';
import {
  failureOf,
  protocolVersion,
  serverAttributes,
  type ServerFacts,
  type ServerOutcome,
  type ShadowVerdict,
  type UnansweredCheck,
} from './server-facts.ts';
import { spanEventAttributes, spanEventName } from './span-event.ts';

const inboundEnd = channels['inbound:end'];
const inboundRefused = channels['inbound:refused'];
const shadow = channels['authorization:shadow'];
const unanswered = channels['inbound:authorizer-unanswered'];

/** Longest text of a caller's choice that an event has. */
const maxTextLength = 1024;

const getter: TextMapGetter<ServerFacts> = {
  get(facts, name) {
    const value = facts.header(name.toLowerCase());
    return typeof value === 'object' ? [...value] : value;
  },
  keys: () => propagation.fields(),
};

/** The telemetry of one request that came in. Ends once. */
export class ServerSpan {
  /** With the span of the request, for what is done on its behalf; undefined without a tracer, or where an instrumentation set it. */
  readonly context: Context | undefined;
  /** What metrics by workloads need to know; undefined where there are none. */
  readonly exchange: ServerExchange | undefined;
  /** Metrics of a gRPC call; undefined where it is none, and without an SDK. */
  readonly grpc: GrpcServerCall | undefined;
  private readonly scope: MeshScope;
  private readonly instruments: Instruments | undefined;
  private readonly accessLogs: readonly AccessLog[] | undefined;
  private readonly sizes: BodySizes | undefined;
  private readonly number: number;
  private readonly facts: ServerFacts;
  private readonly startMs: number;
  private readonly span: Span | undefined;
  /** Of an instrumentation that was there before: it ends the span, and has the `http.server` metrics. */
  private readonly isTheirs: boolean;
  private readonly rpc: RpcMetadata | undefined;
  private readonly method: string;
  private listener: string | undefined = undefined;
  private chain: string | undefined = undefined;
  private refusal: InboundRefusalReason | undefined = undefined;
  private flags = '-';
  private details = 'via_upstream';
  private isEnded = false;

  /** @internal Made by `Telemetry.startServer`. */
  constructor(
    scope: MeshScope,
    number: number,
    facts: ServerFacts,
    startMs: number,
    accessLogs: readonly AccessLog[] | undefined,
  ) {
    this.scope = scope;
    this.number = number;
    this.facts = facts;
    this.startMs = startMs;
    const { tracer, instruments } = scope.registration;
    this.instruments = instruments;
    this.exchange =
      instruments === undefined || scope.workload === undefined ? undefined : new ServerExchange(scope.workload, facts);
    this.accessLogs = accessLogs;
    this.grpc = grpcServerCallOf(scope, instruments, facts);
    const isSized = this.exchange !== undefined || accessLogs !== undefined || this.grpc !== undefined;
    this.sizes = isSized ? bodySizesOf(facts) : undefined;
    this.method = methodLabel(scope.knownMethods, facts.method);
    const theirs = tracer === undefined && instruments === undefined ? undefined : rpcMetadataOf(context.active());
    this.isTheirs = theirs !== undefined;
    if (theirs !== undefined) {
      this.span = theirs.span;
      this.rpc = theirs;
      this.context = undefined;
    } else if (tracer === undefined) {
      this.span = undefined;
      this.rpc = undefined;
      this.context = undefined;
    } else {
      const parent = propagation.extract(ROOT_CONTEXT, facts, getter);
      // All at creation: samplers decide by them.
      this.span = tracer.startSpan(
        this.methodName(),
        { kind: SpanKind.SERVER, attributes: { ...serverAttributes(facts, this.method), 'meshfetch.mesh.name': scope.meshName } },
        parent,
      );
      this.rpc = { type: 'http', span: this.span };
      this.context = trace.setSpan(parent, this.span).setValue(rpcMetadataKey, this.rpc);
    }
    if (!this.isTheirs) instruments?.get('http.server.active_requests').add(1, this.activeLabels());
  }

  /** The policy that holds for it was found. */
  served(listener: string, chain: string | undefined): void {
    this.listener = listener;
    this.chain = chain;
  }

  /** Calls `work` in the context of the request. */
  run(work: () => void): void {
    if (this.context === undefined) work();
    else context.with(this.context, work);
  }

  /** The mesh answers it in the place of the program. */
  refused(reason: InboundRefusalReason, { status, flag, details }: InboundRefusal): void {
    this.refusal = reason;
    this.flags = flag;
    this.details = details;
    this.instruments?.get('meshfetch.server.refusals').add(1, {
      'meshfetch.refusal.reason': reason,
      'server.port': this.facts.connection.localPort,
      'meshfetch.mesh.name': this.scope.meshName,
    });
    if (inboundRefused.hasSubscribers)
      inboundRefused.publish({ ...this.eventFields(), mesh: this.scope.meshName, reason, status, flags: flag, details });
  }

  /** A policy that is not in force, or only watches, looked at it. */
  shadowed(facts: ShadowVerdict): void {
    this.instruments?.get('meshfetch.server.shadow_verdicts').add(1, {
      'meshfetch.shadow.kind': facts.kind,
      'meshfetch.shadow.verdict': facts.verdict,
      'meshfetch.policy': this.scope.policies.label(facts.policy ?? ''),
      'meshfetch.mesh.name': this.scope.meshName,
    });
    if (this.span?.isRecording() === true)
      this.span.addEvent(spanEventName('authorization:shadow'), spanEventAttributes({ ...facts }));
    if (shadow.hasSubscribers) shadow.publish({ ...this.eventFields(), mesh: this.scope.meshName, ...facts });
  }

  /** An external authorizer said nothing about it. */
  unanswered(facts: UnansweredCheck): void {
    this.instruments?.get('meshfetch.server.unanswered_checks').add(1, {
      'meshfetch.authorizer': this.scope.policies.label(facts.authorizer),
      'meshfetch.authorizer.fail_open': facts.wentOn,
      'meshfetch.mesh.name': this.scope.meshName,
    });
    if (this.span?.isRecording() === true)
      this.span.addEvent(spanEventName('inbound:authorizer-unanswered'), spanEventAttributes({ ...facts }));
    if (unanswered.hasSubscribers) unanswered.publish({ ...this.eventFields(), mesh: this.scope.meshName, ...facts });
  }

  /** Its response is over, or its caller has left. Further calls do nothing. `nowMs` is `clock.now()`. */
  end(outcome: ServerOutcome, nowMs: number): void {
    if (this.isEnded) return;
    this.isEnded = true;
    const durationMs = nowMs - this.startMs;
    const isCancelled = outcome.isCancelled === true;
    if (isCancelled && this.refusal === undefined) {
      this.flags = 'DC';
      this.details = 'downstream_remote_disconnect';
    }
    if (!this.isTheirs) this.measure(outcome, durationMs);
    this.grpc?.end(isCancelled, durationMs, this.sizes);
    this.exchange?.measure(this.instruments!, { status: outcome.status, flags: this.flags, durationMs, sizes: this.sizes });
    if (this.accessLogs !== undefined) this.log(this.accessLogs, outcome, durationMs);
    if (this.span !== undefined) this.endSpan(this.span, outcome);
    if (!inboundEnd.hasSubscribers) return;
    const event: InboundEndEvent & { readonly mesh: string } = {
      mesh: this.scope.meshName,
      ...this.eventFields(),
      status: outcome.status,
      error: isCancelled ? 'cancelled' : undefined,
      refusal: this.refusal,
      flags: this.flags,
      details: this.details,
      requestPrincipal: outcome.requestPrincipal,
      protocol: protocolVersion(this.facts),
      durationMs: rounded(durationMs),
      traceId: this.span?.spanContext().traceId,
    };
    inboundEnd.publish(event);
  }

  private measure(outcome: ServerOutcome, durationMs: number): void {
    if (this.instruments === undefined) return;
    this.instruments.get('http.server.active_requests').add(-1, this.activeLabels());
    const labels: Attributes = { ...this.activeLabels(), 'network.protocol.version': protocolVersion(this.facts) };
    if (outcome.status !== undefined) labels['http.response.status_code'] = outcome.status;
    const failure = failureOf(outcome);
    if (failure !== undefined) labels['error.type'] = failure;
    const route = this.rpc?.route ?? outcome.route;
    if (route !== undefined) labels['http.route'] = this.scope.routes.label(route);
    this.instruments.get('http.server.request.duration').record(durationMs / 1000, labels, this.context);
  }

  private endSpan(span: Span, outcome: ServerOutcome): void {
    if (span.isRecording()) {
      if (this.isTheirs) span.setAttribute('meshfetch.mesh.name', this.scope.meshName);
      const { peer } = this.facts.connection;
      const id = peer.spiffeId ?? peer.dnsNames[0];
      if (id !== undefined) span.setAttribute('meshfetch.peer.id', id);
      if (this.listener !== undefined) span.setAttribute('meshfetch.listener', this.listener);
      if (this.chain !== undefined) span.setAttribute('meshfetch.filter_chain', this.chain);
      if (this.refusal !== undefined) span.setAttribute('meshfetch.refusal.reason', this.refusal);
      span.setAttribute('meshfetch.response.flags', this.flags);
      span.setAttribute('meshfetch.response.details', this.details);
      if (!this.isTheirs) this.describe(span, outcome);
    }
    if (!this.isTheirs) span.end();
  }

  private describe(span: Span, outcome: ServerOutcome): void {
    if (outcome.status !== undefined) span.setAttribute('http.response.status_code', outcome.status);
    const route = this.rpc?.route ?? outcome.route;
    if (route !== undefined) {
      span.setAttribute('http.route', route);
      span.updateName(`${this.methodName()} ${route}`);
    }
    const failure = failureOf(outcome);
    if (failure === undefined) return;
    span.setAttribute('error.type', failure);
    span.setStatus({ code: SpanStatusCode.ERROR });
  }

  private log(accessLogs: readonly AccessLog[], outcome: ServerOutcome, durationMs: number): void {
    const { sizes, facts } = this;
    const entry: AccessLogEntry = {
      mesh: this.scope.meshName,
      facts,
      startWallMs: this.scope.clock.wallNow() - durationMs,
      durationMs,
      status: outcome.status,
      flags: this.flags,
      details: this.details,
      isRefused: this.refusal !== undefined,
      isCancelled: outcome.isCancelled === true,
      requestBytes: sizes?.requestBytes ?? 0,
      responseBytes: sizes?.responseBytes ?? 0,
      grpcStatus: sizes?.grpcStatus,
      listener: this.listener,
      chain: this.chain,
      route: outcome.policyRoute,
      traceId: this.span?.spanContext().traceId,
    };
    for (const each of accessLogs) each.write(entry);
  }

  private methodName(): string {
    return this.method === '_OTHER' ? 'HTTP' : this.method;
  }

  private activeLabels(): Attributes {
    return {
      'http.request.method': this.method,
      'url.scheme': this.facts.scheme,
      'server.port': this.facts.connection.localPort,
    };
  }

  /** What every event of this request says, but the name of the mesh. */
  private eventFields(): InboundEvent {
    const { method, scheme, authority, pathOnly, connection } = this.facts;
    const { peer } = connection;
    return {
      inbound: this.number,
      method: printable(method, maxTextLength),
      scheme,
      host: printable(authority, maxTextLength),
      port: connection.localPort,
      path: printable(pathOnly, maxTextLength),
      peer: peer.spiffeId ?? peer.dnsNames[0],
      peerAddress: peer.address,
      listener: this.listener,
      chain: this.chain,
    };
  }
}

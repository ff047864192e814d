/**
 * What the mesh says about itself: spans and metrics through @opentelemetry/api, typed events on node:diagnostics_channel. The
 * library writes no log. Whoever decides something tells it here once; where it goes is settled here.
 *
 * The request path asks {@link Telemetry.startRequest} once per request. When nobody listens the answer is undefined, costs less
 * than 30 ns and allocates nothing; all else of that request is skipped by `?.`.
 */
import { propagation } from '@opentelemetry/api';
import type { Clock } from '../base/runtime.ts';
import type { ControlPlane } from '../model/contracts.ts';
import type { AccessLog } from './access-log.ts';
import { channels } from './channels.ts';
import { startDebug } from './debug.ts';
import { eventMetrics } from './event-metrics.ts';
import type { EventFacts, EventName } from './events.ts';
import type { Instruments } from './instruments.ts';
import { MeshScope } from './mesh-scope.ts';
import { Readings } from './readings.ts';
import type { TelemetrySource } from './readings.ts';
import { Registration } from './registration.ts';
import { RequestSpan } from './request-span.ts';
import type { RequestFacts } from './request-span.ts';
import type { ServerFacts } from './server-facts.ts';
import { ServerSpan } from './server-span.ts';
import { WorkloadScope } from './workload-exchange.ts';

/** Whose telemetry it is, and by what clock. */
export interface TelemetryOptions {
  /** On every event and every meshfetch metric; several meshes may live in one process. */
  readonly meshName: string;
  readonly clock: Clock;
  /** Who this process is, in a mesh whose metrics name workloads. */
  readonly workload?: ControlPlane['workload'] | undefined;
}

const noHeaders: readonly string[] = Object.freeze([]);
const requestEnd = channels['request:end'];
const attemptEnd = channels['attempt:end'];
const retryScheduled = channels['retry:scheduled'];
const retryDenied = channels['retry:denied'];
const inboundEnd = channels['inbound:end'];
const inboundRefused = channels['inbound:refused'];
const shadow = channels['authorization:shadow'];
const unanswered = channels['inbound:authorizer-unanswered'];

/** The telemetry of one mesh. */
export class Telemetry {
  private readonly registration: Registration;
  private readonly scope: MeshScope;
  private readonly readings: Readings;
  private requests = 0;
  private inbound = 0;

  /** @internal See {@link createTelemetry}. */
  constructor(options: TelemetryOptions) {
    this.registration = new Registration((instruments) => this.readings.attach(instruments));
    this.scope = new MeshScope(
      options.meshName,
      this.registration,
      process.env['OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS'],
      options.workload === undefined ? undefined : new WorkloadScope(options.workload),
      options.clock,
    );
    this.readings = new Readings(this.scope, options.clock);
    this.registration.check();
  }

  /**
   * A request begins; undefined when no SDK is registered and nobody has subscribed to the events of requests. Called in the async
   * context of the caller: the active span is the parent. `startMs` is `clock.now()`.
   */
  startRequest(facts: RequestFacts, startMs: number): RequestSpan | undefined {
    if (
      !this.registration.check() &&
      !requestEnd.hasSubscribers &&
      !attemptEnd.hasSubscribers &&
      !retryScheduled.hasSubscribers &&
      !retryDenied.hasSubscribers
    ) {
      return undefined;
    }
    this.requests += 1;
    return new RequestSpan(this.scope, this.requests, facts, startMs);
  }

  /**
   * A request came in; undefined when no SDK is registered, nobody has subscribed to the events of such requests, and its policy asks for
   * no access log (`accessLogs`). Called in the async context in which its server hands it over. `startMs` is `clock.now()`.
   */
  startServer(facts: ServerFacts, startMs: number, accessLogs?: readonly AccessLog[]): ServerSpan | undefined {
    if (
      accessLogs === undefined &&
      !this.registration.check() &&
      !inboundEnd.hasSubscribers &&
      !inboundRefused.hasSubscribers &&
      !unanswered.hasSubscribers &&
      !shadow.hasSubscribers
    ) {
      return undefined;
    }
    this.inbound += 1;
    return new ServerSpan(this.scope, this.inbound, facts, startMs, accessLogs);
  }

  /** Headers by which the SDK that is registered hands on what a request came in with; none without a tracer, which would read them. */
  propagatedHeaders(): readonly string[] {
    this.registration.check();
    return this.registration.tracer === undefined ? noHeaders : propagation.fields();
  }

  /**
   * Something happened outside the life of a request: counts it, and tells the subscribers. `facts` is called only when somebody
   * wants to know. With `request`, the span of the request whose outcome led to it notes it too.
   */
  publish<N extends EventName>(name: N, facts: () => EventFacts[N], request?: RequestSpan): void {
    const channel = channels[name];
    this.registration.check();
    const instruments = this.countedBy(name);
    if (instruments === undefined && request === undefined && !channel.hasSubscribers) return;
    const event = facts();
    if (instruments !== undefined) eventMetrics[name]?.(instruments, event, this.scope);
    request?.addSpanEvent(name, event);
    if (channel.hasSubscribers) channel.publish({ mesh: this.scope.meshName, ...event });
  }

  /** Reads the gauges of `source` whenever metrics are collected; returns what ends that. */
  observe(source: TelemetrySource): () => void {
    this.registration.check();
    return this.readings.add(source);
  }

  /** The mesh is closed: its gauges are read no more. */
  close(): void {
    this.readings.close();
  }

  private countedBy(name: EventName): Instruments | undefined {
    return eventMetrics[name] === undefined ? undefined : this.registration.instruments;
  }
}

/** The telemetry of a mesh. With `NODE_DEBUG=meshfetch` it also prints the decisions on stderr. */
export function createTelemetry(options: TelemetryOptions): Telemetry {
  startDebug();
  return new Telemetry(options);
}

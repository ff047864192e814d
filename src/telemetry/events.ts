/**
 * What the mesh tells: typed events on node:diagnostics_channel, each on the channel `meshfetch:<area>:<what>`. These are the
 * payloads; the words for them are in event-table.ts, which the compiler holds to this list.
 */
import type { AttemptReport, MeshErrorCode } from '../base/errors.ts';
import type { ControlPlaneStatus, Problem } from '../model/contracts.ts';
import type { ResourceKey } from '../model/snapshot.ts';
import type { RetryCondition } from '../model/retry-conditions.ts';
import type {
  AccessLogEvent,
  AuthorizationShadowEvent,
  AuthorizerUnansweredEvent,
  ConnectionRefusedEvent,
  InboundEndEvent,
  InboundFailedEvent,
  InboundKeysEvent,
  InboundPortEvent,
  InboundRefusedEvent,
} from './inbound-events.ts';

/** Why a request or an attempt failed: the code of the error, or `cancelled` when the caller (or a hedge that won) ended it. */
export type FailureType = MeshErrorCode | 'cancelled';

/** What the mesh did with the outcome of an attempt. `abandoned`: another attempt won, or the caller gave up. */
export type AttemptOutcomeKind = 'delivered' | 'retried' | 'failed' | 'abandoned';

/** Why a failed attempt that the policy calls retriable was not followed by another. */
export type RetryDenial = 'budget' | 'attempts' | 'method' | 'body' | 'deadline' | 'limit' | 'wait';

/** What all events of a request say. */
export interface RequestEvent {
  readonly request: number;
  readonly method: string;
  readonly scheme: string;
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly route: string | undefined;
  readonly cluster: string | undefined;
  readonly endpoint: string | undefined;
  readonly status: number | undefined;
  readonly error: FailureType | undefined;
}

/** A request is over, with or without a response: what became of it, all attempts together. */
export interface RequestEndEvent extends RequestEvent {
  readonly grpcStatus: string | undefined;
  readonly flags: string;
  readonly details: string;
  readonly attempts: readonly AttemptReport[];
  readonly durationMs: number;
  readonly configVersion: string | undefined;
  readonly traceId: string | undefined;
}

/** One attempt of a request is over, and what followed it. */
export interface AttemptEndEvent extends RequestEvent {
  readonly attempt: number;
  readonly outcome: AttemptOutcomeKind;
  readonly reason: string | undefined;
  readonly protocol: string | undefined;
  readonly durationMs: number;
}

/** An attempt failed and another one follows after `delayMs`; or one takes long, and a hedge starts beside it. */
export interface RetryScheduledEvent extends RequestEvent {
  readonly retry: number;
  readonly maxRetries: number;
  readonly reason: RetryCondition | 'hedge';
  readonly delayMs: number;
  readonly budgetLeft: number | undefined;
}

/** An attempt failed in a way that the policy would retry, and nothing follows. */
export interface RetryDeniedEvent extends RequestEvent {
  readonly reason: RetryDenial;
  readonly budgetLeft: number | undefined;
}

/** Outlier detection took an endpoint out for `ejectionMs`. */
export interface HostEjectedEvent {
  readonly cluster: string;
  readonly endpoint: string;
  readonly reason: string;
  readonly ejectionMs: number;
  readonly ejectedHosts: number;
  readonly totalHosts: number;
}

/** The ejection of an endpoint is over. */
export interface HostReturnedEvent {
  readonly cluster: string;
  readonly endpoint: string;
  readonly ejectedHosts: number;
  readonly totalHosts: number;
}

/** What active health checks say about an endpoint has changed, or is known for the first time. */
export interface HealthCheckChangedEvent {
  readonly cluster: string;
  readonly endpoint: string;
  readonly state: 'healthy' | 'degraded' | 'unhealthy';
  readonly reason: string | undefined;
}

/** An endpoint that is asked for its load out of band does not say it (any more): once, until it does. */
export interface LoadReportLostEvent {
  readonly cluster: string;
  readonly endpoint: string;
  readonly reason: string;
  readonly isFinal: boolean;
}

/** A circuit breaker changed its state: that of an endpoint, or of a whole cluster when `endpoint` is absent. */
export interface BreakerEvent {
  readonly cluster: string;
  readonly endpoint?: string | undefined;
  readonly reason?: string | undefined;
  readonly openMs?: number | undefined;
}

/** What of an update is in force, and what of it has no effect. */
export interface ConfigAppliedEvent {
  readonly source: string;
  readonly version?: string | undefined;
  readonly accepted: number;
  /** Kinds and names of those, the first twenty. */
  readonly resources: readonly ResourceKey[];
  readonly unhonoured: readonly Problem[];
}

/** What of an update was refused; the last good version of it stays in force. */
export interface ConfigRejectedEvent {
  readonly source: string;
  readonly version?: string | undefined;
  readonly reason: string;
  readonly problems: readonly Problem[];
}

/** An SVID or trust bundle is in force, or is gone. Never carries key material. */
export interface IdentityRotatedEvent {
  readonly source: string;
  readonly name: string;
  readonly kind: 'svid' | 'trust-bundle';
  readonly change: 'set' | 'removed';
  readonly generation: number;
  readonly identity?: string | undefined;
  readonly expiresMs?: number | undefined;
}

/** An SVID or trust bundle was refused; the old one stays in force. */
export interface IdentityRejectedEvent {
  readonly source: string;
  readonly name: string;
  readonly kind: 'svid' | 'trust-bundle';
  readonly reason: string;
}

/** A connection to an endpoint is ready for requests. */
export interface ConnectionOpenedEvent {
  readonly cluster: string;
  readonly endpoint: string;
  readonly protocol?: string | undefined;
  readonly isTls?: boolean | undefined;
}

/** A connection that was ready is closed, and why. */
export interface ConnectionClosedEvent {
  readonly cluster: string;
  readonly endpoint: string;
  readonly reason: string;
}

/** A control plane connected, lost its connection or failed. */
export interface ControlPlaneStateEvent {
  readonly source: string;
  readonly state: ControlPlaneStatus['state'];
  readonly error?: string | undefined;
}

/** Name of each event → what it says, as the rooms of the mesh hand it in. */
export interface EventFacts {
  readonly 'request:end': RequestEndEvent;
  readonly 'attempt:end': AttemptEndEvent;
  readonly 'retry:scheduled': RetryScheduledEvent;
  readonly 'retry:denied': RetryDeniedEvent;
  readonly 'host:ejected': HostEjectedEvent;
  readonly 'host:returned': HostReturnedEvent;
  readonly 'health-check:changed': HealthCheckChangedEvent;
  readonly 'load-report:lost': LoadReportLostEvent;
  readonly 'breaker:opened': BreakerEvent;
  readonly 'breaker:half-open': BreakerEvent;
  readonly 'breaker:closed': BreakerEvent;
  readonly 'config:applied': ConfigAppliedEvent;
  readonly 'config:rejected': ConfigRejectedEvent;
  readonly 'identity:rotated': IdentityRotatedEvent;
  readonly 'identity:rejected': IdentityRejectedEvent;
  readonly 'connection:opened': ConnectionOpenedEvent;
  readonly 'connection:closed': ConnectionClosedEvent;
  readonly 'control-plane:state': ControlPlaneStateEvent;
  readonly 'inbound:end': InboundEndEvent;
  readonly 'inbound:refused': InboundRefusedEvent;
  readonly 'inbound:failed': InboundFailedEvent;
  readonly 'inbound:connection-refused': ConnectionRefusedEvent;
  readonly 'inbound:authorizer-unanswered': AuthorizerUnansweredEvent;
  readonly 'inbound:access-log': AccessLogEvent;
  readonly 'inbound:listening': InboundPortEvent;
  readonly 'inbound:draining': InboundPortEvent;
  readonly 'inbound:closed': InboundPortEvent;
  readonly 'inbound:keys': InboundKeysEvent;
  readonly 'authorization:shadow': AuthorizationShadowEvent;
}

/** Names of the events; the channel of `x` is `meshfetch:x`. */
export type EventName = keyof EventFacts;

/** Name of each event → what its channel carries: the facts, and the name of the mesh. */
export type EventPayloads = { readonly [N in EventName]: EventFacts[N] & { readonly mesh: string } };

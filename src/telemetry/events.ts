/**
 * What the mesh tells: typed events on node:diagnostics_channel, each on the channel `meshfetch:<area>:<what>`. The payload types,
 * the words of docs/reference/events.md (tested both ways) and the debug printer all hang on this one list.
 */
import type { AttemptReport, MeshErrorCode } from '../base/errors.ts';
import type { ControlPlaneStatus, Problem } from '../model/contracts.ts';
import type { RetryCondition } from '../model/policy.ts';

/** Why a request or an attempt failed: the code of the error, or `cancelled` when the caller (or a hedge that won) ended it. */
export type FailureType = MeshErrorCode | 'cancelled';

/** What the mesh did with the outcome of an attempt. `abandoned`: another attempt won, or the caller gave up. */
export type AttemptOutcomeKind = 'delivered' | 'retried' | 'failed' | 'abandoned';

/** Why a failed attempt that the policy calls retriable was not followed by another. */
export type RetryDenial = 'budget' | 'attempts' | 'method' | 'body' | 'deadline' | 'limit';

interface MeshEvent {
  readonly mesh: string;
}

interface RequestEvent extends MeshEvent {
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

export interface RequestEndEvent extends RequestEvent {
  readonly flags: string;
  readonly details: string;
  readonly attempts: readonly AttemptReport[];
  readonly durationMs: number;
  readonly configVersion: string | undefined;
  readonly traceId: string | undefined;
}

export interface AttemptEndEvent extends RequestEvent {
  readonly attempt: number;
  readonly outcome: AttemptOutcomeKind;
  readonly reason: string | undefined;
  readonly protocol: string | undefined;
  readonly durationMs: number;
}

export interface RetryScheduledEvent extends RequestEvent {
  readonly retry: number;
  readonly maxRetries: number;
  readonly reason: RetryCondition;
  readonly delayMs: number;
  readonly budgetLeft: number | undefined;
}

export interface RetryDeniedEvent extends RequestEvent {
  readonly reason: RetryDenial;
  readonly budgetLeft: number | undefined;
}

export interface HostEjectedEvent extends MeshEvent {
  readonly cluster: string;
  readonly endpoint: string;
  readonly reason: string;
  readonly ejectionMs: number;
  readonly ejectedHosts: number;
  readonly totalHosts: number;
}

export interface HostReturnedEvent extends MeshEvent {
  readonly cluster: string;
  readonly endpoint: string;
  readonly ejectedHosts: number;
  readonly totalHosts: number;
}

export interface BreakerEvent extends MeshEvent {
  readonly cluster: string;
  readonly endpoint?: string | undefined;
  readonly reason?: string | undefined;
  readonly openMs?: number | undefined;
}

export interface ConfigAppliedEvent extends MeshEvent {
  readonly source: string;
  readonly version?: string | undefined;
  readonly accepted: number;
  readonly unhonoured: readonly Problem[];
}

export interface ConfigRejectedEvent extends MeshEvent {
  readonly source: string;
  readonly version?: string | undefined;
  readonly reason: string;
  readonly problems: readonly Problem[];
}

export interface IdentityRotatedEvent extends MeshEvent {
  readonly source: string;
  readonly name: string;
  readonly kind: 'svid' | 'trust-bundle';
  readonly change: 'set' | 'removed';
  readonly generation: number;
  readonly identity?: string | undefined;
  readonly expiresMs?: number | undefined;
}

export interface IdentityRejectedEvent extends MeshEvent {
  readonly source: string;
  readonly name: string;
  readonly kind: 'svid' | 'trust-bundle';
  readonly reason: string;
}

export interface ConnectionOpenedEvent extends MeshEvent {
  readonly cluster: string;
  readonly endpoint: string;
  readonly protocol?: string | undefined;
  readonly isTls?: boolean | undefined;
  readonly peer?: string | undefined;
  readonly connectMs?: number | undefined;
}

export interface ConnectionClosedEvent extends MeshEvent {
  readonly cluster: string;
  readonly endpoint: string;
  readonly reason: string;
}

export interface ControlPlaneStateEvent extends MeshEvent {
  readonly source: string;
  readonly state: ControlPlaneStatus['state'];
  readonly error?: string | undefined;
}

/** Name of each event → what its channel carries. */
export interface EventPayloads {
  readonly 'request:end': RequestEndEvent;
  readonly 'attempt:end': AttemptEndEvent;
  readonly 'retry:scheduled': RetryScheduledEvent;
  readonly 'retry:denied': RetryDeniedEvent;
  readonly 'host:ejected': HostEjectedEvent;
  readonly 'host:returned': HostReturnedEvent;
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
}

export type EventName = keyof EventPayloads;

/** A payload as the rooms of the mesh hand it in: the mesh's name is added on the way. */
export type EventFacts<N extends EventName> = Omit<EventPayloads[N], 'mesh'>;

const requestFields = {
  mesh: 'Name of the mesh.',
  request: 'Number of the request in this mesh, from 1: ties the events of one request together.',
  method: 'As the caller wrote it.',
  scheme: '`http` or `https`, of the URL.',
  host: 'Host of the URL: the logical service.',
  port: 'Port of the URL.',
  path: 'Without its query.',
  route: 'Name of the matched route.',
  cluster: 'Cluster that the route chose.',
  endpoint: '`address:port` of the last attempt; absent when no endpoint was chosen.',
  status: 'Status of the response; absent when none came.',
  error: 'Code of the MeshError, or `cancelled`; absent when there was none.',
} as const;

const breakerFields = {
  mesh: 'Name of the mesh.',
  cluster: 'Name of the cluster.',
  endpoint: '`address:port`; absent when the breaker is that of the whole cluster.',
  reason: 'Why, in words: `7 of 12 requests failed`.',
  openMs: 'How long it stays open before a probe.',
} as const;

type FieldDocs<P> = { readonly [K in keyof P]-?: string };

/** Words for every event and every field: the type makes a missing or a superfluous one an error. */
export const eventTable: { readonly [N in EventName]: { readonly doc: string; readonly fields: FieldDocs<EventPayloads[N]> } } = {
  'request:end': {
    doc: 'A request is over: its response body ended, failed or was cancelled, or there was no response.',
    fields: {
      ...requestFields,
      flags: 'Envoy response flags, comma separated, or `-`.',
      details: 'Envoy response code details.',
      attempts: 'Every attempt: number, endpoint, startMs, durationMs, status, error, reason.',
      durationMs: 'From the call to the end.',
      configVersion: 'Version of the configuration that the request was routed by.',
      traceId: 'Trace of the request, when a tracer is registered.',
    },
  },
  'attempt:end': {
    doc: 'One attempt is over.',
    fields: {
      ...requestFields,
      attempt: 'From 1.',
      outcome: 'What followed: `delivered`, `retried`, `failed` or `abandoned`.',
      reason: 'In the words of the transport.',
      protocol: '`1.1` or `2`.',
      durationMs: 'From the choice of the endpoint to the end.',
    },
  },
  'retry:scheduled': {
    doc: 'An attempt failed and another one follows.',
    fields: {
      ...requestFields,
      retry: 'From 1.',
      maxRetries: 'How many the policy allows.',
      reason: 'The condition of the retry policy that was met.',
      delayMs: 'Wait before the next attempt.',
      budgetLeft: 'Retries left in the budget after this one.',
    },
  },
  'retry:denied': {
    doc: 'An attempt failed in a way that the policy would retry, and was not retried.',
    fields: {
      ...requestFields,
      reason:
        '`budget` is spent, all `attempts` are used, the `method` is not idempotent, the `body` cannot be repeated, no time is left before the `deadline`, or the `limit` of concurrent retries is reached.',
      budgetLeft: 'Retries left in the budget.',
    },
  },
  'host:ejected': {
    doc: 'Outlier detection took an endpoint out.',
    fields: {
      mesh: 'Name of the mesh.',
      cluster: 'Name of the cluster.',
      endpoint: '`address:port`.',
      reason: 'Which detection: `consecutive-5xx`, …',
      ejectionMs: 'For how long.',
      ejectedHosts: 'Endpoints of the cluster that are out now.',
      totalHosts: 'Endpoints of the cluster.',
    },
  },
  'host:returned': {
    doc: 'The ejection of an endpoint is over.',
    fields: {
      mesh: 'Name of the mesh.',
      cluster: 'Name of the cluster.',
      endpoint: '`address:port`.',
      ejectedHosts: 'Endpoints of the cluster that are still out.',
      totalHosts: 'Endpoints of the cluster.',
    },
  },
  'breaker:opened': { doc: 'A circuit breaker opened.', fields: breakerFields },
  'breaker:half-open': { doc: 'A circuit breaker lets one probe through.', fields: breakerFields },
  'breaker:closed': { doc: 'A circuit breaker closed.', fields: breakerFields },
  'config:applied': {
    doc: 'An update of the configuration is in force.',
    fields: {
      mesh: 'Name of the mesh.',
      source: 'Control plane that sent it.',
      version: 'Its version.',
      accepted: 'Resources of the update that are in force.',
      unhonoured: 'Fields that were understood and have no effect: key, path, reason.',
    },
  },
  'config:rejected': {
    doc: 'An update, or part of one, was refused; the last good version of what was refused stays in force.',
    fields: {
      mesh: 'Name of the mesh.',
      source: 'Control plane that sent it.',
      version: 'Its version, when it could be read.',
      reason: 'One sentence.',
      problems: 'Each mistake: key, path, reason.',
    },
  },
  'identity:rotated': {
    doc: 'A certificate or trust bundle is in force, or is gone.',
    fields: {
      mesh: 'Name of the mesh.',
      source: 'Identity source that sent it.',
      name: 'Name of the identity or bundle.',
      kind: '`svid` or `trust-bundle`.',
      change: '`set` or `removed`.',
      generation: 'Number of the change: connections are tied to that of the material they were made with.',
      identity: 'SPIFFE ID or DNS name in the certificate.',
      expiresMs: 'End of its validity, milliseconds since 1970.',
    },
  },
  'identity:rejected': {
    doc: 'A certificate or trust bundle was refused; the old one stays in force.',
    fields: {
      mesh: 'Name of the mesh.',
      source: 'Identity source that sent it.',
      name: 'Name of the identity or bundle.',
      kind: '`svid` or `trust-bundle`.',
      reason: 'What is wrong with it.',
    },
  },
  'connection:opened': {
    doc: 'A connection to an endpoint is ready for use.',
    fields: {
      mesh: 'Name of the mesh.',
      cluster: 'Name of the cluster.',
      endpoint: '`address:port`.',
      protocol: '`1.1` or `2`.',
      isTls: 'Whether it is encrypted.',
      peer: 'Verified SPIFFE ID or DNS name of the endpoint.',
      connectMs: 'Time to connect, the TLS handshake included.',
    },
  },
  'connection:closed': {
    doc: 'A connection to an endpoint closed.',
    fields: {
      mesh: 'Name of the mesh.',
      cluster: 'Name of the cluster.',
      endpoint: '`address:port`.',
      reason: 'Why, in the words of the transport or of the mesh.',
    },
  },
  'control-plane:state': {
    doc: 'A control plane connected, lost its connection or failed.',
    fields: {
      mesh: 'Name of the mesh.',
      source: 'Name of the control plane.',
      state: '`connecting`, `connected`, `disconnected` or `failed`.',
      error: 'Why it is not connected, with the remedy.',
    },
  },
};

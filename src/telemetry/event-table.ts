/** Words for every event. docs/reference/events.md is tested against the table both ways. */
import type { EventName, EventPayloads } from './events.ts';
import { inboundEventTable } from './inbound-event-table.ts';

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
      grpcStatus:
        'Status of a gRPC call, such as `NOT_FOUND`, as `grpc.client.call.duration` counts it; absent for other requests.',
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
    doc: 'An attempt failed and another one follows, or one takes long and a hedge starts beside it.',
    fields: {
      ...requestFields,
      retry: 'From 1.',
      maxRetries: 'How many the policy allows.',
      reason: 'The condition of the retry policy that was met, or `hedge`.',
      delayMs: 'Wait before the next attempt.',
      budgetLeft: 'Retries left in the budget after this one.',
    },
  },
  'retry:denied': {
    doc: 'An attempt failed in a way that the policy would retry, and was not retried.',
    fields: {
      ...requestFields,
      reason:
        '`budget` is spent, all `attempts` are used, the `method` is not idempotent, the `body` cannot be repeated, no time is left before the `deadline`, the `limit` of concurrent retries is reached, or the response asks for a longer `wait` than the policy allows (`retry.maxResetMs`).',
      budgetLeft: 'Retries left in the budget.',
    },
  },
  'host:ejected': {
    doc: 'Outlier detection took an endpoint out, or the request that probed it at the end of that time failed: then it stays out, for longer.',
    fields: {
      mesh: 'Name of the mesh.',
      cluster: 'Name of the cluster.',
      endpoint: '`address:port`.',
      reason: 'Why, in words: `11 of 14 requests failed, of its peers 0.4 %: evidence 18.2 of 17.8`.',
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
  'health-check:changed': {
    doc: 'What active health checks say about an endpoint has changed, or is known for the first time.',
    fields: {
      mesh: 'Name of the mesh.',
      cluster: 'Name of the cluster.',
      endpoint: '`address:port`.',
      state: '`healthy`, `degraded` (it passes and asks for less) or `unhealthy`.',
      reason: 'Why it is unhealthy, in words: `http check: answered 503`.',
    },
  },
  'load-report:lost': {
    doc: 'An endpoint that is asked for its load out of band (`oobReportingMs`) does not report it, or no longer: once, until it does. Reports of its responses count as before.',
    fields: {
      mesh: 'Name of the mesh.',
      cluster: 'Name of the cluster.',
      endpoint: '`address:port`.',
      reason: 'Why, in words: `answered UNIMPLEMENTED: it does not have the service`.',
      isFinal: 'Whether it is not asked again; else it is, with back-off.',
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
      resources: 'Kind and name of those, the first twenty.',
      unhonoured: 'Fields that were understood and have no effect: key, path, reason.',
    },
  },
  'config:rejected': {
    doc: 'An update, or part of one, was refused, such as a file that was saved with a mistake; the last good version of what was refused stays in force.',
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
    doc: 'A control plane connected, lost its connection or failed, or why it did is another reason now. Once for each change.',
    fields: {
      mesh: 'Name of the mesh.',
      source: 'Name of the control plane.',
      state: '`connecting`, `connected`, `disconnected` or `failed`.',
      error: 'Why it is not connected, with the remedy.',
    },
  },
  ...inboundEventTable,
};

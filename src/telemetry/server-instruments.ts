/** Metrics and the span of the way in: a part of the tables of instruments.ts. */
import { SpanKind } from '@opentelemetry/api';

/** Those of the semantic conventions for `http.server.request.duration` and `http.client.request.duration`. */
export const durationBuckets = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

/** Names, units and labels of `http.server.*` are those of the semantic conventions; `http.route` is what the framework said. */
export const serverMetricTable = {
  'http.server.request.duration': {
    kind: 'histogram',
    unit: 's',
    doc: 'One request that came in, from the end of its headers to the end of its response; left to an instrumentation that makes the SERVER span.',
    labels: [
      'http.request.method',
      'url.scheme',
      'http.response.status_code',
      'error.type',
      'http.route',
      'network.protocol.version',
      'server.port',
    ],
    buckets: durationBuckets,
  },
  'http.server.active_requests': {
    kind: 'up-down-counter',
    unit: '{request}',
    doc: 'Requests that came in and whose response has not ended.',
    labels: ['http.request.method', 'url.scheme', 'server.port'],
  },
  'meshfetch.server.refusals': {
    kind: 'counter',
    unit: '{request}',
    doc: 'Requests that the mesh answered in the place of the program, by the step of the way in that did.',
    labels: ['meshfetch.refusal.reason', 'server.port', 'meshfetch.mesh.name'],
  },
  'meshfetch.server.refused_connections': {
    kind: 'counter',
    unit: '{connection}',
    doc: 'Connections that the mesh closed before a request of them was served, or because of what came on them.',
    labels: ['meshfetch.refusal.reason', 'server.port', 'meshfetch.mesh.name'],
  },
  'meshfetch.server.unanswered_checks': {
    kind: 'counter',
    unit: '{request}',
    doc: 'Requests about which an external authorizer said nothing; `fail_open` = they went on all the same.',
    labels: ['meshfetch.authorizer', 'meshfetch.authorizer.fail_open', 'meshfetch.mesh.name'],
  },
  'meshfetch.server.shadow_verdicts': {
    kind: 'counter',
    unit: '{request}',
    doc: 'Requests that met an authorization policy which is not in force or only watches, by what it would have done.',
    labels: ['meshfetch.shadow.kind', 'meshfetch.shadow.verdict', 'meshfetch.policy', 'meshfetch.mesh.name'],
  },
  'meshfetch.server.open_connections': {
    kind: 'observable-up-down-counter',
    unit: '{connection}',
    doc: 'Connections that are open on a port.',
    labels: ['server.port', 'meshfetch.mesh.name'],
  },
} as const;

/** The SERVER span of a request that came in. */
export const serverSpanRow = {
  kind: SpanKind.SERVER,
  name: '{method} {route}',
  doc: 'One request that came in; its events are the decisions on the way.',
  attributes: [
    'http.request.method',
    'http.request.method_original',
    'url.path',
    'url.query',
    'url.scheme',
    'server.address',
    'server.port',
    'client.address',
    'network.peer.address',
    'network.protocol.version',
    'user_agent.original',
    'http.route',
    'http.response.status_code',
    'error.type',
    'meshfetch.mesh.name',
    'meshfetch.peer.id',
    'meshfetch.listener',
    'meshfetch.filter_chain',
    'meshfetch.refusal.reason',
    'meshfetch.response.flags',
    'meshfetch.response.details',
  ],
} as const;

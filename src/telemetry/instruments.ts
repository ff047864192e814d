/**
 * Every metric and every span of the mesh: one table each. docs/reference/metrics.md is tested against them both ways.
 *
 * The rule for names: `http.client.*` counts what went over the wire, one measurement per attempt, exactly as long as the CLIENT
 * span of that attempt (OpenTelemetry semantic conventions for HTTP, "the metric value SHOULD be the same as the HTTP client span
 * duration"); `meshfetch.client.*` is what the caller saw, retries included. gRFC A66 draws the same line between call and attempt.
 */
import { SpanKind, ValueType } from '@opentelemetry/api';
import type {
  Counter,
  Histogram,
  Meter,
  MetricOptions,
  ObservableGauge,
  ObservableUpDownCounter,
  UpDownCounter,
} from '@opentelemetry/api';
import { grpcMetricTable } from './grpc-instruments.ts';
import { durationBuckets, serverMetricTable, serverSpanRow } from './server-instruments.ts';
import { destinationLabelNames, sourceLabelNames } from './workload-labels.ts';

interface InstrumentTypes {
  readonly counter: Counter;
  readonly histogram: Histogram;
  readonly 'up-down-counter': UpDownCounter;
  readonly 'observable-up-down-counter': ObservableUpDownCounter;
  readonly 'observable-gauge': ObservableGauge;
}

interface MetricRow {
  readonly kind: keyof InstrumentTypes;
  /** UCUM. */
  readonly unit: string;
  readonly doc: string;
  readonly labels: readonly string[];
  /** Advisory bucket boundaries, in `unit`. */
  readonly buckets?: readonly number[];
}

/** Envoy's own, which Istio's proxies have. */
const istioBuckets = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000, 3_600_000,
];
/** Who called whom, in Istio's words. */
const istioPartyLabels = ['reporter', ...sourceLabelNames, ...destinationLabelNames];
const istioLabels = [
  ...istioPartyLabels,
  'request_protocol',
  'response_code',
  'grpc_response_status',
  'response_flags',
  'connection_security_policy',
];

/** One row for each metric. Names, units and labels of `http.client.*` are those of the semantic conventions. */
export const metricTable = {
  'http.client.request.duration': {
    kind: 'histogram',
    unit: 's',
    doc: 'One attempt, from the choice of its endpoint to the end of its response body.',
    labels: [
      'http.request.method',
      'server.address',
      'server.port',
      'url.scheme',
      'http.response.status_code',
      'error.type',
      'network.protocol.version',
    ],
    buckets: durationBuckets,
  },
  'http.client.active_requests': {
    kind: 'up-down-counter',
    unit: '{request}',
    doc: 'Attempts that have begun and whose response body has not ended.',
    labels: ['http.request.method', 'server.address', 'server.port', 'url.scheme'],
  },
  'http.client.open_connections': {
    kind: 'observable-up-down-counter',
    unit: '{connection}',
    doc: 'Connections to the endpoints of a cluster, by whether a request is on them.',
    labels: ['http.connection.state', 'server.address', 'server.port', 'meshfetch.cluster', 'meshfetch.mesh.name'],
  },
  'meshfetch.client.call.duration': {
    kind: 'histogram',
    unit: 's',
    doc: 'One request as the caller saw it: all attempts and the waits between them, to the end of the response body.',
    labels: [
      'http.request.method',
      'server.address',
      'server.port',
      'url.scheme',
      'http.response.status_code',
      'error.type',
      'meshfetch.virtual_cluster',
      'meshfetch.mesh.name',
    ],
    buckets: durationBuckets,
  },
  'meshfetch.client.attempts': {
    kind: 'counter',
    unit: '{attempt}',
    doc: 'Finished attempts by cluster and by what the mesh did with their outcome.',
    labels: ['meshfetch.cluster', 'meshfetch.attempt.outcome', 'error.type', 'meshfetch.mesh.name'],
  },
  'meshfetch.client.retries': {
    kind: 'counter',
    unit: '{retry}',
    doc: 'Retries that were decided on, by the condition that allowed them; `hedge` for attempts beside one that takes long.',
    labels: ['meshfetch.cluster', 'meshfetch.retry.reason', 'meshfetch.mesh.name'],
  },
  'meshfetch.retry_budget.exhausted': {
    kind: 'counter',
    unit: '{retry}',
    doc: 'Retries that the policy allowed and the budget refused.',
    labels: ['meshfetch.cluster', 'meshfetch.mesh.name'],
  },
  'meshfetch.ejections': {
    kind: 'counter',
    unit: '{ejection}',
    doc: 'Endpoints that outlier detection took out.',
    labels: ['meshfetch.cluster', 'meshfetch.ejection.reason', 'meshfetch.mesh.name'],
  },
  'meshfetch.health_check.changes': {
    kind: 'counter',
    unit: '{change}',
    doc: 'Endpoints that active health checks found to be in another state, by the new state.',
    labels: ['meshfetch.cluster', 'meshfetch.health_check.state', 'meshfetch.mesh.name'],
  },
  'meshfetch.circuit_breaker.transitions': {
    kind: 'counter',
    unit: '{transition}',
    doc: 'Changes of state of circuit breakers, by the new state.',
    labels: ['meshfetch.cluster', 'meshfetch.circuit_breaker.state', 'meshfetch.mesh.name'],
  },
  'meshfetch.config.updates': {
    kind: 'counter',
    unit: '{update}',
    doc: 'Updates of the configuration: `accepted`, or `rejected` when any resource of the update was refused.',
    labels: ['meshfetch.config.source', 'meshfetch.update.outcome', 'meshfetch.mesh.name'],
  },
  'meshfetch.identity.updates': {
    kind: 'counter',
    unit: '{update}',
    doc: 'Certificates and trust bundles that arrived: `accepted`, or `rejected` while the old one stays in force.',
    labels: ['meshfetch.identity.name', 'meshfetch.update.outcome', 'meshfetch.mesh.name'],
  },
  'meshfetch.identity.expiry': {
    kind: 'observable-gauge',
    unit: 's',
    doc: 'Time until the certificate expires; negative once it has.',
    labels: ['meshfetch.identity.name', 'meshfetch.mesh.name'],
  },
  ...serverMetricTable,
  ...grpcMetricTable,
  istio_requests_total: {
    kind: 'counter',
    unit: '{request}',
    doc: 'Requests as their caller saw them, retries included; with `reporter` = `destination`, those that came in.',
    labels: istioLabels,
  },
  istio_request_duration_milliseconds: {
    kind: 'histogram',
    unit: 'ms',
    doc: 'One request, to the end of the response body.',
    labels: istioLabels,
    buckets: istioBuckets,
  },
  istio_request_bytes: {
    kind: 'histogram',
    unit: 'By',
    doc: 'Body of the request.',
    labels: istioLabels,
    buckets: istioBuckets,
  },
  istio_response_bytes: {
    kind: 'histogram',
    unit: 'By',
    doc: 'Body of the response.',
    labels: istioLabels,
    buckets: istioBuckets,
  },
  istio_request_messages_total: {
    kind: 'counter',
    unit: '{message}',
    doc: 'gRPC messages of requests, counted when their call is over.',
    labels: istioPartyLabels,
  },
  istio_response_messages_total: {
    kind: 'counter',
    unit: '{message}',
    doc: 'gRPC messages of responses, counted when their call is over.',
    labels: istioPartyLabels,
  },
} as const satisfies Record<string, MetricRow>;

/** Names of the metrics. */
export type MetricName = keyof typeof metricTable;

/** The instruments of one meter, each made when it is first used. */
export class Instruments {
  readonly meter: Meter;
  private readonly made = new Map<MetricName, unknown>();
  constructor(meter: Meter) {
    this.meter = meter;
  }

  get<N extends MetricName>(name: N): InstrumentTypes[(typeof metricTable)[N]['kind']] {
    let instrument = this.made.get(name);
    if (instrument === undefined) {
      instrument = createInstrument(this.meter, name, metricTable[name]);
      this.made.set(name, instrument);
    }
    return instrument as InstrumentTypes[(typeof metricTable)[N]['kind']];
  }
}

const create: {
  readonly [K in keyof InstrumentTypes]: (meter: Meter, name: string, options: MetricOptions) => InstrumentTypes[K];
} = {
  counter: (meter, name, options) => meter.createCounter(name, options),
  histogram: (meter, name, options) => meter.createHistogram(name, options),
  'up-down-counter': (meter, name, options) => meter.createUpDownCounter(name, options),
  'observable-up-down-counter': (meter, name, options) => meter.createObservableUpDownCounter(name, options),
  'observable-gauge': (meter, name, options) => meter.createObservableGauge(name, options),
};

function createInstrument(meter: Meter, name: MetricName, row: MetricRow): InstrumentTypes[keyof InstrumentTypes] {
  const options: MetricOptions = {
    description: row.doc,
    unit: row.unit,
    valueType: row.unit === 's' || row.unit === 'ms' ? ValueType.DOUBLE : ValueType.INT,
    ...(row.buckets !== undefined && { advice: { explicitBucketBoundaries: [...row.buckets] } }),
  };
  return create[row.kind](meter, name, options);
}

interface SpanRow {
  readonly kind: SpanKind;
  /** With `{method}` for the request method, or `HTTP` when that is unknown. A route may give the request another name. */
  readonly name: string;
  readonly doc: string;
  readonly attributes: readonly string[];
}

/**
 * The span of the whole request is INTERNAL and not named like an HTTP span: the conventions ask for one CLIENT span per attempt
 * and that no encompassing HTTP client span is made beside them. It is there because without it the attempts of a request made
 * outside any trace would each begin a trace of their own.
 */
export const spanTable = {
  request: {
    kind: SpanKind.INTERNAL,
    name: 'meshfetch {method}',
    doc: 'One request as the caller made it; its events are the decisions on the way.',
    attributes: [
      'http.request.method',
      'http.request.method_original',
      'url.full',
      'server.address',
      'server.port',
      'http.response.status_code',
      'error.type',
      'meshfetch.mesh.name',
      'meshfetch.route',
      'meshfetch.cluster',
      'meshfetch.virtual_cluster',
      'meshfetch.config.version',
      'meshfetch.attempts',
      'meshfetch.response.flags',
      'meshfetch.response.details',
    ],
  },
  attempt: {
    kind: SpanKind.CLIENT,
    name: '{method}',
    doc: 'One attempt on the wire.',
    attributes: [
      'http.request.method',
      'http.request.method_original',
      'url.full',
      'server.address',
      'server.port',
      'network.peer.address',
      'network.peer.port',
      'network.protocol.version',
      'http.request.resend_count',
      'http.response.status_code',
      'error.type',
      'meshfetch.cluster',
      'meshfetch.attempt.outcome',
    ],
  },
  server: serverSpanRow,
} as const satisfies Record<string, SpanRow>;

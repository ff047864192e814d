/**
 * Metrics of gRPC calls by the names that gRPC's own libraries give them, so that their dashboards work unchanged: a part of the tables of
 * instruments.ts. Sources: gRFC A66 (names, labels, buckets), A89 (`grpc.lb.backend_service`: the cluster).
 */

/** Seconds. Source: gRFC A66, "latency buckets". */
const latencyBuckets = [
  0, 0.000_01, 0.000_05, 0.0001, 0.0003, 0.0006, 0.0008, 0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.008, 0.01, 0.013, 0.016,
  0.02, 0.025, 0.03, 0.04, 0.05, 0.065, 0.08, 0.1, 0.13, 0.16, 0.2, 0.25, 0.3, 0.4, 0.5, 0.65, 0.8, 1, 2, 5, 10, 20, 50, 100,
];
/** Bytes. Source: gRFC A66, "size buckets". */
const sizeBuckets = [
  0, 1024, 2048, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864, 268_435_456, 1_073_741_824,
  4_294_967_296,
];
const attemptLabels = ['grpc.method', 'grpc.target', 'grpc.status', 'grpc.lb.backend_service'] as const;
/** A method that the handler does not know is `other`. */
const serverLabels = ['grpc.method', 'grpc.status'] as const;

/** What gRPC clients and servers count. */
export const grpcMetricTable = {
  'grpc.client.attempt.started': {
    kind: 'counter',
    unit: '{attempt}',
    doc: 'Attempts of gRPC calls that began.',
    labels: ['grpc.method', 'grpc.target'],
  },
  'grpc.client.attempt.duration': {
    kind: 'histogram',
    unit: 's',
    doc: 'One attempt of a gRPC call, to its status.',
    labels: attemptLabels,
    buckets: latencyBuckets,
  },
  'grpc.client.attempt.sent_total_compressed_message_size': {
    kind: 'histogram',
    unit: 'By',
    doc: 'Messages that one attempt sent, compressed, without their frames.',
    labels: attemptLabels,
    buckets: sizeBuckets,
  },
  'grpc.client.attempt.rcvd_total_compressed_message_size': {
    kind: 'histogram',
    unit: 'By',
    doc: 'Messages that one attempt received, compressed, without their frames.',
    labels: attemptLabels,
    buckets: sizeBuckets,
  },
  'grpc.client.call.duration': {
    kind: 'histogram',
    unit: 's',
    doc: 'One gRPC call as its caller saw it, all attempts included.',
    labels: ['grpc.method', 'grpc.target', 'grpc.status'],
    buckets: latencyBuckets,
  },
  'grpc.server.call.started': {
    kind: 'counter',
    unit: '{call}',
    doc: 'gRPC calls that came in.',
    labels: ['grpc.method'],
  },
  'grpc.server.call.duration': {
    kind: 'histogram',
    unit: 's',
    doc: 'One gRPC call that came in, from the end of its headers to the end of its response.',
    labels: serverLabels,
    buckets: latencyBuckets,
  },
  'grpc.server.call.sent_total_compressed_message_size': {
    kind: 'histogram',
    unit: 'By',
    doc: 'Messages that a gRPC call was answered with, compressed, without their frames.',
    labels: serverLabels,
    buckets: sizeBuckets,
  },
  'grpc.server.call.rcvd_total_compressed_message_size': {
    kind: 'histogram',
    unit: 'By',
    doc: 'Messages that a gRPC call brought, compressed, without their frames.',
    labels: serverLabels,
    buckets: sizeBuckets,
  },
} as const;

/** The messages of load reporting in their wire form: `envoy.service.load_stats.v3`, `envoy.config.endpoint.v3.ClusterStats`. */
import { ProtobufReader, ProtobufWriter } from '../../../wire/protobuf.ts';
import { localityMessage } from '../client/node.ts';
import type { ClusterDifference, LocalityDifference, WantedClusters } from './load-differences.ts';

/** What a server asks for. */
export interface LoadStatsResponse {
  readonly wanted: WantedClusters;
  /** As it was said; 0 = it was not. */
  readonly intervalMs: number;
  readonly wantsEndpoints: boolean;
}

/** The first request of a stream names the node, the others what clusters did. */
export function loadStatsRequest(node: Uint8Array | undefined, clusters: readonly ClusterDifference[]): Uint8Array {
  const writer = new ProtobufWriter();
  if (node !== undefined) writer.message(1, node);
  for (const cluster of clusters) writer.message(2, clusterStats(cluster));
  return writer.finish();
}

function clusterStats({ cluster, endpoints, localities, drops, intervalMs }: ClusterDifference): ProtobufWriter {
  const writer = new ProtobufWriter().text(1, cluster);
  for (const locality of localities) writer.message(2, localityStats(locality));
  const dropped = drops.reduce((sum, { count }) => sum + count, 0);
  if (dropped > 0) writer.varint(3, dropped);
  writer.message(4, duration(intervalMs));
  // A limit of ours has no category, and is in the sum alone.
  for (const { category, count } of drops)
    if (category !== '') writer.message(5, new ProtobufWriter().text(1, category).varint(2, count));
  if (endpoints !== undefined) writer.text(6, endpoints);
  return writer;
}

/** Metrics that have a field of their own. */
const ownFields: ReadonlyMap<string, number> = new Map([
  ['cpu_utilization', 12],
  ['mem_utilization', 13],
  ['application_utilization', 14],
]);

function localityStats(difference: LocalityDifference): ProtobufWriter {
  const { locality, priority, issued, succeeded, failed, inProgress, metrics } = difference;
  const writer = new ProtobufWriter().message(1, localityMessage(locality));
  if (succeeded > 0) writer.varint(2, succeeded);
  if (inProgress > 0) writer.varint(3, inProgress);
  if (failed > 0) writer.varint(4, failed);
  for (const { name, count, sum } of metrics) {
    const field = ownFields.get(name);
    if (field === undefined) writer.message(5, new ProtobufWriter().text(1, name).varint(2, count).double(3, sum));
    else writer.message(field, new ProtobufWriter().varint(1, count).double(2, sum));
  }
  if (priority > 0) writer.varint(6, priority);
  if (issued > 0) writer.varint(8, issued);
  return writer;
}

function duration(ms: number): ProtobufWriter {
  const wholeMs = Math.round(ms);
  const seconds = Math.floor(wholeMs / 1000);
  return new ProtobufWriter().varint(1, seconds).varint(2, (wholeMs - seconds * 1000) * 1_000_000);
}

/** Reads what a server asks for; undefined for bytes that are no such message. */
export function readLoadStatsResponse(bytes: Uint8Array): LoadStatsResponse | undefined {
  const reader = new ProtobufReader(bytes);
  const clusters = new Set<string>();
  let wantsAll = false;
  let wantsEndpoints = false;
  let intervalMs = 0;
  while (reader.next()) {
    if (reader.field === 1) {
      const name = reader.bytes();
      if (name !== undefined) clusters.add(Buffer.from(name).toString('utf8'));
    } else if (reader.field === 2) {
      const value = reader.bytes();
      if (value !== undefined) intervalMs = millisecondsOf(value);
    } else if (reader.field === 3) wantsEndpoints = reader.varint() === 1;
    else if (reader.field === 4) wantsAll = reader.varint() === 1;
  }
  if (reader.isBroken || Number.isNaN(intervalMs)) return undefined;
  return { wanted: wantsAll ? 'all' : clusters, intervalMs, wantsEndpoints };
}

/** Of a `google.protobuf.Duration`; NaN for bytes that are none. */
function millisecondsOf(bytes: Uint8Array): number {
  const reader = new ProtobufReader(bytes);
  let ms = 0;
  while (reader.next()) {
    if (reader.field === 1) ms += (reader.varint() ?? 0) * 1000;
    else if (reader.field === 2) ms += (reader.varint() ?? 0) / 1_000_000;
  }
  return reader.isBroken ? Number.NaN : ms;
}

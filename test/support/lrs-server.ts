import type { ServerDuplexStream } from '@grpc/grpc-js';
import { ProtobufReader, ProtobufWriter } from '../../src/wire/protobuf.ts';
import { endWith, startGrpcServer, type GrpcMethods, type GrpcServer } from './grpc-server.ts';

/** What a client reported of a locality. */
export interface ReportedLocality {
  readonly zone: string;
  readonly priority: number;
  readonly issued: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly inProgress: number;
  readonly metrics: Readonly<Record<string, readonly [count: number, sum: number]>>;
}

/** What a client reported of a cluster. */
export interface ReportedCluster {
  readonly cluster: string;
  readonly endpoints: string;
  readonly localities: readonly ReportedLocality[];
  readonly dropped: number;
  readonly drops: Readonly<Record<string, number>>;
  readonly intervalMs: number;
}

/** One request of a client. */
export interface LrsRequest {
  /** Number of its stream, from 1. */
  readonly stream: number;
  /** Bytes of the node, where it has one, and what of it tests ask about. */
  readonly node: { readonly id: string; readonly features: readonly string[] } | undefined;
  readonly clusters: readonly ReportedCluster[];
  /** Metadata of its call. */
  readonly authorization: string | undefined;
}

/** What a server says of what it wants. */
export interface LrsResponse {
  readonly clusters?: readonly string[];
  readonly all?: boolean;
  readonly intervalMs?: number;
  readonly endpoints?: boolean;
}

/** A load reporting server that notes every request, and answers when it is told to. */
export interface LrsServer extends GrpcServer {
  readonly requests: readonly LrsRequest[];
  /** Streams that are open. */
  readonly streams: () => number;
  /** Sends to the latest stream. */
  respond(response: LrsResponse | Uint8Array): void;
  /** Ends the latest stream with an error. */
  fail(code: number, details: string): void;
}

const path = '/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats';

/** The service alone, for a server that has others too. */
export interface LrsService extends Omit<LrsServer, keyof GrpcServer> {
  readonly methods: NonNullable<GrpcMethods['stream']>;
}

/** Starts it on loopback; `port` 0 = any. */
export async function startLrsServer(port = 0): Promise<LrsServer> {
  const { methods, ...service } = lrsService();
  return { ...(await startGrpcServer({ stream: methods }, undefined, port)), ...service };
}

/** What a load reporting server does. */
export function lrsService(): LrsService {
  const requests: LrsRequest[] = [];
  const open = new Set<ServerDuplexStream<Buffer, Uint8Array>>();
  let latest: ServerDuplexStream<Buffer, Uint8Array> | undefined;
  let streams = 0;
  const handle = (call: ServerDuplexStream<Buffer, Uint8Array>): void => {
    const stream = ++streams;
    latest = call;
    open.add(call);
    const authorization = call.metadata.get('authorization')[0]?.toString();
    call.on('data', (bytes: Buffer) => requests.push({ stream, authorization, ...readRequest(bytes) }));
    call.on('error', () => {});
    call.on('close', () => open.delete(call));
    call.on('end', () => call.end());
  };
  return {
    methods: { [path]: handle },
    requests,
    streams: () => open.size,
    respond: (response) => void latest!.write(response instanceof Uint8Array ? response : responseMessage(response)),
    fail: (code, details) => endWith(latest!, { code, details }),
  };
}

function responseMessage({ clusters = [], all, intervalMs = 1000, endpoints }: LrsResponse): Uint8Array {
  const writer = new ProtobufWriter();
  for (const cluster of clusters) writer.text(1, cluster);
  const seconds = Math.floor(intervalMs / 1000);
  writer.message(2, new ProtobufWriter().varint(1, seconds).varint(2, (intervalMs - seconds * 1000) * 1_000_000));
  if (endpoints === true) writer.varint(3, 1);
  if (all === true) writer.varint(4, 1);
  return writer.finish();
}

type Fields = ReadonlyMap<number, readonly (number | Uint8Array)[]>;

/** All fields of a message by number, as far as load reporting has them: doubles come back as numbers. */
function fieldsOf(bytes: Uint8Array, doubles: readonly number[] = []): Fields {
  const fields = new Map<number, (number | Uint8Array)[]>();
  const reader = new ProtobufReader(bytes);
  while (reader.next()) {
    const value = (doubles.includes(reader.field) ? reader.double() : undefined) ?? reader.varint() ?? reader.bytes();
    if (value !== undefined) fields.set(reader.field, [...(fields.get(reader.field) ?? []), value]);
  }
  if (reader.isBroken) throw new Error('the client sent a message that cannot be read');
  return fields;
}

const numberIn = (fields: Fields, field: number): number => Number(fields.get(field)?.[0] ?? 0);
const bytesIn = (fields: Fields, field: number): readonly Uint8Array[] => (fields.get(field) ?? []) as Uint8Array[];
const textIn = (fields: Fields, field: number): string => Buffer.from(bytesIn(fields, field)[0] ?? []).toString();

function readRequest(bytes: Uint8Array): Pick<LrsRequest, 'node' | 'clusters'> {
  const fields = fieldsOf(bytes);
  const node = bytesIn(fields, 1)[0];
  const nodeFields = node && fieldsOf(node);
  return {
    node: nodeFields && {
      id: textIn(nodeFields, 1),
      features: bytesIn(nodeFields, 10).map((text) => Buffer.from(text).toString()),
    },
    clusters: bytesIn(fields, 2).map(readCluster),
  };
}

function readCluster(bytes: Uint8Array): ReportedCluster {
  const fields = fieldsOf(bytes);
  const interval = fieldsOf(bytesIn(fields, 4)[0]!);
  return {
    cluster: textIn(fields, 1),
    endpoints: textIn(fields, 6),
    localities: bytesIn(fields, 2).map(readLocality),
    dropped: numberIn(fields, 3),
    drops: Object.fromEntries(
      bytesIn(fields, 5).map((drop) => {
        const dropFields = fieldsOf(drop);
        return [textIn(dropFields, 1), numberIn(dropFields, 2)];
      }),
    ),
    intervalMs: numberIn(interval, 1) * 1000 + numberIn(interval, 2) / 1_000_000,
  };
}

function readLocality(bytes: Uint8Array): ReportedLocality {
  const fields = fieldsOf(bytes);
  return {
    zone: textIn(fieldsOf(bytesIn(fields, 1)[0]!), 2),
    priority: numberIn(fields, 6),
    issued: numberIn(fields, 8),
    succeeded: numberIn(fields, 2),
    failed: numberIn(fields, 4),
    inProgress: numberIn(fields, 3),
    metrics: Object.fromEntries([
      ...bytesIn(fields, 5).map((metric) => {
        const metricFields = fieldsOf(metric, [3]);
        return [textIn(metricFields, 1), [numberIn(metricFields, 2), numberIn(metricFields, 3)] as const] as const;
      }),
      ...[12, 13, 14].flatMap((field) =>
        bytesIn(fields, field).map((metric) => {
          const metricFields = fieldsOf(metric, [2]);
          return [`field ${field}`, [numberIn(metricFields, 1), numberIn(metricFields, 2)] as const] as const;
        }),
      ),
    ]),
  };
}

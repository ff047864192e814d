/** Messages of `grpc.health.v1`, for who asks and who answers. Source: grpc/health/v1/health.proto, gRPC "Health Checking Protocol". */
import { ProtobufReader, ProtobufWriter } from './protobuf.ts';

/** By their numbers. */
const statuses = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'] as const;

/** What is said of a service. SERVICE_UNKNOWN is for watchers alone. */
export type HealthStatus = (typeof statuses)[number];

/** `HealthCheckRequest`; the empty name is the whole server. An object: what is falsy grpc-js takes for no request. */
export interface HealthRequest {
  readonly service: string;
}

/** What is asked for; throws for bytes that are no request, which grpc-js answers with INTERNAL. */
export function decodeHealthRequest(message: Uint8Array): HealthRequest {
  const reader = new ProtobufReader(message);
  let service = '';
  while (reader.next()) {
    const text = reader.field === 1 ? reader.bytes() : undefined;
    if (text !== undefined) service = Buffer.from(text).toString('utf8');
  }
  if (reader.isBroken) throw new TypeError('no grpc.health.v1.HealthCheckRequest');
  return { service };
}

/** A `HealthCheckRequest`. */
export function encodeHealthRequest({ service }: HealthRequest): Buffer {
  return Buffer.from(service === '' ? '' : new ProtobufWriter().text(1, service).finish());
}

/** What a `HealthCheckResponse` says; undefined for bytes that are none. */
export function decodeHealthStatus(message: Uint8Array): HealthStatus | undefined {
  const reader = new ProtobufReader(message);
  let status = 0;
  while (reader.next()) if (reader.field === 1) status = reader.varint() ?? status;
  return reader.isBroken ? undefined : (statuses[status] ?? 'UNKNOWN');
}

/** A `HealthCheckResponse`. */
export function encodeHealthStatus(status: HealthStatus): Buffer {
  return Buffer.from(statusMessage(status).finish());
}

/** A `HealthListResponse`. */
export function encodeHealthList(services: Iterable<readonly [service: string, status: HealthStatus]>): Buffer {
  const writer = new ProtobufWriter();
  for (const [service, status] of services)
    writer.message(1, new ProtobufWriter().text(1, service).message(2, statusMessage(status)));
  return Buffer.from(writer.finish());
}

function statusMessage(status: HealthStatus): ProtobufWriter {
  return new ProtobufWriter().varint(1, statuses.indexOf(status));
}

/**
 * The two messages of `grpc.health.v1.Health/Check`, framed as gRPC frames them, by hand: one string there, one number back. Source:
 * https://github.com/grpc/grpc/blob/master/doc/health-checking.md, "gRPC over HTTP2" (Length-Prefixed-Message).
 */
import { framed, unframed } from '../../wire/grpc-frames.ts';
import { ProtobufReader, textField } from '../../wire/protobuf.ts';

/** What a server says of a service. */
export type ServingStatus = 'UNKNOWN' | 'SERVING' | 'NOT_SERVING' | 'SERVICE_UNKNOWN';

const statuses: readonly ServingStatus[] = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];

/** A frame with a `HealthCheckRequest` for this service; `''` is the whole server. */
export function healthCheckRequest(service: string): Buffer {
  return framed(service === '' ? Buffer.alloc(0) : textField(1, service));
}

/** The status in a body that is one frame with a `HealthCheckResponse`; undefined for any other body. */
export function servingStatusFrom(body: Buffer): ServingStatus | undefined {
  const message = unframed(body);
  if (message === undefined) return undefined;
  const reader = new ProtobufReader(message);
  let status = 0;
  while (reader.next()) if (reader.field === 1) status = reader.varint() ?? status;
  if (reader.isBroken) return undefined;
  return statuses[status] ?? 'UNKNOWN';
}

/**
 * The two messages of `grpc.health.v1.Health/Check`, framed as gRPC frames them, by hand: one string there, one number back. Source:
 * https://github.com/grpc/grpc/blob/master/doc/health-checking.md, "gRPC over HTTP2" (Length-Prefixed-Message), protobuf encoding.
 */

/** What a server says of a service. */
export type ServingStatus = 'UNKNOWN' | 'SERVING' | 'NOT_SERVING' | 'SERVICE_UNKNOWN';

const statuses: readonly ServingStatus[] = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];

/** A frame with a `HealthCheckRequest` for this service; `''` is the whole server. */
export function healthCheckRequest(service: string): Buffer {
  const name = Buffer.from(service);
  const message = name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a, ...varint(name.length)]), name]);
  const frame = Buffer.alloc(5 + message.length);
  frame.writeUInt32BE(message.length, 1);
  message.copy(frame, 5);
  return frame;
}

/** The status in a body that is one frame with a `HealthCheckResponse`; undefined for any other body. */
export function servingStatusFrom(body: Buffer): ServingStatus | undefined {
  // A set flag means compression, which was not offered.
  if (body.length < 5 || body[0] !== 0 || body.readUInt32BE(1) !== body.length - 5) return undefined;
  const reader = new FieldReader(body.subarray(5));
  let status = 0;
  while (!reader.isAtEnd) {
    const field = reader.next();
    if (field === undefined) return undefined;
    if (field.number === 1 && field.value !== undefined) status = field.value;
  }
  return statuses[status] ?? 'UNKNOWN';
}

/** Reads the fields of a message; those other than varints are passed over. */
class FieldReader {
  private readonly bytes: Buffer;
  private at = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.at >= this.bytes.length;
  }

  /** The next field, `value` undefined where it is no varint; undefined where the bytes are none. */
  next(): { readonly number: number; readonly value: number | undefined } | undefined {
    const tag = this.varint();
    if (tag === undefined || tag < 8) return undefined;
    const number = Math.floor(tag / 8);
    switch (tag % 8) {
      case 0: {
        const value = this.varint();
        return value === undefined ? undefined : { number, value };
      }
      case 1:
        return this.skip(8) ? { number, value: undefined } : undefined;
      case 2: {
        const length = this.varint();
        return length !== undefined && this.skip(length) ? { number, value: undefined } : undefined;
      }
      case 5:
        return this.skip(4) ? { number, value: undefined } : undefined;
      default:
        return undefined;
    }
  }

  private skip(count: number): boolean {
    this.at += count;
    return this.at <= this.bytes.length;
  }

  private varint(): number | undefined {
    let value = 0;
    for (let place = 0; place < 10; place++) {
      const byte = this.bytes[this.at++];
      if (byte === undefined) return undefined;
      value += (byte & 0x7f) * 2 ** (7 * place);
      if (byte < 0x80) return value;
    }
    return undefined;
  }
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  bytes.push(rest);
  return bytes;
}

/** What upstreams and clients of gRPC and Connect say to each other: google.protobuf.BytesValue in frames of five bytes and a body. */

/** Codes of gRPC and the HTTP status of the same meaning (google.rpc.Code). */
const statusOfCode: Readonly<Record<number, number>> = {
  0: 200,
  1: 499,
  2: 500,
  3: 400,
  4: 504,
  5: 404,
  7: 403,
  8: 429,
  12: 501,
  13: 500,
  14: 503,
  15: 500,
  16: 401,
};

/** Names of codes in Connect, by number. */
export const connectCodes = [
  '',
  'canceled',
  'unknown',
  'invalid_argument',
  'deadline_exceeded',
  'not_found',
  'already_exists',
  'permission_denied',
  'resource_exhausted',
  'failed_precondition',
  'aborted',
  'out_of_range',
  'unimplemented',
  'internal',
  'unavailable',
  'data_loss',
  'unauthenticated',
] as const;

/** The HTTP status that a code means. */
export function statusFromCode(code: number): number {
  return statusOfCode[code] ?? 500;
}

/** The code that an upstream says this status with. */
export function codeFromStatus(status: number): number {
  if (status === 500) return 13;
  for (const [code, of] of Object.entries(statusOfCode)) if (of === status) return Number(code);
  return 2;
}

/** A BytesValue. */
export function encodeMessage(bytes: Uint8Array): Buffer {
  if (bytes.length === 0) return Buffer.alloc(0);
  const head = [0x0a];
  let rest = bytes.length;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) head.push((rest % 128) | 0x80);
  return Buffer.concat([Buffer.from([...head, rest]), bytes]);
}

/** The bytes of a BytesValue. */
export function decodeMessage(message: Buffer): Buffer {
  let at = 1;
  while (at < message.length && message[at]! > 0x7f) at++;
  return message.subarray(at + 1);
}

/** A frame: flags, length, message. */
export function frameOf(message: Uint8Array, flags = 0): Buffer {
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** Frames out of the parts of a body. */
export async function* framesOf(body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of body) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= 5) {
      const end = 5 + rest.readUInt32BE(1);
      if (rest.length < end) break;
      yield rest.subarray(5, end);
      rest = rest.subarray(end);
    }
  }
}

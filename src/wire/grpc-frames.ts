/**
 * Messages as gRPC frames them: one byte that says whether the message is compressed, four of length, the message. Source: gRPC over
 * HTTP/2, "Length-Prefixed-Message".
 */

/** Bytes in front of a message. */
export const prefixBytes = 5;

/** Below this a message is copied out of what was read from the socket, 64 KiB at a time: kept by the program, it would keep all of that. */
const copiedBytes = 16_384;

/** A frame with this message, not compressed. */
export function framed(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(prefixBytes + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, prefixBytes);
  return frame;
}

/** The message in bytes that are one frame, not compressed; undefined for any others. */
export function unframed(bytes: Buffer): Buffer | undefined {
  const isOne = bytes.length >= prefixBytes && bytes[0] === 0 && bytes.readUInt32BE(1) === bytes.length - prefixBytes;
  return isOne ? bytes.subarray(prefixBytes) : undefined;
}

/** Cuts what arrives into messages. Each comes out with its frame, as grpc-js's filters read it. */
export class MessageSplitter {
  private readonly maxBytes: number;
  /** Parts of a message that has not come whole. */
  private parts: Buffer[] = [];
  private bytes = 0;
  /** Length of that message with its frame; 0 until its frame is here. */
  private wanted = 0;

  /** `maxBytes`: longest message that is taken, without its frame; -1 = any. */
  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** Bytes of a message that has begun are here, and not all of it. */
  get isInside(): boolean {
    return this.bytes > 0;
  }

  /** Hands each message that is whole with this chunk to `take`. Returns the length of one that is too long: nothing more can be read then. */
  push(chunk: Buffer, take: (message: Buffer) => void): number | undefined {
    let at = 0;
    if (this.bytes > 0) {
      at = this.fill(chunk);
      if (this.wanted === 0) return undefined;
      if (this.isTooLong(this.wanted)) return this.wanted - prefixBytes;
      if (this.bytes < this.wanted) return undefined;
      const message = Buffer.concat(this.parts, this.wanted);
      this.parts = [];
      this.bytes = 0;
      this.wanted = 0;
      take(message);
    }
    while (chunk.length - at >= prefixBytes) {
      const length = prefixBytes + chunk.readUInt32BE(at + 1);
      if (this.isTooLong(length)) return length - prefixBytes;
      const end = at + length;
      if (end > chunk.length) {
        this.wanted = length;
        break;
      }
      const message = chunk.subarray(at, end);
      at = end;
      take(length < copiedBytes ? Buffer.from(message) : message);
    }
    if (at < chunk.length) {
      const rest = at === 0 ? chunk : chunk.subarray(at);
      this.parts.push(rest);
      this.bytes = rest.length;
    }
    return undefined;
  }

  /** Adds what belongs to the message that has begun, and returns how much that is. */
  private fill(chunk: Buffer): number {
    let at = 0;
    if (this.wanted === 0) {
      // Its frame was cut.
      at = Math.min(prefixBytes - this.bytes, chunk.length);
      const prefix = Buffer.concat([...this.parts, chunk.subarray(0, at)]);
      this.parts = [prefix];
      this.bytes = prefix.length;
      if (prefix.length < prefixBytes) return at;
      this.wanted = prefixBytes + prefix.readUInt32BE(1);
      if (this.isTooLong(this.wanted)) return at;
    }
    const end = Math.min(at + this.wanted - this.bytes, chunk.length);
    if (end > at) {
      this.parts.push(chunk.subarray(at, end));
      this.bytes += end - at;
    }
    return end;
  }

  private isTooLong(length: number): boolean {
    return this.maxBytes !== -1 && length - prefixBytes > this.maxBytes;
  }
}

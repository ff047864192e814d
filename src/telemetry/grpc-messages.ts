/** Bytes before each message: whether it is compressed, and its length. Source: gRPC over HTTP/2, "Length-Prefixed-Message". */
const prefixBytes = 5;

/** Counts the messages of one direction of a gRPC stream, however its bytes are cut. */
export class GrpcMessages {
  /** Those whose prefix has come. */
  count = 0;
  /** Of the messages, without their prefixes. */
  bytes = 0;
  private readonly prefix = new Uint8Array(prefixBytes);
  private seen = 0;
  private skip = 0;

  /** The next bytes of the stream. */
  read(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.skip > 0) {
        const passed = Math.min(this.skip, chunk.length - at);
        this.bytes += passed;
        this.skip -= passed;
        at += passed;
        continue;
      }
      this.prefix[this.seen++] = chunk[at++]!;
      if (this.seen < prefixBytes) continue;
      const [, a = 0, b = 0, c = 0, d = 0] = this.prefix;
      this.skip = a * 2 ** 24 + b * 2 ** 16 + c * 2 ** 8 + d;
      this.seen = 0;
      this.count++;
    }
  }
}

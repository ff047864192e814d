/**
 * The wire form of protobuf messages (https://protobuf.dev/programming-guides/encoding), for the few small ones that are read and
 * written by hand. Bytes come from peers: nothing here throws, copies or reads past the end.
 */

const wireTypes = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;
/** A varint of 64 bits. */
const maxVarintBytes = 10;
const maxFieldNumber = 2 ** 29 - 1;

/**
 * Reads the fields of a message one after another. A value that nobody reads is passed over by the next {@link ProtobufReader.next}.
 * Bytes that are no message end it, and `isBroken` says so then; groups, which proto3 has not, are such bytes.
 */
export class ProtobufReader {
  /** Number of the field that the reader is at. */
  field = 0;
  isBroken = false;
  private readonly message: Uint8Array;
  private at = 0;
  /** Of the value that was not read yet; −1 where there is none. */
  private wireType = -1;

  constructor(message: Uint8Array) {
    this.message = message;
  }

  /** Goes to the next field; false at the end, and where the bytes are none. */
  next(): boolean {
    if (this.wireType !== -1) this.skip();
    if (this.isBroken || this.at >= this.message.length) return false;
    const tag = this.number();
    this.field = Math.floor(tag / 8);
    this.wireType = tag % 8;
    if (this.field === 0 || this.field > maxFieldNumber) this.isBroken = true;
    return !this.isBroken;
  }

  /** The field as a whole number, exact up to 53 bits; undefined where it is of another type or cannot be read. */
  varint(): number | undefined {
    if (!this.takes(wireTypes.varint)) return undefined;
    const value = this.number();
    return this.isBroken ? undefined : value;
  }

  /** The field as a double; undefined where it is of another type or cannot be read. */
  double(): number | undefined {
    if (!this.takes(wireTypes.fixed64)) return undefined;
    const start = this.pass(8);
    if (start === -1) return undefined;
    return new DataView(this.message.buffer, this.message.byteOffset + start, 8).getFloat64(0, true);
  }

  /** The field as bytes (a text, or a message), not copied; undefined where it is of another type or cannot be read. */
  bytes(): Uint8Array | undefined {
    if (!this.takes(wireTypes.bytes)) return undefined;
    const length = this.number();
    const start = this.pass(length);
    return start === -1 ? undefined : this.message.subarray(start, start + length);
  }

  private takes(wireType: number): boolean {
    if (this.isBroken || this.wireType !== wireType) return false;
    this.wireType = -1;
    return true;
  }

  private skip(): void {
    const { wireType } = this;
    this.wireType = -1;
    if (wireType === wireTypes.varint) this.number();
    else if (wireType === wireTypes.fixed64) this.pass(8);
    else if (wireType === wireTypes.bytes) this.pass(this.number());
    else if (wireType === wireTypes.fixed32) this.pass(4);
    else this.isBroken = true;
  }

  /** Where the next so many bytes begin; −1 where there are not so many. */
  private pass(count: number): number {
    const start = this.at;
    if (this.isBroken || count > this.message.length - start) {
      this.isBroken = true;
      return -1;
    }
    this.at = start + count;
    return start;
  }

  private number(): number {
    let value = 0;
    for (let place = 0; place < maxVarintBytes; place++) {
      const byte = this.message[this.at];
      if (byte === undefined) break;
      this.at++;
      value += (byte & 0x7f) * 2 ** (7 * place);
      if (byte < 0x80) return value;
    }
    this.isBroken = true;
    return 0;
  }
}

/** A field that is a text. */
export function textField(field: number, text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from([...varint(field * 8 + wireTypes.bytes), ...varint(bytes.length)]), bytes]);
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  bytes.push(rest);
  return bytes;
}

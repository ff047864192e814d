/**
 * The wire form of protobuf messages (https://protobuf.dev/programming-guides/encoding), for the few small ones that are read and
 * written by hand. Bytes that are read come from peers: the reader never throws, copies or reads past the end.
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

const firstRoomBytes = 128;

/**
 * Writes the fields of a message one after another, and exactly those that it is told to: whoever wants proto3's defaults left out
 * does not write them. Each call gives the writer again. Numbers that no field can hold are a programmer's mistake: RangeError.
 *
 *     new ProtobufWriter().text(1, 'cart').message(2, new ProtobufWriter().varint(1, 80)).finish()
 */
export class ProtobufWriter {
  private room = Buffer.allocUnsafe(firstRoomBytes);
  private length = 0;

  /** A whole number of up to 53 bits (`int32`, `uint64`, an enum, a `bool` as 0 or 1); a negative one takes ten bytes. */
  varint(field: number, value: number): this {
    if (!Number.isSafeInteger(value)) throw new RangeError(`a varint is a whole number of up to 53 bits, not ${value}`);
    this.tag(field, wireTypes.varint);
    if (value >= 0) return this.number(value);
    this.reserve(maxVarintBytes);
    let rest = BigInt.asUintN(64, BigInt(value));
    for (; rest >= 0x80n; rest >>= 7n) this.room[this.length++] = Number(rest & 0x7fn) | 0x80;
    this.room[this.length++] = Number(rest);
    return this;
  }

  double(field: number, value: number): this {
    this.tag(field, wireTypes.fixed64);
    this.reserve(8);
    this.length = this.room.writeDoubleLE(value, this.length);
    return this;
  }

  /** A number of 32 bits (`float`). */
  float(field: number, value: number): this {
    this.tag(field, wireTypes.fixed32);
    this.reserve(4);
    this.length = this.room.writeFloatLE(value, this.length);
    return this;
  }

  /** Bytes, which are copied. */
  bytes(field: number, value: Uint8Array): this {
    this.tag(field, wireTypes.bytes);
    this.number(value.length);
    this.reserve(value.length);
    this.room.set(value, this.length);
    this.length += value.length;
    return this;
  }

  text(field: number, value: string): this {
    const length = Buffer.byteLength(value);
    this.tag(field, wireTypes.bytes);
    this.number(length);
    this.reserve(length);
    this.length += this.room.write(value, this.length, length, 'utf8');
    return this;
  }

  /** A message inside of this one, as it is now. */
  message(field: number, value: ProtobufWriter | Uint8Array): this {
    return this.bytes(field, value instanceof ProtobufWriter ? value.written() : value);
  }

  /** The message: bytes of their own. */
  finish(): Uint8Array {
    return Uint8Array.from(this.written());
  }

  private written(): Buffer {
    return this.room.subarray(0, this.length);
  }

  private tag(field: number, wireType: number): void {
    if (!Number.isInteger(field) || field < 1 || field > maxFieldNumber)
      throw new RangeError(`a field has a number from 1 to ${maxFieldNumber}, not ${field}`);
    this.number(field * 8 + wireType);
  }

  private number(value: number): this {
    this.reserve(maxVarintBytes);
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 128)) this.room[this.length++] = (rest % 128) | 0x80;
    this.room[this.length++] = rest;
    return this;
  }

  private reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.room.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, this.room.length * 2));
    this.room.copy(larger, 0, 0, this.length);
    this.room = larger;
  }
}

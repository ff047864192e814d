/**
 * Reads what a TLS client says before anything is answered: the name it asks for (SNI) and the application protocols it offers
 * (ALPN). By these a filter chain is chosen, and the chain brings the certificates, so that this cannot be left to OpenSSL, which
 * gets the same bytes afterwards and judges them in full. Nothing is trusted here: lengths are checked against what is there, each
 * byte is looked at once, and what was collected is bounded.
 *
 * A handshake message may be cut into records anywhere, and a record into TCP segments anywhere (RFC 8446, section 5.1).
 * Source: RFC 8446, sections 4.1.2 and 5.1; RFC 6066, section 3; RFC 7301, section 3.1.
 */

/** What a client said of itself. */
export interface ClientHello {
  /** SNI, in lower case. */
  readonly serverName: string | undefined;
  /** ALPN, in the order of the client. */
  readonly applicationProtocols: readonly string[];
}

/** `undefined` = more bytes are needed; a text = why it is no ClientHello. */
export type ClientHelloResult = ClientHello | string | undefined;

/** Of the message itself. Source: BoringSSL takes no longer one, nor does Envoy's inspector. */
const maxClientHelloBytes = 16_384;
/** Records with one byte each blow it up six times; empty ones are no part of a handshake. */
const maxRecordBytes = 16_384;
const headerBytes = 5;
const handshakeRecord = 22;
const clientHelloMessage = 1;

/** Takes the bytes of one connection, in whatever pieces they come. */
export class ClientHelloReader {
  private readonly header = Buffer.alloc(headerBytes);
  private headerLength = 0;
  /** Bytes of the record that are still to come. */
  private recordLeft = 0;
  private message = Buffer.alloc(512);
  private messageLength = 0;

  /** Reads on. Call it with each piece once, and no more after it has answered. */
  push(bytes: Buffer): ClientHelloResult {
    let at = 0;
    while (at < bytes.length) {
      if (this.recordLeft === 0) {
        const taken = bytes.copy(this.header, this.headerLength, at, at + headerBytes - this.headerLength);
        this.headerLength += taken;
        at += taken;
        const problem = this.beginRecord();
        if (problem !== undefined) return problem;
        continue;
      }
      const taken = Math.min(this.recordLeft, bytes.length - at);
      this.append(bytes.subarray(at, at + taken));
      this.recordLeft -= taken;
      at += taken;
      if (this.recordLeft === 0) this.headerLength = 0;
      const result = this.parse();
      if (result !== undefined) return result;
    }
    return undefined;
  }

  /** Looks at as much of the record's header as is there, so that what is no TLS is refused at its first byte. */
  private beginRecord(): string | undefined {
    const { header, headerLength } = this;
    if (header[0] !== handshakeRecord) return 'a record in it is no handshake';
    if (headerLength > 1 && header[1] !== 3) return 'its record has an unknown version';
    if (headerLength < headerBytes) return undefined;
    const length = header.readUInt16BE(3);
    if (length === 0) return 'a record in it is empty';
    if (length > maxRecordBytes) return `a record in it is longer than ${maxRecordBytes} bytes`;
    this.recordLeft = length;
    return undefined;
  }

  private append(piece: Buffer): void {
    const length = this.messageLength + piece.length;
    if (length > this.message.length) {
      const larger = Buffer.alloc(Math.max(length, 2 * this.message.length));
      this.message.copy(larger, 0, 0, this.messageLength);
      this.message = larger;
    }
    piece.copy(this.message, this.messageLength);
    this.messageLength = length;
  }

  private parse(): ClientHelloResult {
    const { message, messageLength } = this;
    if (messageLength > 0 && message[0] !== clientHelloMessage) return 'its handshake does not begin with a ClientHello';
    if (messageLength < 4) return undefined;
    const length = message.readUIntBE(1, 3);
    if (length > maxClientHelloBytes) return `the ClientHello is longer than ${maxClientHelloBytes} bytes`;
    if (messageLength < 4 + length) return undefined;
    return parseClientHello(message.subarray(4, 4 + length));
  }
}

/** Walks over bytes; beyond the end it notes the fact and gives nothing. */
class Cursor {
  private readonly bytes: Buffer;
  private at = 0;
  isShort = false;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.isShort || this.at >= this.bytes.length;
  }

  whole(size: 1 | 2): number {
    if (this.at + size > this.bytes.length) {
      this.isShort = true;
      return 0;
    }
    const value = this.bytes.readUIntBE(this.at, size);
    this.at += size;
    return value;
  }

  take(length: number): Buffer {
    if (this.at + length > this.bytes.length) this.isShort = true;
    const taken = this.bytes.subarray(this.at, this.at + length);
    this.at += length;
    return taken;
  }
}

const serverNameExtension = 0;
const alpnExtension = 16;
const hostName = 0;

function parseClientHello(body: Buffer): ClientHello | string {
  const cursor = new Cursor(body);
  cursor.take(2 + 32); // legacy version and random
  cursor.take(cursor.whole(1)); // session
  cursor.take(cursor.whole(2)); // cipher suites
  cursor.take(cursor.whole(1)); // compression methods
  if (cursor.isShort) return 'the ClientHello is cut off';
  let serverName: string | undefined;
  let applicationProtocols: readonly string[] = [];
  const seen = new Set<number>();
  // TLS 1.2 knows hellos without extensions.
  const extensions = new Cursor(cursor.isAtEnd ? Buffer.alloc(0) : cursor.take(cursor.whole(2)));
  if (cursor.isShort || !cursor.isAtEnd) return 'the extensions of the ClientHello have a wrong length';
  while (!extensions.isAtEnd) {
    const type = extensions.whole(2);
    const content = extensions.take(extensions.whole(2));
    if (extensions.isShort) return 'an extension of the ClientHello is cut off';
    // Two of a kind: OpenSSL and we might each believe another one.
    if (seen.has(type)) return 'the ClientHello has an extension twice';
    seen.add(type);
    if (type === serverNameExtension) {
      const name = readServerName(content);
      if (name === undefined) return 'the server name of the ClientHello is malformed';
      serverName = name;
    } else if (type === alpnExtension) {
      const names = readProtocols(content);
      if (names === undefined) return 'the application protocols of the ClientHello are malformed';
      applicationProtocols = names;
    }
  }
  return { serverName, applicationProtocols };
}

/** Names with anything but visible ASCII are none. */
const visible = /^[\x21-\x7e]+$/;

function readServerName(content: Buffer): string | undefined {
  const outer = new Cursor(content);
  const list = new Cursor(outer.take(outer.whole(2)));
  if (outer.isShort || !outer.isAtEnd) return undefined;
  const type = list.whole(1);
  const name = list.take(list.whole(2)).toString('latin1');
  if (list.isShort || !list.isAtEnd || type !== hostName || !visible.test(name)) return undefined;
  return name.toLowerCase();
}

function readProtocols(content: Buffer): readonly string[] | undefined {
  const outer = new Cursor(content);
  const list = new Cursor(outer.take(outer.whole(2)));
  if (outer.isShort || !outer.isAtEnd) return undefined;
  const names: string[] = [];
  while (!list.isAtEnd) {
    const name = list.take(list.whole(1)).toString('latin1');
    if (list.isShort || name === '') return undefined;
    names.push(name);
  }
  return names.length === 0 ? undefined : names;
}

/**
 * Finds out from the first bytes of a connection what it is: after a PROXY header, if one is expected, TLS begins with a handshake
 * record (0x16), HTTP/2 with its preface, HTTP/1 with a letter. The bytes are put back and read again by whoever serves the
 * connection. What may be collected is bounded, and so is the time: it runs from the moment of the connection, however often a
 * byte arrives, so that a client which sends one at a time is not served for ever.
 */
import type { Socket } from 'node:net';
import type { Deadline, Deadlines, DeadlineTarget } from '../../base/deadlines.ts';
import type { ConnectionRefusalReason } from '../../telemetry/inbound-events.ts';
import { ClientHelloReader, type ClientHello } from './client-hello.ts';
import { readProxyHeader, type ProxyHeader } from './proxy-protocol.ts';

/** What came first. `proxy` is set where a PROXY header was read; it is no longer among the bytes. */
export type FirstBytes =
  | { readonly kind: 'tls'; readonly hello: ClientHello; readonly proxy: ProxyHeader | undefined }
  | { readonly kind: 'http/1.1' | 'h2c'; readonly proxy: ProxyHeader | undefined }
  | { readonly kind: 'refused'; readonly reason: ConnectionRefusalReason; readonly detail: string }
  /** The client has gone without a word. */
  | { readonly kind: 'gone' };

/** What is expected, and within what time. */
export interface FirstBytesOptions {
  readonly deadlines: Deadlines;
  /** Monotonic. */
  readonly startMs: number;
  readonly timeoutMs: number;
  /** Whether this client may, or has to, begin with a PROXY header. */
  readonly proxyHeader: 'none' | 'optional' | 'required';
  /** The handshake is over: what comes is HTTP, and no TLS in TLS. */
  readonly isSecured?: boolean;
}

/** More than a ClientHello of the longest kind needs, unless somebody cuts it into records of a few bytes. */
const maxFirstBytes = 32_768;
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
const tlsHandshake = 0x16;

/**
 * Calls `done` once, unless the caller destroys the socket before. By then the socket is paused, has all its bytes again but for a
 * PROXY header, and no listeners of this file.
 */
export function readFirstBytes(socket: Socket, options: FirstBytesOptions, done: (result: FirstBytes) => void): void {
  void new FirstBytesReader(socket, options, done);
}

class FirstBytesReader implements DeadlineTarget {
  private readonly socket: Socket;
  private readonly options: FirstBytesOptions;
  private readonly done: (result: FirstBytes) => void;
  private readonly deadline: Deadline;
  private chunks: Buffer[] = [];
  private length = 0;
  private isProxyDue: boolean;
  private proxy: ProxyHeader | undefined;
  private hello: ClientHelloReader | undefined;

  constructor(socket: Socket, options: FirstBytesOptions, done: (result: FirstBytes) => void) {
    this.socket = socket;
    this.options = options;
    this.done = done;
    this.isProxyDue = options.proxyHeader !== 'none';
    this.deadline = options.deadlines.arm(this, options.timeoutMs, options.startMs);
    socket.on('data', this.onData).on('end', this.onEnd).on('close', this.onClose);
  }

  onDeadline(): void {
    const said = this.length === 0 ? 'nothing' : `${this.length} bytes, which do not show what is spoken`;
    this.refuse('first_bytes_timeout', `the client sent ${said} within ${this.options.timeoutMs} ms`);
  }

  private readonly onData = (chunk: Buffer): void => {
    this.chunks.push(chunk);
    this.length += chunk.length;
    if (this.isProxyDue && !this.readProxy()) return;
    // What followed the PROXY header is in one piece then, and is looked at as if it had come by itself.
    const fresh = this.hello === undefined ? this.joined() : chunk;
    if (fresh.length > 0) this.look(fresh);
  };

  private readonly onEnd = (): void => {
    if (this.hello !== undefined) this.refuse('bad_client_hello', 'the client ended the connection within its ClientHello');
    else if (this.isProxyDue && this.length > 0)
      this.refuse('proxy_header_invalid', 'the client ended the connection within its PROXY header');
    else if (this.length > 0) this.refuse('unknown_protocol', 'the client ended the connection before it showed what it speaks');
    else this.finish({ kind: 'gone' });
  };

  private readonly onClose = (): void => this.finish({ kind: 'gone' });

  /** Whether what follows the header can be looked at. */
  private readProxy(): boolean {
    const bytes = this.joined();
    const header = readProxyHeader(bytes);
    if (header === undefined) return false;
    if (header === 'none' && this.options.proxyHeader === 'required') {
      this.refuse(
        'proxy_header_missing',
        'the connection does not begin with a PROXY header, which is required from its network',
      );
      return false;
    }
    if (typeof header === 'string' && header !== 'none') {
      this.refuse('proxy_header_invalid', `the PROXY header cannot be used: ${header}`);
      return false;
    }
    this.isProxyDue = false;
    if (typeof header === 'object') {
      this.proxy = header;
      this.chunks = [bytes.subarray(header.length)];
      this.length -= header.length;
    }
    return true;
  }

  private look(fresh: Buffer): void {
    if (this.hello !== undefined || (fresh[0] === tlsHandshake && this.options.isSecured !== true)) {
      const result = (this.hello ??= new ClientHelloReader()).push(fresh);
      if (typeof result === 'string') this.refuse('bad_client_hello', result);
      else if (result !== undefined) this.finish({ kind: 'tls', hello: result, proxy: this.proxy });
      else if (this.length > maxFirstBytes)
        this.refuse('bad_client_hello', `the ClientHello is not complete after ${maxFirstBytes} bytes`);
      return;
    }
    const length = Math.min(fresh.length, preface.length);
    if (fresh.compare(preface, 0, length, 0, length) === 0) {
      if (length === preface.length) this.finish({ kind: 'h2c', proxy: this.proxy });
      return;
    }
    if (beginsRequest(fresh[0]!)) this.finish({ kind: 'http/1.1', proxy: this.proxy });
    else this.refuse('unknown_protocol', `the first byte is 0x${fresh[0]!.toString(16).padStart(2, '0')}: neither TLS nor HTTP`);
  }

  private joined(): Buffer {
    if (this.chunks.length > 1) this.chunks = [Buffer.concat(this.chunks, this.length)];
    return this.chunks[0]!;
  }

  private refuse(reason: ConnectionRefusalReason, detail: string): void {
    this.finish({ kind: 'refused', reason, detail });
  }

  private finish(result: FirstBytes): void {
    const { socket } = this;
    this.deadline.cancel();
    socket.off('data', this.onData).off('end', this.onEnd).off('close', this.onClose);
    socket.pause();
    if (this.length > 0 && !socket.readableEnded) socket.unshift(this.joined());
    this.done(result);
  }
}

/** A method begins with a letter or another character of a token (RFC 9110, section 5.6.2); empty lines may come before it. */
function beginsRequest(byte: number): boolean {
  if (byte === 0x0d || byte === 0x0a) return true;
  return byte > 0x20 && byte < 0x7f && !'"(),/:;<=>?@[\\]{}'.includes(String.fromCharCode(byte));
}

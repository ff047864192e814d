/**
 * The port of a fake upstream: HTTP/1.1 and HTTP/2 on it, told apart by ALPN or by the first bytes, and every connection at hand, so
 * that it can be broken. Node's own servers parse; they never listen themselves.
 */
import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import {
  createServer as createHttp2Server,
  type Http2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
  type Settings,
} from 'node:http2';
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { readCertificateExtensions } from '../../security/certificate-extensions.ts';

/** What is spoken: one of them alone, or whichever the client begins with (over TLS: asks for). */
export type UpstreamProtocol = 'http1' | 'http2' | 'both';

/** A certificate and its key, PEM, and whose certificates are asked for. */
export interface UpstreamTls {
  readonly certificateChain: string;
  readonly privateKey: string | { reveal(): string };
  /** Roots, PEM. Given = clients must show a certificate that ends in one of them. */
  readonly clients?: string;
}

/** A connection of a client. */
export interface UpstreamConnection {
  /** From 1. */
  readonly number: number;
  /** That of TCP. */
  readonly socket: Socket;
  /** What HTTP runs over: the same, or that of TLS. */
  carrier: Socket;
  clientUris: readonly string[];
  session?: ServerHttp2Session;
}

/** What a port is made of. */
export interface UpstreamPortOptions {
  readonly protocol: UpstreamProtocol;
  readonly tls?: UpstreamTls | undefined;
  readonly http2?: Settings | undefined;
  readonly onRequest: (
    connection: UpstreamConnection,
    request: IncomingMessage | Http2ServerRequest,
    response: ServerResponse | Http2ServerResponse,
  ) => void;
  /** Absent = an upgrade is a request like any other. */
  readonly onUpgrade?: ((request: IncomingMessage, socket: Duplex, head: Buffer) => void) | undefined;
}

/** A port on 127.0.0.1 that listens once it is told to. */
export class UpstreamPort {
  /** Open ones. */
  readonly connections = new Set<UpstreamConnection>();
  /** Made since the beginning. */
  accepted = 0;
  /** 0 before it listens first; the same ever after. */
  port: number;
  readonly #options: UpstreamPortOptions;
  readonly #byStream = new WeakMap<object, UpstreamConnection>();
  readonly #http1 = createHttpServer();
  readonly #http2: Http2Server;
  #server: Server | undefined;
  #handedOver: UpstreamConnection | undefined;

  constructor(options: UpstreamPortOptions, port: number) {
    this.#options = options;
    this.port = port;
    this.#http2 = createHttp2Server({ settings: options.http2 ?? {} });
    this.#http1.on('request', (request, response) => {
      options.onRequest(this.#byStream.get(request.socket)!, request, response);
    });
    // Whoever handles it says "continue" by reading, which is at once.
    this.#http1.on('checkContinue', (request, response) => {
      response.writeContinue();
      this.#http1.emit('request', request, response);
    });
    if (options.onUpgrade !== undefined) this.#http1.on('upgrade', options.onUpgrade);
    this.#http2.on('request', (request, response) => {
      options.onRequest(this.#byStream.get(request.stream.session!)!, request, response);
    });
    this.#http2.on('session', (session) => {
      this.#byStream.set(session, this.#handedOver!);
      this.#handedOver!.session = session;
      session.on('error', () => session.destroy());
    });
    this.#http1.on('clientError', (_error, socket) => socket.destroy());
  }

  /** Rejects when the port is taken. */
  async listen(): Promise<void> {
    if (this.#server !== undefined) return;
    const { tls } = this.#options;
    const server = tls === undefined ? createTcpServer() : this.#securedServer(tls);
    server.on('connection', (socket: Socket) => this.#accept(socket, tls !== undefined));
    this.#server = server;
    server.listen(this.port, '127.0.0.1');
    await once(server, 'listening');
    // A test that forgets it ends all the same.
    server.unref();
    this.port = (server.address() as AddressInfo).port;
  }

  /** Closes connections of HTTP/1.1 that nothing is under way on. */
  closeIdle(): void {
    this.#http1.closeIdleConnections();
  }

  /** Breaks every connection off; new ones are still taken. */
  cut(): void {
    for (const { socket } of this.connections) socket.destroy();
  }

  /** What SIGKILL does, as far as clients see: connections are broken off, and further ones refused. */
  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = once(server, 'close');
    server.close();
    this.cut();
    await closed;
  }

  #accept(socket: Socket, isSecured: boolean): void {
    const connection: UpstreamConnection = { number: ++this.accepted, socket, carrier: socket, clientUris: [] };
    this.connections.add(connection);
    socket.setNoDelay(true);
    socket.on('close', () => this.connections.delete(connection)).on('error', () => {});
    if (!isSecured) this.#read(connection, socket);
  }

  #securedServer({ certificateChain, privateKey, clients }: UpstreamTls): Server {
    const { protocol } = this.#options;
    const server = createTlsServer({
      cert: certificateChain,
      key: typeof privateKey === 'string' ? privateKey : privateKey.reveal(),
      ...(clients !== undefined && { ca: clients }),
      requestCert: clients !== undefined,
      rejectUnauthorized: clients !== undefined,
      ALPNProtocols: protocol === 'both' ? ['h2', 'http/1.1'] : [protocol === 'http1' ? 'http/1.1' : 'h2'],
    });
    server.on('tlsClientError', (_error: Error, socket: TLSSocket) => socket.destroy());
    server.on('secureConnection', (socket: TLSSocket) => {
      socket.on('error', () => {});
      // The socket below is not to be had from the one of TLS; while both are open no other has its port.
      const connection = Array.from(this.connections).find((open) => open.socket.remotePort === socket.remotePort);
      if (connection === undefined) return;
      const certificate = socket.getPeerX509Certificate();
      if (certificate !== undefined) connection.clientUris = readCertificateExtensions(certificate.raw).uris;
      const { alpnProtocol } = socket;
      if (typeof alpnProtocol === 'string') this.#serve(connection, socket, alpnProtocol === 'h2');
      else this.#read(connection, socket);
    });
    return server;
  }

  /** HTTP/2 begins with `PRI `, which is no method of HTTP/1.1. */
  #read(connection: UpstreamConnection, socket: Socket): void {
    const { protocol } = this.#options;
    if (protocol !== 'both') {
      this.#serve(connection, socket, protocol === 'http2');
      return;
    }
    socket.once('data', (chunk: Buffer) => {
      socket.pause();
      socket.unshift(chunk);
      this.#serve(connection, socket, chunk.toString('latin1', 0, 3) === 'PRI');
    });
  }

  #serve(connection: UpstreamConnection, socket: Socket, isHttp2: boolean): void {
    this.#byStream.set(socket, connection);
    this.#handedOver = connection;
    connection.carrier = socket;
    (isHttp2 ? this.#http2 : this.#http1).emit('connection', socket);
    // What was read of it to know the protocol is in its buffer again.
    if (!isHttp2) socket.resume();
  }
}

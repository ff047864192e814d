/**
 * An endpoint that every client can talk to: HTTP/1.1 and HTTP/2 on one port, by what the connection begins with or by ALPN; plain
 * HTTP, gRPC, Connect and WebSocket, by what the request says. What it does is said once, in acts that mean the same in all of them.
 */
import { createServer as createHttp, type IncomingMessage, type ServerResponse } from 'node:http';
import { createSecureServer, createServer as createHttp2, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import { createServer as createTcp, type AddressInfo, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { Act, Script, SeenRequest } from './act.ts';
import { answerGrpc } from './answer-grpc.ts';
import { answerConnect } from './answer-connect.ts';
import { answerHttp } from './answer-http.ts';
import { answerWebSocket } from './answer-websocket.ts';
import { headersOf } from './outcome.ts';

/** A request of either version. */
export type ServerRequest = IncomingMessage | Http2ServerRequest;
/** Its response, of which only what both versions have is used. */
export type ServerAnswer = ServerResponse & Partial<Pick<Http2ServerResponse, 'stream'>>;

/** Certificate and key of a server; with `clients` it asks for a certificate of these roots. */
export interface UpstreamTls {
  readonly key: string;
  readonly cert: string;
  readonly clients?: string;
}

/** An endpoint that runs. */
export interface Upstream {
  readonly name: string;
  readonly address: string;
  readonly requests: readonly SeenRequest[];
  /** Connections that were accepted so far. */
  readonly connections: () => number;
  /** Does something else from now on. */
  does(script: Script): void;
  /** Stops listening and breaks every connection off. */
  kill(): void;
}

/** Starts one on a port of 127.0.0.1. */
export async function startUpstream(name: string, script: Script = {}, tls?: UpstreamTls): Promise<Upstream> {
  const requests: SeenRequest[] = [];
  const sockets = new Set<Socket>();
  let does = script;
  let connections = 0;

  const note = (request: ServerRequest, body: SeenRequest['body']): SeenRequest => {
    const { headers, socket } = request;
    const seen: SeenRequest = {
      number: requests.length + 1,
      method: request.method ?? '',
      path: (request.url ?? '').split('?')[0]!,
      headers: headersOf(Object.entries(headers)),
      host: String(headers[':authority'] ?? headers.host),
      peer: (socket as Partial<TLSSocket>).getPeerX509Certificate?.()?.subjectAltName,
      received: 0,
      sent: 0,
      body,
      isGivenUp: false,
    };
    requests.push(seen);
    return seen;
  };
  const actFor = async (seen: SeenRequest): Promise<Act> => {
    const act = typeof does === 'function' ? await does(seen) : does;
    await act.after;
    return { body: name, ...act };
  };
  const onRequest = (request: ServerRequest, response: unknown): void => {
    request.on('error', () => {});
    const answer = response as ServerAnswer;
    answer.on('error', () => {});
    const type = request.headers['content-type'] ?? '';
    const parsed = new URL(request.url ?? '/', 'http://upstream');
    if (type.startsWith('application/grpc')) void answerGrpc(request, answer, note, actFor);
    else if (parsed.searchParams.has('connect') || /^application\/(connect\+)?proto/.test(type))
      void answerConnect(request, answer, note, actFor);
    else void answerHttp(request, answer, note, actFor);
  };
  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void =>
    void answerWebSocket(request, socket, head, note, actFor);

  const server = tls === undefined ? plaintext(onRequest, onUpgrade) : secured(tls, onRequest, onUpgrade);
  server.on('connection', (socket: Socket) => {
    connections++;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    name,
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    connections: () => connections,
    does: (next) => void (does = next),
    kill() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

type OnRequest = (request: ServerRequest, response: unknown) => void;
type OnUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** HTTP/2 with prior knowledge begins with `PRI`, and no request of HTTP/1.1 does. */
function plaintext(onRequest: OnRequest, onUpgrade: OnUpgrade): Server {
  const http1 = createHttp({ keepAliveTimeout: 60_000 }, onRequest).on('upgrade', onUpgrade);
  const http2 = createHttp2(onRequest).on('sessionError', () => {});
  return createTcp((socket) => {
    socket.once('data', (chunk) => {
      socket.pause();
      socket.unshift(chunk);
      // HTTP/2 reads by itself what is there already.
      if (chunk.toString('latin1').startsWith('PRI')) http2.emit('connection', socket);
      else {
        http1.emit('connection', socket);
        socket.resume();
      }
    });
  });
}

function secured({ key, cert, clients }: UpstreamTls, onRequest: OnRequest, onUpgrade: OnUpgrade): Server {
  const asks = clients === undefined ? {} : { ca: clients, requestCert: true, rejectUnauthorized: true };
  const server = createSecureServer({ key, cert, allowHTTP1: true, ...asks }, onRequest);
  server.on('upgrade', onUpgrade).on('sessionError', () => {});
  server.on('tlsClientError', (_error: Error, socket: TLSSocket) => socket.destroy());
  return server;
}

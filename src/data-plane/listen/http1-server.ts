/**
 * Node's server for HTTP/1.1, which is handed its connections. Its parser is the strict one, whatever the flags of the process say
 * (RFC 9112: no Transfer-Encoding beside Content-Length, no second Content-Length, no bare line feed, no space before a colon).
 */
import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { continueOnRead } from './continue-on-read.ts';
import { leaveHttp } from './leave-http.ts';
import type { ServerLimits } from './server-limits.ts';

/** Who is told of what comes. */
export interface Http1Events {
  readonly onRequest: (request: IncomingMessage, response: ServerResponse) => void;
  /** Asked first, with a response on which the answer is no; `done` = the connection may leave HTTP. Absent = no upgrades. */
  readonly onUpgrade?: ((request: IncomingMessage, response: ServerResponse, done: () => void) => void) | undefined;
  /** The connection of an upgrade that was let in. */
  readonly upgrade?: ((request: IncomingMessage, socket: Duplex, head: Buffer) => void) | undefined;
  /** What came is not HTTP, too large, or too slow: `reason` is Node's code. The connection is answered, and closed. */
  readonly onBroken: (socket: Duplex, reason: string) => void;
}

/** Statuses of errors that are not simply bad requests. */
const statusByError: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Payload Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

/** A server that never listens: `emit('connection', socket)` hands it one. */
export function createHttp1Server(limits: ServerLimits, events: Http1Events): Server {
  const server = createServer({
    insecureHTTPParser: false,
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    // How late a slow request is noticed; each look is over all connections, in native code.
    connectionsCheckingInterval: Math.max(1, Math.min(1_000, limits.headersTimeoutMs)),
    // `Upgrade: h2c` asks for what only prior knowledge gets here (RFC 9113, section 3.1, obsoletes it).
    shouldUpgradeCallback: (request: IncomingMessage) =>
      events.upgrade !== undefined && request.headers.upgrade?.toLowerCase() !== 'h2c',
  } as ServerOptions);
  if (limits.maxHeaders !== undefined) server.maxHeadersCount = limits.maxHeaders;
  server.on('request', events.onRequest);
  server.on('checkContinue', (request, response) => {
    continueOnRead(request, response);
    // As a request like others, since instrumentations look for those.
    server.emit('request', request, response);
  });
  server.on('upgrade', askForUpgrade);
  server.on('connect', askForUpgrade);
  server.on('clientError', answerError);
  // Node begins to look for slow requests when a server listens.
  server.emit('listening');
  return server;

  function askForUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { upgrade, onUpgrade } = events;
    leaveHttp(request, socket, (response, done) => {
      if (upgrade === undefined || onUpgrade === undefined)
        response.writeHead(501, { connection: 'close', 'content-length': 0 }).end();
      else onUpgrade(request, response, () => done(() => upgrade(request, socket, head)));
    });
  }

  function answerError(error: Error, socket: Duplex): void {
    const code = (error as NodeJS.ErrnoException).code ?? 'ERR_HTTP_PARSE';
    const response = (socket as { _httpMessage?: ServerResponse | null })._httpMessage;
    if (code !== 'ECONNRESET') events.onBroken(socket, code);
    // Into a response that has begun nothing else may be written.
    if (socket.writable && code !== 'ECONNRESET' && response?.headersSent !== true)
      socket.write(`HTTP/1.1 ${statusByError[code] ?? '400 Bad Request'}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    socket.destroy();
  }
}

/**
 * A connection that asks to leave HTTP (`Upgrade`, `CONNECT`), as Node's servers hand it over: with a socket that nobody answers on. It gets
 * a response as any request does, on which the answer is no.
 */
import { ServerResponse, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { leavingHttp } from '../inbound/leaving-http.ts';
import { destroyWhenLeft } from './destroy-when-left.ts';

/**
 * Calls `ask` with a response, on which it answers no; or it calls `done`, and `take` gets the connection. `ask` is called when the
 * requests that were pipelined before are answered, and not at all for a client that has left.
 */
export function leaveHttp(
  request: IncomingMessage,
  socket: Duplex,
  ask: (response: ServerResponse, done: (take: () => void) => void) => void,
): void {
  // To the end of the connection: a program that forgets about errors of what it took over is no reason to end the process.
  socket.on('error', ignore);
  afterEarlier(socket, () => {
    if (socket.writable) askNow(request, socket, ask);
    else socket.destroy();
  });
}

function askNow(request: IncomingMessage, socket: Duplex, ask: Parameters<typeof leaveHttp>[2]): void {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  leavingHttp.add(response);
  response.assignSocket(socket as never);
  // What the client goes on to send is read and dropped: a reset would take the answer with it.
  response.once('finish', () => (socket.resume() as Socket).destroySoon());
  let isDecided = false;
  let stopWatching: (() => void) | undefined;
  ask(response, (take) => {
    isDecided = true;
    stopWatching?.();
    if (response.headersSent || socket.destroyed) return;
    response.detachSocket(socket as never);
    // What the connection says from here on is no response; who counts it as one hears of its end all the same.
    response.statusCode = 101;
    socket.once('close', () => response.emit('close'));
    take();
  });
  if (!isDecided && !response.writableEnded) stopWatching = destroyWhenLeft(socket);
}

/** Calls back when the requests that were pipelined before are answered: until then what is written belongs to their responses. */
function afterEarlier(socket: Duplex, then: () => void): void {
  const earlier = (socket as { _httpMessage?: ServerResponse | null })._httpMessage;
  if (earlier === undefined || earlier === null) {
    // Idle time between requests is no matter of what comes now.
    (socket as Socket).setTimeout(0);
    then();
  } else earlier.once('close', () => afterEarlier(socket, then));
}

function ignore(): void {
  // The peer is gone; `close` says so.
}

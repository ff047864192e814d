/** An endpoint that answers each attempt of a request as its script says. The path names the request, and attempts are counted here. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

interface Exchange {
  readonly script: readonly string[];
  attempts: number;
}

export class ScriptedUpstream {
  private readonly exchanges = new Map<string, Exchange>();
  private readonly sockets = new Set<Socket>();
  private readonly server: Server = createServer({ keepAliveTimeout: 0 }, (request, response) => this.serve(request, response));

  async start(): Promise<void> {
    this.server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => this.sockets.delete(socket));
    });
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /**
   * What becomes of the attempts of `/id`, in order; the last word holds for all that follow. `503|name=value` answers with a header,
   * `reset` breaks the connection once the request was read, `hang` never answers, `trunc` breaks a response of status 200 off.
   */
  script(id: string, script: readonly string[]): void {
    this.exchanges.set(id, { script, attempts: 0 });
  }

  attempts(id: string): number {
    return this.exchanges.get(id)!.attempts;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private serve(request: IncomingMessage, response: ServerResponse): void {
    const exchange = this.exchanges.get(request.url!.slice(1))!;
    const word = exchange.script[Math.min(exchange.attempts++, exchange.script.length - 1)]!;
    request.on('error', () => {});
    response.on('error', () => {});
    request.resume().on('end', () => act(word, request.socket, response));
  }
}

function act(word: string, socket: Socket, response: ServerResponse): void {
  if (word === 'hang') return;
  if (word === 'reset') {
    socket.resetAndDestroy();
    return;
  }
  if (word === 'trunc') {
    response.writeHead(200, { 'content-length': 100 });
    // The connection is cut once what was written has left.
    response.write('part of it', () => setImmediate(() => socket.destroy()));
    return;
  }
  const [status, ...headers] = word.split('|');
  for (const header of headers) response.setHeader(header.slice(0, header.indexOf('=')), header.slice(header.indexOf('=') + 1));
  response.writeHead(Number(status)).end('answered\n');
}

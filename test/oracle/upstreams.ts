/**
 * Endpoints on loopback that do as each request was scripted, and that keep what reached them: the ledger that attempts are counted
 * in. A request is known by the header {@link idHeader}. All names of one process share these servers, whichever proxy asks.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttp2Server, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import { connect, createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { parseStep, type UpstreamStep } from './upstream-step.ts';

/** Names a request in every attempt of it. */
export const idHeader = 'x-oracle-id';

/** Names of the endpoints that answer over HTTP/1.1, and of those that speak HTTP/2 alone. */
export const http1Names = ['a', 'b', 'c', 'd', 'e', 'f'] as const;
export const http2Names = ['h', 'i'] as const;

/** One arrival of a request at an endpoint. */
export interface Arrival {
  readonly endpoint: string;
  readonly method: string;
  readonly path: string;
  readonly host: string;
  /** Lower-case names; values of a repeated header joined by `,`. */
  readonly headers: Readonly<Record<string, string>>;
  bodyBytes: number;
}

/** What becomes of the attempts of a request: in order, the last one for all that follow; or so for each endpoint, `*` for the rest. */
export type Script = readonly string[] | Readonly<Record<string, readonly string[]>>;

type AnyRequest = IncomingMessage | Http2ServerRequest;
type AnyResponse = ServerResponse | Http2ServerResponse;

interface Exchange {
  readonly script: Script;
  readonly arrivals: Arrival[];
}

const unacceptingProgram = `
  const server = require('node:net').createServer();
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
    require('node:worker_threads').parentPort.postMessage(server.address().port);
    setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
  });`;

const answersOk: Exchange['script'] = ['200'];

/** The servers of a run. */
export class Upstreams {
  private readonly ports = new Map<string, number>();
  private readonly servers: Server[] = [];
  private readonly sockets = new Set<Socket>();
  private readonly exchanges = new Map<string, Exchange>();
  private readonly timers = new Set<NodeJS.Timeout>();
  private stuck: Worker | undefined = undefined;

  /** Starts all of them. `refused` is a port where nothing listens; `unaccepting` one where no connection is ever made. */
  async start(): Promise<void> {
    for (const name of http1Names) {
      const server = createServer({ keepAliveTimeout: 0 }, (request, response) => this.serve(name, request, response));
      await this.listen(name, server);
    }
    for (const name of http2Names) {
      const server = createHttp2Server((request, response) => this.serve(name, request, response));
      server.on('sessionError', () => {});
      await this.listen(name, server);
    }
    const closed = createTcpServer();
    await this.listen('refused', closed);
    await new Promise((resolve) => closed.close(resolve));
    await this.startUnaccepting();
  }

  /** Its thread stands still, and its queue of connections is full: the system drops further ones without a word. */
  private async startUnaccepting(): Promise<void> {
    this.stuck = new Worker(unacceptingProgram, { eval: true });
    const [port] = (await once(this.stuck, 'message')) as [number];
    this.ports.set('unaccepting', port);
    for (let index = 0; index < 4; index++) {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => {});
      this.sockets.add(socket);
      // Those beyond the queue never connect; a moment later nobody does.
      if (index < 2) await once(socket, 'connect');
    }
  }

  private async listen(name: string, server: Server): Promise<void> {
    server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => this.sockets.delete(socket));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.ports.set(name, (server.address() as AddressInfo).port);
    this.servers.push(server);
  }

  /** Port of an endpoint. Throws a TypeError for a name that is none. */
  port(name: string): number {
    const port = this.ports.get(name);
    if (port === undefined) throw new TypeError(`there is no endpoint "${name}"; there are ${[...this.ports.keys()].join(', ')}`);
    return port;
  }

  /** What is to be done with the request `id`. */
  script(id: string, script: Script = answersOk): void {
    for (const step of Array.isArray(script) ? script : Object.values(script).flat()) parseStep(step as string);
    this.exchanges.set(id, { script, arrivals: [] });
  }

  /** Where the request `id` has arrived so far. */
  arrivals(id: string): readonly Arrival[] {
    return this.exchanges.get(id)?.arrivals ?? [];
  }

  async stop(): Promise<void> {
    for (const timer of this.timers) clearTimeout(timer);
    for (const socket of this.sockets) socket.destroy();
    await this.stuck?.terminate();
    await Promise.all(this.servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }

  private serve(endpoint: string, request: AnyRequest, response: AnyResponse): void {
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(request.headers))
      if (!name.startsWith(':')) headers[name] = Array.isArray(value) ? value.join(',') : String(value);
    const host = headers['host'] ?? String(request.headers[':authority'] ?? '');
    const arrival: Arrival = { endpoint, method: request.method ?? '', path: request.url ?? '', host, headers, bodyBytes: 0 };
    let exchange = this.exchanges.get(headers[idHeader] ?? '');
    // A request that nobody announced is answered, so that a mistake of a case does not look like a fault.
    if (exchange === undefined) this.exchanges.set(headers[idHeader] ?? '', (exchange = { script: answersOk, arrivals: [] }));
    exchange.arrivals.push(arrival);
    const step = stepFor(exchange, endpoint);
    request.on('error', () => {});
    response.on('error', () => {});
    request.on('data', (chunk: Buffer) => (arrival.bodyBytes += chunk.byteLength));
    request.on('end', () => this.later(step.afterMs, () => this.act(endpoint, step, request, response)));
  }

  private later(delayMs: number, work: () => void): void {
    if (delayMs === 0) {
      work();
      return;
    }
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      work();
    }, delayMs);
    this.timers.add(timer);
  }

  private act(endpoint: string, step: UpstreamStep, request: AnyRequest, response: AnyResponse): void {
    if (response.destroyed || response.writableEnded) return;
    const socket: Socket = request.socket;
    const body = `answered by ${endpoint}\n`;
    switch (step.kind) {
      case 'hang':
        break;
      case 'reset':
        if ('stream' in request) request.stream.close(2);
        else socket.resetAndDestroy();
        break;
      case 'refuse':
        if ('stream' in request) request.stream.close(7);
        else socket.resetAndDestroy();
        break;
      case 'close':
        socket.end();
        socket.destroySoon();
        break;
      case 'garbage':
        socket.end('this is not HTTP\r\n\r\n');
        break;
      case 'truncate':
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\npart of it`);
        // After what was written has left, else the reset overtakes it.
        this.later(30, () => socket.resetAndDestroy());
        break;
      case 'answer':
        for (const [name, value] of step.headers) response.setHeader(name, value);
        response.setHeader('x-upstream', endpoint);
        response.statusCode = step.status;
        if (step.bodyAfterMs > 0 && 'flushHeaders' in response) response.flushHeaders();
        this.later(step.bodyAfterMs, () => {
          if ('stream' in response) response.end(body);
          else response.end(body);
        });
        break;
    }
  }
}

function stepFor({ script, arrivals }: Exchange, endpoint: string): UpstreamStep {
  const isOrdered = Array.isArray(script);
  const byEndpoint = script as Readonly<Record<string, readonly string[]>>;
  const steps = isOrdered ? (script as readonly string[]) : (byEndpoint[endpoint] ?? byEndpoint['*'] ?? ['200']);
  const count = isOrdered ? arrivals.length : arrivals.filter((arrival) => arrival.endpoint === endpoint).length;
  return parseStep(steps[Math.min(count, steps.length) - 1]!);
}

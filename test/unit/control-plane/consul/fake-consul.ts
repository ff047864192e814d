import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';

/** A query that the fake received and that a test answers when it likes. */
export interface ReceivedQuery {
  readonly path: string;
  readonly parameters: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly response: ServerResponse;
  /** A good answer of this index. */
  answer(body: unknown, index: number | bigint, headers?: Record<string, string>): void;
  refuse(status: number, body: string, headers?: Record<string, string>): void;
  /** Resolves when the client has hung up. */
  readonly closed: Promise<void>;
}

/** A real HTTP server in the place of a Consul agent: answers the question for the leader itself, and hands out the others. */
export interface FakeConsul extends AsyncDisposable {
  readonly origin: string;
  readonly received: readonly ReceivedQuery[];
  next(): Promise<ReceivedQuery>;
  /** Resolves when no client is connected. */
  untilAlone(): Promise<void>;
}

export async function startFakeConsul(): Promise<FakeConsul> {
  const received: ReceivedQuery[] = [];
  const waiting: ((query: ReceivedQuery) => void)[] = [];
  let handed = 0;
  const server = createServer((request, response) => {
    if (request.url === '/v1/status/leader') {
      response.setHeader('content-type', 'application/json').end('"127.0.0.1:8300"');
      return;
    }
    const url = new URL(request.url ?? '', 'http://fake');
    const query: ReceivedQuery = {
      path: url.pathname,
      parameters: url.searchParams,
      headers: request.headers,
      response,
      answer(body, index, headers = {}) {
        response.writeHead(200, {
          'content-type': 'application/json',
          'x-consul-index': String(index),
          'x-consul-knownleader': 'true',
          ...headers,
        });
        response.end(JSON.stringify(body));
      },
      refuse: (status, body, headers = {}) => void response.writeHead(status, headers).end(body),
      closed: once(response, 'close').then(() => {}),
    };
    received.push(query);
    const waiter = waiting.shift();
    if (waiter !== undefined) {
      handed++;
      waiter(query);
    }
  });
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    next() {
      const query = received[handed];
      if (query === undefined) return new Promise((resolve) => waiting.push(resolve));
      handed++;
      return Promise.resolve(query);
    },
    async untilAlone() {
      for (const socket of sockets) await once(socket, 'close');
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** An entry of a health answer as Consul 1.22 sends it, less what nobody reads. */
export function entry(port: number, more: { id?: string; status?: string; weights?: object; tags?: string[] } = {}): object {
  return {
    Node: { Node: 'n1', Address: '127.0.0.1', Datacenter: 'dc1', Meta: {} },
    Service: {
      ID: more.id ?? `orders-${port}`,
      Service: 'orders',
      Tags: more.tags ?? [],
      Address: '',
      Meta: {},
      Port: port,
      Weights: more.weights ?? { Passing: 1, Warning: 1 },
    },
    Checks: [{ CheckID: 'serfHealth', Status: more.status ?? 'passing' }],
  };
}

import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import { after } from 'node:test';

/** A real HTTP server on loopback that counts what it is asked. Closed after the tests of its file. */
export interface TestServer {
  readonly port: number;
  readonly address: string;
  /** Requests that reached the handler. */
  readonly requests: { readonly method: string; readonly url: string; readonly headers: IncomingMessage['headers'] }[];
  readonly server: Server;
  /** Stops listening and breaks every connection off: what SIGKILL does, as far as peers see. */
  kill(): Promise<void>;
}

/** Starts an HTTP server; `port` 0 = any. */
export async function startServer(handler: RequestListener, port = 0): Promise<TestServer> {
  const requests: TestServer['requests'] = [];
  const server = createServer((request, response) => {
    requests.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers });
    handler(request, response);
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const bound = (server.address() as AddressInfo).port;
  const kill = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  after(kill);
  return { port: bound, address: `127.0.0.1:${bound}`, requests, server, kill };
}

/** Starts a server that does with each connection what `onConnection` says: to misbehave below HTTP. */
export async function startTcpServer(
  onConnection: (socket: Socket) => void,
): Promise<{ port: number; address: string; connections: () => number; kill(): Promise<void> }> {
  const sockets = new Set<Socket>();
  let count = 0;
  const server = createTcpServer((socket) => {
    count++;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const kill = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  after(kill);
  return { port, address: `127.0.0.1:${port}`, connections: () => count, kill };
}

/** A port on which nothing listens. */
export async function closedPort(): Promise<number> {
  const server = createTcpServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Answers 200 with `name`. */
export function answer(name: string): RequestListener {
  return (_request: IncomingMessage, response: ServerResponse) => {
    response.end(name);
  };
}

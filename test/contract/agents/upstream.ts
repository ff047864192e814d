/** A server whose answers are bytes: what a program is told of them must not depend on its agent. */
import { createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';

/** Writes an answer, given the whole request (or what is there of it, where the path begins with `/early`). */
export type Script = (socket: Socket, request: string) => void;

/** The request as it was heard, without what differs by nature: `connection` is between neighbours. */
export interface ByteServer {
  readonly port: number;
  /** Requests in the order of their arrival. */
  readonly heard: string[];
  close(): void;
}

/** Answers each path by its script; a request is whole when its framing says so. */
export async function byteServer(scripts: Readonly<Record<string, Script>>): Promise<ByteServer> {
  const heard: string[] = [];
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    let text = '';
    let isHeard = false;
    const onData = (chunk: Buffer): void => {
      text += chunk.toString('latin1');
      const end = text.indexOf('\r\n\r\n');
      if (end === -1) return;
      const head = text.slice(0, end);
      const path = head.split(' ')[1]!;
      const key = path.startsWith('/') ? path.slice(1).split('?')[0]! : 'tunnel';
      const request = text;
      const isAll = isWhole(head, text.slice(end + 4));
      const isNew = !isHeard && (isAll || key.startsWith('early'));
      isHeard = !isAll && (isNew || isHeard);
      if (isAll) text = '';
      if (!isNew) return;
      heard.push(request);
      if (key === 'tunnel' || key.startsWith('upgrade')) socket.off('data', onData);
      scripts[key]!(socket, request);
    };
    socket.on('data', onData);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as { port: number }).port,
    heard,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function isWhole(head: string, body: string): boolean {
  const length = /^content-length: (\d+)$/im.exec(head)?.[1];
  if (length !== undefined) return body.length >= Number(length);
  return !/^transfer-encoding: chunked$/im.test(head) || body.endsWith('0\r\n\r\n');
}

/** The body of a request that was heard, without its framing. */
export function bodyOf(request: string): string {
  const end = request.indexOf('\r\n\r\n');
  const body = request.slice(end + 4);
  if (!/^transfer-encoding: chunked$/im.test(request.slice(0, end))) return body;
  let content = '';
  for (let at = 0; ;) {
    const line = body.indexOf('\r\n', at);
    const size = Number.parseInt(body.slice(at, line), 16);
    if (size === 0) return content;
    content += body.slice(line + 2, line + 2 + size);
    at = line + 4 + size;
  }
}

/** The end-to-end headers of a request that was heard, and its request line. */
export function headOf(request: string): readonly string[] {
  const [line, ...headers] = request.slice(0, request.indexOf('\r\n\r\n')).split('\r\n');
  const isFraming = /^(connection|keep-alive|content-length|transfer-encoding|expect|trailer|host|upgrade):/i;
  return [line!, ...headers.filter((header) => !isFraming.test(header))];
}

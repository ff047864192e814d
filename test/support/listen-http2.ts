import { once } from 'node:events';
import type { Http2SecureServer, Http2Server, ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { after } from 'node:test';

/**
 * Lets a server of HTTP/2 listen on a free port of 127.0.0.1 until the tests of the file are over, with all of its connections.
 * `sessions` are those that came, in order.
 */
export async function listenHttp2(
  server: Http2Server | Http2SecureServer,
): Promise<{ readonly address: string; readonly sessions: ServerHttp2Session[] }> {
  const sessions: ServerHttp2Session[] = [];
  (server as Http2Server).on('session', (session) => sessions.push(session.on('error', () => {})));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  after(() => {
    server.close();
    for (const session of sessions) session.destroy();
  });
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, sessions };
}

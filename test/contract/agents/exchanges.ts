/**
 * What programs do with node:http, one exchange a row. Each is run through an agent of node:http and through that of a mesh, and must
 * look alike to the program: what it is told, and in which order.
 */
import type http from 'node:http';
import type { Socket } from 'node:net';
import type { Script } from './upstream.ts';

/** Sends a request through the agent of the day; the events of it are written down. */
export type Ask = (options: http.RequestOptions) => http.ClientRequest;

export interface ExchangeRow {
  readonly name: string;
  /** Of the upstream, for the path of this name. */
  readonly script: Script;
  /** Sends it; without it, a GET. */
  readonly send?: (ask: Ask) => http.ClientRequest;
  /** What the mesh tells otherwise, and why; events are compared without these. */
  readonly differs?: { readonly reason: string; readonly events: readonly RegExp[] };
}

const respond =
  (...parts: readonly string[]): Script =>
  (socket) =>
    void socket.write(parts.join(''), 'latin1');

const ok = respond('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');

const post =
  (body: string | Buffer, options: http.RequestOptions = {}) =>
  (ask: Ask): http.ClientRequest =>
    ask({ method: 'POST', ...options }).end(body);

const inParts =
  (parts: readonly string[], options: http.RequestOptions = {}) =>
  (ask: Ask): http.ClientRequest => {
    const request = ask({ method: 'POST', ...options });
    const rest = [...parts];
    const next = (): void => {
      const part = rest.shift();
      if (part === undefined) request.end();
      else request.write(part, () => setImmediate(next));
    };
    request.once('socket', () => setImmediate(next));
    return request;
  };

function half(socket: Socket): void {
  socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
  setTimeout(() => socket.destroy(), 20);
}

export const exchanges: readonly ExchangeRow[] = [
  { name: 'get', script: ok },
  { name: 'no-reason-phrase', script: respond('HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok') },
  { name: 'own-reason-phrase', script: respond('HTTP/1.1 299 Very Fine\r\nContent-Length: 2\r\n\r\nok') },
  {
    name: 'case-order-and-repeats',
    script: respond(
      'HTTP/1.1 200 OK\r\nX-B: 1\r\nset-cookie: a=1\r\nCONTENT-LENGTH: 0\r\nx-b: 2\r\nSet-Cookie: b=2\r\nX-A: \r\n\r\n',
    ),
  },
  { name: 'bytes-in-headers', script: respond('HTTP/1.1 200 OK\r\nX-Name: caf\xe9 \xff\r\nContent-Length: 0\r\n\r\n') },
  {
    name: 'bytes-in-the-reason-phrase',
    script: respond('HTTP/1.1 200 Sch\xf6n\r\nContent-Length: 0\r\n\r\n'),
    differs: { reason: 'undici reads the phrase as UTF-8; what is none is shown as a question mark', events: [/^response 200/] },
  },
  {
    name: 'chunks',
    script: respond('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\n'),
  },
  {
    name: 'trailers',
    script: respond(
      'HTTP/1.1 200 OK\r\ntrailer: X-Sum\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 7\r\nX-Sum: 8\r\n\r\n',
    ),
  },
  {
    name: 'head',
    script: respond('HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n'),
    send: (ask) => ask({ method: 'HEAD' }).end(),
  },
  {
    name: 'head-of-chunks',
    script: respond('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'),
    send: (ask) => ask({ method: 'HEAD' }).end(),
  },
  { name: 'no-content', script: respond('HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n') },
  { name: 'not-modified', script: respond('HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 7\r\n\r\n') },
  { name: 'empty', script: respond('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n') },
  { name: 'not-found', script: respond('HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno') },
  {
    name: 'until-the-end',
    script: (socket) => void socket.end('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it'),
    differs: {
      reason: 'without a length a cut body would look whole, so it comes in chunks; and no connection closes with it',
      events: [/transfer-encoding/, /close/],
    },
  },
  {
    name: 'early-hints',
    script: respond('HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'),
  },
  {
    name: 'in-pieces',
    script: (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Le');
      setTimeout(() => socket.write('ngth: 4\r\n\r\nab'), 10);
      setTimeout(() => socket.write('cd'), 20);
    },
  },
  { name: 'post', script: ok, send: post('hello') },
  { name: 'post-nothing', script: ok, send: (ask) => ask({ method: 'POST' }).end() },
  { name: 'post-bytes', script: ok, send: post(Buffer.from([0, 255, 13, 10, 13, 10, 48])) },
  { name: 'post-latin1', script: ok, send: (ask) => ask({ method: 'POST' }).end('caf\xe9', 'latin1') },
  { name: 'post-utf8', script: ok, send: post('café ☕') },
  { name: 'post-with-length', script: ok, send: post('hello', { headers: { 'Content-Length': 5 } }) },
  { name: 'post-in-two', script: ok, send: twoWrites },
  { name: 'post-streamed', script: ok, send: inParts(['one', 'two', 'three']) },
  { name: 'post-streamed-with-length', script: ok, send: inParts(['one', 'two'], { headers: { 'content-length': '6' } }) },
  { name: 'put-large', script: ok, send: post('x'.repeat(1_000_000), { method: 'PUT' }) },
  { name: 'own-method', script: ok, send: (ask) => ask({ method: 'PURGE' }).end() },
  {
    name: 'headers-as-pairs',
    script: ok,
    send: (ask) => ask({ headers: ['Host', 'orders', 'X-B', '1', 'x-b', '2', 'X-A', '3'] as never }).end(),
  },
  { name: 'headers-repeated', script: ok, send: (ask) => ask({ headers: { 'X-B': ['1', '2'], Cookie: ['a=1', 'b=2'] } }).end() },
  { name: 'headers-hop-by-hop', script: ok, send: (ask) => ask({ headers: { TE: 'trailers', 'X-A': '1' } }).end() },
  { name: 'header-bytes', script: ok, send: (ask) => ask({ headers: { 'X-Name': 'caf\xe9' } }).end() },
  { name: 'flushed-head', script: ok, send: flushed },
  {
    name: 'early-expect-continue',
    script: (socket, request) => {
      if (/^expect: /im.test(request)) socket.write('HTTP/1.1 100 Continue\r\n\r\n');
      // The mesh does not wait for the endpoint to say so, and the body may be there already.
      if (request.endsWith('abc')) ok(socket, request);
      else socket.once('data', () => ok(socket, request));
    },
    send: (ask) => {
      const request = ask({ method: 'POST', headers: { Expect: '100-continue', 'Content-Length': 3 } });
      request.on('continue', () => request.end('abc'));
      return request;
    },
  },
  {
    name: 'early-answer',
    script: (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'),
    send: (ask) => {
      const request = ask({ method: 'POST' });
      request.write('begun');
      request.on('response', (response) => response.on('end', () => request.end('done')));
      return request;
    },
  },
  { name: 'cut-body', script: half, differs: { reason: 'the error says what the mesh knows', events: [/error/, /close/] } },
  {
    name: 'closed-before-head',
    script: (socket) => void socket.destroy(),
    differs: { reason: 'the error says what the mesh knows', events: [/error/] },
  },
  {
    name: 'no-http',
    script: (socket) => void socket.end('SSH-2.0-OpenSSH_9.6\r\n'),
    differs: { reason: 'the error says what the mesh knows', events: [/error/] },
  },
  {
    name: 'destroyed-at-once',
    script: ok,
    send: (ask) => {
      const request = ask({});
      request.end();
      request.destroy();
      return request;
    },
  },
  {
    name: 'destroyed-with-an-error',
    script: () => {},
    send: (ask) => {
      const request = ask({});
      request.end();
      setTimeout(() => request.destroy(new Error('enough')), 20);
      return request;
    },
  },
  {
    name: 'aborted-by-signal',
    script: () => {},
    send: (ask) => {
      const controller = new AbortController();
      const request = ask({ signal: controller.signal }).end();
      setTimeout(() => controller.abort(), 20);
      return request;
    },
  },
  {
    name: 'destroyed-in-body',
    script: (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf'),
    send: (ask) => {
      const request = ask({}).end();
      request.on('response', (response) => response.once('data', () => request.destroy()));
      return request;
    },
  },
  {
    name: 'response-destroyed',
    script: (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf'),
    send: (ask) => {
      const request = ask({}).end();
      request.on('response', (response) => response.once('data', () => response.destroy()));
      return request;
    },
  },
  {
    name: 'timeout-option',
    script: () => {},
    send: (ask) => {
      const request = ask({ timeout: 30 }).end();
      request.on('timeout', () => request.destroy(new Error('timed out')));
      return request;
    },
  },
  {
    name: 'timeout-method',
    script: () => {},
    send: (ask) => {
      const request = ask({}).end();
      request.setTimeout(30, () => request.destroy(new Error('timed out')));
      return request;
    },
  },
  {
    name: 'timeout-not-reached',
    script: (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na');
      setTimeout(() => socket.write('b'), 40);
      setTimeout(() => socket.write('c'), 80);
    },
    send: (ask) => ask({ timeout: 70 }).end(),
  },
  {
    name: 'response-not-read',
    script: ok,
    send: (ask) => {
      const request = ask({}).end();
      request.removeAllListeners('response');
      return request;
    },
  },
  {
    name: 'upgrade',
    script: (socket, request) => {
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhead of ${/^upgrade: (.*)$/im.exec(request)?.[1]};`,
      );
      socket.on('data', (chunk: Buffer) => socket.write(`echo ${chunk.toString()}`));
      socket.on('end', () => socket.end());
    },
    send: (ask) => ask({ headers: { Connection: 'Upgrade', Upgrade: 'echo' } }).end(),
  },
  {
    name: 'upgrade-refused',
    script: respond('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno'),
    send: (ask) => ask({ headers: { Connection: 'Upgrade', Upgrade: 'echo' } }).end(),
  },
];

function twoWrites(ask: Ask): http.ClientRequest {
  const request = ask({ method: 'POST' });
  request.write('one');
  request.end('two');
  return request;
}

function flushed(ask: Ask): http.ClientRequest {
  const request = ask({ method: 'POST' });
  request.flushHeaders();
  setTimeout(() => request.end('later'), 20);
  return request;
}

/** The peer of the contract test: what it answers is said by the path `/<run>/<route>?<query>`, what it saw is kept by run. */
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import zlib from 'node:zlib';
import type { Duplex } from 'node:stream';

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  /** `name: value` in the order of the wire. */
  readonly headers: readonly string[];
  readonly body: string;
}

type Request = http.IncomingMessage | http2.Http2ServerRequest;
type Response = http.ServerResponse & { readonly stream?: Duplex };
interface Call {
  readonly run: string;
  readonly query: URLSearchParams;
  readonly request: Request;
  readonly response: Response;
  readonly peer: Peer;
}

export class Peer {
  readonly seen = new Map<string, SeenRequest[]>();
  private readonly arrivals = new Map<string, PromiseWithResolvers<void>>();
  private readonly servers: (http.Server | https.Server | http2.Http2SecureServer)[] = [];
  /** Origins: two of plain HTTP, one of TLS with HTTP/1.1, one that also speaks HTTP/2. */
  readonly origins: Record<'self' | 'other' | 'tls' | 'h2', string> = { self: '', other: '', tls: '', h2: '' };

  async listen(tls: { readonly key: string; readonly cert: string }): Promise<void> {
    const serve = (request: Request, response: unknown): void => void this.answer(request, response as Response);
    this.origins.self = await this.open(http.createServer(serve), 'http');
    this.origins.other = await this.open(http.createServer(serve), 'http');
    this.origins.tls = await this.open(https.createServer(tls, serve), 'https');
    this.origins.h2 = await this.open(http2.createSecureServer({ ...tls, allowHTTP1: true }, serve), 'https');
  }

  close(): void {
    for (const server of this.servers) {
      server.close();
      if ('closeAllConnections' in server) server.closeAllConnections();
    }
  }

  /** Resolves when the first request of the run has arrived. */
  arrived(run: string): Promise<void> {
    return this.arrival(run).promise;
  }

  private arrival(run: string): PromiseWithResolvers<void> {
    let arrival = this.arrivals.get(run);
    if (arrival === undefined) this.arrivals.set(run, (arrival = Promise.withResolvers()));
    return arrival;
  }

  private async open(server: http.Server | http2.Http2SecureServer, scheme: string): Promise<string> {
    if ('keepAliveTimeout' in server) server.keepAliveTimeout = 60_000;
    server.listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    this.servers.push(server);
    return `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  private async answer(request: Request, response: Response): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://peer');
    const [, run = '', route = ''] = url.pathname.split('/');
    response.on('error', () => {});
    this.arrival(run).resolve();
    let body: string;
    try {
      body = (await buffer(request)).toString('latin1');
    } catch {
      body = '(broken off)';
    }
    const seen = this.seen.get(run) ?? [];
    this.seen.set(run, seen);
    const headers = Array.from({ length: request.rawHeaders.length / 2 }, (_, i) =>
      request.rawHeaders.slice(2 * i, 2 * i + 2).join(': '),
    );
    seen.push({ method: request.method ?? '', path: request.url ?? '', headers, body });
    const answer = routes[route];
    if (answer === undefined) response.writeHead(404).end(`no route ${route}`);
    else answer({ run, query: url.searchParams, request, response, peer: this });
  }

  /** A location from a template: `{run}`, `{self}`, `{other}`, `{tls}` are put in. */
  locate(template: string, run: string): string {
    return template.replace(/\{(\w+)\}/g, (_, name: string) => (name === 'run' ? run : this.origins[name as 'self']));
  }
}

/** 1 KB of JSON. */
export const sampleJson = JSON.stringify({
  items: Array.from({ length: 20 }, (_, id) => ({ id, name: `item ${id}`, price: id * 3.5 })),
});

const codings: Record<string, (bytes: Buffer) => Buffer> = {
  gzip: (bytes) => zlib.gzipSync(bytes),
  'x-gzip': (bytes) => zlib.gzipSync(bytes),
  deflate: (bytes) => zlib.deflateSync(bytes),
  'raw-deflate': (bytes) => zlib.deflateRawSync(bytes),
  br: (bytes) => zlib.brotliCompressSync(bytes, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 4 } }),
  zstd: (bytes) => zlib.zstdCompressSync(bytes),
  identity: (bytes) => bytes,
};

const encodedSamples = new Map<string, Buffer>();

/** The sample `times` over under the codings; made once. */
function encodedSample(applied: readonly string[], times: number): Buffer {
  const key = `${applied.join()} ${times}`;
  let bytes = encodedSamples.get(key);
  if (bytes === undefined) {
    bytes = Buffer.from(sampleJson.repeat(times));
    for (const coding of applied) bytes = codings[coding]!(bytes);
    encodedSamples.set(key, bytes);
  }
  return bytes;
}

const damages: Record<string, (bytes: Buffer) => Buffer> = {
  none: (bytes) => bytes,
  cut: (bytes) => bytes.subarray(0, Math.floor(bytes.length / 2)),
  corrupt: (bytes) => Buffer.concat([Buffer.from([1, 2, 3, 4]), bytes.subarray(4)]),
  empty: () => Buffer.alloc(0),
  trailing: (bytes) => Buffer.concat([bytes, Buffer.from('trailing')]),
};

/** Bytes of the socket, for answers that no server would write. */
function raw({ response }: Call, text: string, end = true): void {
  const { socket } = response;
  // Gone when the request came over a connection that an earlier answer of this kind had ended already.
  if (end) socket?.end(text, 'latin1');
  else socket?.write(text, 'latin1');
}

const routes: Record<string, (call: Call) => void> = {
  echo: ({ response }) => response.writeHead(200, { 'content-type': 'text/plain' }).end('ok'),
  json: ({ response }) => response.writeHead(200, { 'content-type': 'application/json' }).end(sampleJson),
  'json-length': ({ response }) =>
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': sampleJson.length }).end(sampleJson),
  empty: ({ response }) => response.writeHead(200, { 'content-type': 'text/plain' }).end(),
  status: ({ query, response }) => {
    const status = Number(query.get('code'));
    response.writeHead(status, { 'x-status': status }).end([204, 304].includes(status) ? undefined : `status ${status}`);
  },
  'status-text': ({ query, response }) => response.writeHead(200, query.get('text') ?? '').end('x'),
  content: ({ query, response }) => {
    const type = query.get('type');
    response.writeHead(200, type === null ? {} : { 'content-type': type }).end(Buffer.from(query.get('hex') ?? '', 'hex'));
  },
  respond: ({ query, response }) => {
    const headers: string[] = JSON.parse(query.get('headers') ?? '[]') as string[];
    response.writeHead(200, headers).end('headers');
  },
  redirect: ({ query, run, response, peer }) => {
    const to = query.get('to');
    const headers = to === null ? {} : { location: Buffer.from(peer.locate(to, run), 'utf8').toString('latin1') };
    response
      .writeHead(Number(query.get('status') ?? 302), headers)
      .end(query.get('body') === 'big' ? Buffer.alloc(300_000, 'r') : 'moved');
  },
  chain: ({ query, run, response }) => {
    const left = Number(query.get('left'));
    if (left === 0) response.end('arrived');
    else response.writeHead(302, { location: `/${run}/chain?left=${left - 1}` }).end();
  },
  'two-locations': (call) =>
    raw(
      call,
      `HTTP/1.1 302 Found\r\nlocation: /${call.run}/echo\r\nlocation: /b\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`,
    ),
  once421: ({ run, response, peer }) => {
    if (peer.seen.get(run)?.length === 1) response.writeHead(421).end('misdirected');
    else response.end('found');
  },
  encode: ({ query, response }) => {
    const applied = (query.get('apply') ?? '').split(',').filter(Boolean);
    const encoded = encodedSample(applied, query.get('big') === null ? 1 : 1000);
    const headers: Record<string, string> = { 'content-type': 'application/json' };
    const named = query.get('name') ?? applied.join(', ').replace('raw-', '');
    if (named !== '') headers['content-encoding'] = named;
    const bytes = damages[query.get('damage') ?? 'none']!(encoded);
    response.writeHead(Number(query.get('status') ?? 200), headers);
    if (query.get('pieces') === null) response.end(bytes);
    else void writeInPieces(response, bytes);
  },
  bytes: ({ query, response }) => {
    const size = Number(query.get('size'));
    if (query.get('length') !== null) response.setHeader('content-length', size);
    response.end(Buffer.alloc(size, 'abcdefghij'));
  },
  pieces: ({ query, response }) => void writeInPieces(response, Buffer.alloc(Number(query.get('size')), 'abcdefghij')),
  hold: () => {},
  'hold-after-head': ({ response }) => response.writeHead(200, { 'content-type': 'text/plain' }).flushHeaders(),
  'hold-after-chunk': ({ response }) => void response.writeHead(200, { 'content-type': 'text/plain' }).write('first'),
  'hold-after-gzip': ({ response }) => {
    response.writeHead(200, { 'content-encoding': 'gzip' });
    response.write(zlib.gzipSync('first', { finishFlush: zlib.constants.Z_SYNC_FLUSH }));
  },
  reset: ({ response }) => response.socket!.destroy(),
  'close-without-answer': ({ response }) => response.socket!.end(),
  'half-head': (call) => raw(call, 'HTTP/1.1 200 OK\r\ncontent-le'),
  garbage: (call) => raw(call, 'SSH-2.0-OpenSSH_9.6\r\n'),
  truncated: (call) => raw(call, 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this'),
  'truncated-chunked': (call) => raw(call, 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n'),
  'bad-chunk': (call) => raw(call, 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n'),
  'close-delimited': (call) => raw(call, 'HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\nuntil the end'),
  'http-1.0': (call) => raw(call, 'HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\nold'),
  'no-reason': (call) => raw(call, 'HTTP/1.1 200\r\ncontent-length: 3\r\n\r\nfew'),
  'too-much': (call) => raw(call, 'HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nmore than three'),
  'status-999': (call) => raw(call, 'HTTP/1.1 999 Odd\r\ncontent-length: 3\r\n\r\nodd'),
  'latin1-headers': (call) => raw(call, 'HTTP/1.1 200 OK\r\nx-name: caf\u00e9\r\ncontent-length: 2\r\n\r\nok'),
  'early-hints': (call) =>
    raw(
      call,
      'HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok',
    ),
  'switching-protocols': (call) => raw(call, 'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n'),
  'long-header': ({ response }) => response.writeHead(200, { 'x-long': 'v'.repeat(100_000) }).end(),
  'body-on-204': (call) => raw(call, 'HTTP/1.1 204 No Content\r\ncontent-length: 4\r\nconnection: close\r\n\r\nbody'),
  trailers: ({ response }) => {
    response.writeHead(200, { trailer: 'x-after' });
    response.write('body');
    response.addTrailers({ 'x-after': 'done' });
    response.end();
  },
};

async function writeInPieces(response: Response, bytes: Buffer): Promise<void> {
  const size = Math.max(1, Math.ceil(bytes.length / 20));
  for (let at = 0; at < bytes.length && !response.destroyed; at += size) {
    response.write(bytes.subarray(at, at + size));
    await new Promise((resolve) => setImmediate(resolve));
  }
  response.end();
}

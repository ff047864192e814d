import { request as http1Request, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { connect as connectHttp2, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { after } from 'node:test';
import { systemClock } from '../../src/base/runtime.ts';
import { createHttpServers, type HttpServers, type HttpServersOptions } from '../../src/data-plane/listen/http-servers.ts';

/** How a handler is spoken to: over HTTP/1.1, over HTTP/2 across the bridge, over HTTP/2 with Node's own objects. */
export const ways = ['h1', 'bridge', 'native'] as const;
export type Way = (typeof ways)[number];

/** A port whose connections go to the servers of the mesh, with no policy between. */
export interface HttpPort {
  readonly way: Way;
  readonly port: number;
  readonly servers: HttpServers;
  readonly sockets: Socket[];
  /** The client's connection of HTTP/2, made when first asked for. */
  session(): ClientHttp2Session;
}

/** Opens a port on loopback; closed after the tests of the file. */
export async function openPort(
  way: Way,
  options: Omit<HttpServersOptions, 'clock' | 'http2'> & Partial<HttpServersOptions>,
): Promise<HttpPort> {
  const servers = createHttpServers({ clock: systemClock, http2: way === 'native' ? 'native' : 'bridge', ...options });
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    servers.serve(socket, way === 'h1' ? 'http/1.1' : 'h2');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  let session: ClientHttp2Session | undefined;
  after(() => {
    session?.destroy();
    servers.close();
    server.close();
  });
  return {
    way,
    port,
    servers,
    sockets,
    session: () => {
      if (session === undefined || session.closed || session.destroyed) {
        session = connectHttp2(`http://127.0.0.1:${port}`);
        session.on('error', () => session?.destroy());
      }
      return session;
    },
  };
}

/** What is asked. */
export interface Question {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string | Buffer | Readable;
  readonly trailers?: Readonly<Record<string, string>>;
}

/** What came back, in the form of both protocols. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly trailers: Readonly<Record<string, unknown>>;
  /** Interim responses, in their order. */
  readonly interim: readonly { readonly status: number; readonly headers: Readonly<Record<string, unknown>> }[];
}

/** A request under way. */
export interface Asked {
  readonly answer: Promise<Answer>;
  /** The head of the response, once it is there. */
  readonly head: Promise<{ readonly status: number; readonly body: Readable }>;
  /** Breaks the request off, as a client that lost its interest does. */
  cancel(): void;
  /** Writes a part of the body; end it with `end`. */
  write(part: string | Buffer): boolean;
  end(part?: string | Buffer): void;
}

/** Asks over the way of the port; the answer rejects when it does not come whole. */
export async function ask(port: HttpPort, question: Question = {}): Promise<Answer> {
  return await begin(port, question).answer;
}

/** Begins a request whose end the test decides, when it gives no body. */
export function begin(port: HttpPort, question: Question & { readonly isOpen?: boolean } = {}): Asked {
  return port.way === 'h1' ? beginHttp1(port, question) : beginHttp2(port, question);
}

function sendBody(
  to: ReturnType<typeof http1Request> | ClientHttp2Stream,
  { body, isOpen }: Question & { readonly isOpen?: boolean },
): void {
  if (typeof body === 'object' && 'pipe' in body) body.pipe(to);
  else if (isOpen !== true) to.end(body);
}

function beginHttp1(port: HttpPort, question: Question & { readonly isOpen?: boolean }): Asked {
  const { method = 'GET', path = '/', headers = {}, trailers } = question;
  const interim: Answer['interim'][number][] = [];
  const request = http1Request({
    host: '127.0.0.1',
    port: port.port,
    method,
    path,
    agent: false,
    headers: { ...headers } as never,
  });
  const head = Promise.withResolvers<IncomingMessage>();
  request.on('response', head.resolve);
  request.on('error', head.reject);
  request.on('continue', () => interim.push({ status: 100, headers: {} }));
  request.on('information', ({ statusCode, headers: own }) => {
    if (statusCode !== 100) interim.push({ status: statusCode, headers: { ...own } });
  });
  if (trailers !== undefined) request.addTrailers(trailers);
  sendBody(request, question);
  const answer = head.promise.then(async (response) => {
    const body = await whole(response);
    return { status: response.statusCode!, headers: response.headers, body, trailers: response.trailers, interim };
  });
  answer.catch(() => {});
  const heads = head.promise.then((response) => ({ status: response.statusCode!, body: response }));
  heads.catch(() => {});
  return {
    answer,
    head: heads,
    cancel: () => request.destroy(),
    write: (part) => request.write(part),
    end: (part) => request.end(part),
  };
}

function beginHttp2(port: HttpPort, question: Question & { readonly isOpen?: boolean }): Asked {
  const { method = 'GET', path = '/', headers = {}, body, isOpen, trailers } = question;
  const interim: Answer['interim'][number][] = [];
  let last: Readonly<Record<string, unknown>> = {};
  const hasBody = body !== undefined || isOpen === true || trailers !== undefined;
  const { host, ...others } = headers;
  const cancelling = new AbortController();
  const stream = port
    .session()
    .request(
      { ':method': method, ':path': path, ...(host !== undefined && { ':authority': host as string }), ...others },
      { endStream: !hasBody, waitForTrailers: trailers !== undefined, signal: cancelling.signal },
    );
  if (trailers !== undefined) stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  const head = Promise.withResolvers<IncomingHttpHeaders & { ':status'?: number }>();
  stream.on('response', head.resolve);
  stream.on('headers', (own) => interim.push({ status: Number(own[':status']), headers: { ...own } }));
  stream.on('trailers', (own) => (last = { ...own }));
  stream.on('error', head.reject);
  stream.on('close', () => head.reject(new Error(`the stream closed with ${stream.rstCode}`)));
  if (hasBody) sendBody(stream, question);
  const answer = head.promise.then(async (own) => {
    const got = await whole(stream);
    return { status: own[':status']!, headers: own, body: got, trailers: last, interim };
  });
  answer.catch(() => {});
  const heads = head.promise.then((own) => ({ status: own[':status']!, body: stream as Readable }));
  heads.catch(() => {});
  return {
    answer,
    head: heads,
    // With `close` Node's client would end its body before it resets the stream.
    cancel: () => cancelling.abort(),
    write: (part) => stream.write(part),
    end: (part) => stream.end(part),
  };
}

/** A body that ended; one that was cut off is an error, which Node's streams of HTTP/2 tell by their code alone. */
function whole(body: Readable): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let hasEnded = false;
    body.on('data', (chunk: Buffer) => chunks.push(chunk));
    body.on('end', () => (hasEnded = true));
    body.on('error', reject);
    body.on('close', () => {
      const code = (body as Partial<ClientHttp2Stream>).rstCode ?? 0;
      if (hasEnded && code === 0) resolve(Buffer.concat(chunks));
      else reject(new Error(`the response was cut off (${code})`));
    });
  });
}

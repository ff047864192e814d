/** How acts are said to requests of HTTP: the replies of the fake upstream that mean them in plain HTTP, gRPC and Connect. */
import type { UpstreamReply, UpstreamRequest } from 'meshfetch/testing';
import type { Act, SeenRequest } from './act.ts';
import { codeFromStatus, connectCodes, decodeMessage, encodeMessage, frameOf, framesOf } from './messages.ts';
import { headersOf } from './outcome.ts';
import type { ActFor, Note } from './upstream.ts';

type Messages = AsyncIterable<Buffer> | Iterable<Buffer>;

/** What is spoken over HTTP. */
interface Protocol {
  /** The body of a request, or its messages, as they come. */
  read(request: UpstreamRequest): AsyncIterable<Buffer>;
  /** `messages` is what an answer with 200 says. */
  reply(act: Act, messages: Messages): UpstreamReply;
  /** What stands in a body of one message. */
  encode(message: Buffer): Buffer;
}

/** Notes a request and makes the reply that its act says. */
export async function replyTo(request: UpstreamRequest, note: Note, actFor: ActFor): Promise<UpstreamReply> {
  const { promise: body, resolve, reject } = Promise.withResolvers<Buffer>();
  body.catch(() => {});
  const { method, path, host, clientUris } = request;
  const headers = headersOf(Object.entries(request.headers));
  const seen = note({ method, path, host, headers, peer: clientUris[0], body });
  const protocol = protocolOf(request);
  readAll(protocol.read(request), seen).then(resolve, reject);
  void request.aborted.then(() => (seen.isGivenUp = true));
  const act = await actFor(seen);
  return { isEarly: true, ...replyOf(protocol, act, seen) };
}

function replyOf(protocol: Protocol, act: Act, seen: SeenRequest): UpstreamReply {
  if (act.isSilent === true) return { fault: 'hang' };
  if (act.isRefused === true) return { fault: 'refused-stream' };
  if (act.breaksOff === 'before-head') return { fault: 'stream-reset' };
  const reply = protocol.reply(act, act.messages === undefined ? [Buffer.from(act.body!)] : counted(act.messages, seen));
  if (act.breaksOff === undefined) return reply;
  const { status = 200, headers = {} } = reply;
  return { status, headers, body: [protocol.encode(Buffer.alloc(1000, 'x'))], fault: 'stream-reset-after-head' };
}

async function readAll(messages: AsyncIterable<Buffer>, seen: SeenRequest): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const message of messages) {
    seen.received += message.length;
    parts.push(message);
  }
  return Buffer.concat(parts);
}

async function* counted(messages: AsyncIterable<Buffer>, seen: SeenRequest): AsyncGenerator<Buffer> {
  for await (const message of messages) {
    seen.sent += message.length;
    yield message;
  }
}

async function* mapped(messages: Messages, map: (message: Buffer) => Buffer): AsyncGenerator<Buffer> {
  for await (const message of messages) yield map(message);
}

function protocolOf({ headers, path }: UpstreamRequest): Protocol {
  const type = headers['content-type'] ?? '';
  if (type.startsWith('application/grpc')) return grpc;
  if (type.startsWith('application/connect+')) return connectStream;
  return type === 'application/proto' || /[?&]connect=/.test(path) ? connectUnary : http;
}

const http: Protocol = {
  read: (request) => request.parts(),
  encode: (message) => message,
  reply: ({ status = 200, headers, trailers, body, messages, earlyHints }, parts) => ({
    status,
    body: messages === undefined ? body! : parts,
    ...(headers && { headers }),
    ...(trailers && { trailers }),
    ...(earlyHints && { interim: [{ status: 103, headers: { link: '</a>; rel=preload', ...earlyHints } }] }),
  }),
};

const framed = (message: Buffer): Buffer => frameOf(encodeMessage(message));
const readFrames = (request: UpstreamRequest): AsyncIterable<Buffer> => mapped(framesOf(request.parts()), decodeMessage);

/** A failure is trailers-only, as gRPC servers send it. */
const grpc: Protocol = {
  read: readFrames,
  encode: framed,
  reply: ({ status = 200, headers = {}, trailers = {} }, messages) => ({
    headers: { 'content-type': 'application/grpc', ...headers },
    grpc: {
      status: codeFromStatus(status),
      message: 'as scripted',
      metadata: trailers,
      ...(status === 200 && { messages: mapped(messages, encodeMessage) }),
    },
  }),
};

const problemOf = (status: number): object => ({ code: connectCodes[codeFromStatus(status)], message: 'as scripted' });

/** Source: connectrpc.com/docs/protocol, "Streaming RPCs": the last frame has flag 2, and what others say in trailers. */
const connectStream: Protocol = {
  read: readFrames,
  encode: framed,
  reply({ status = 200, headers = {}, trailers = {} }, messages) {
    const metadata = Object.fromEntries(Object.entries(trailers).map(([name, value]) => [name, [value]]));
    const end = Buffer.from(JSON.stringify({ metadata, ...(status !== 200 && { error: problemOf(status) }) }));
    const body = async function* (): AsyncGenerator<Buffer> {
      if (status === 200) yield* mapped(messages, framed);
      yield frameOf(end, 2);
    };
    return { headers: { ...headers, 'content-type': 'application/connect+proto' }, body: body() };
  },
};

/** The same source, "Unary RPCs": the message of a GET is in its query, and trailers are headers. */
const connectUnary: Protocol = {
  async *read(request) {
    const query = new URL(request.path, 'http://upstream').searchParams.get('message');
    yield decodeMessage(query === null ? await request.bytes() : Buffer.from(query, 'base64url'));
  },
  encode: encodeMessage,
  reply({ status = 200, headers = {}, trailers = {}, body = '' }) {
    const metadata = Object.fromEntries(Object.entries(trailers).map(([name, value]) => [`trailer-${name}`, value]));
    const all = { ...headers, ...metadata };
    if (status !== 200) return { status, headers: all, json: problemOf(status) };
    return { headers: { ...all, 'content-type': 'application/proto' }, body: encodeMessage(Buffer.from(body)) };
  },
};

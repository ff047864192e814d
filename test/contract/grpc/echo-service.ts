/** A service of raw bytes with every kind of call, and what its clients are made from: no .proto, no generated code. */
import {
  makeGenericClientConstructor,
  Metadata,
  Server,
  ServerCredentials,
  status,
  type ChannelCredentials,
  type ChannelOptions,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientUnaryCall,
  type ClientWritableStream,
  type CallOptions,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceError,
} from '@grpc/grpc-js';

const same = (bytes: Buffer): Buffer => bytes;
const serialization = { requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same };

export const definition = {
  unary: { path: '/test.Echo/Unary', requestStream: false, responseStream: false, ...serialization },
  fail: { path: '/test.Echo/Fail', requestStream: false, responseStream: false, ...serialization },
  hang: { path: '/test.Echo/Hang', requestStream: false, responseStream: false, ...serialization },
  down: { path: '/test.Echo/Down', requestStream: false, responseStream: true, ...serialization },
  up: { path: '/test.Echo/Up', requestStream: true, responseStream: false, ...serialization },
  chat: { path: '/test.Echo/Chat', requestStream: true, responseStream: true, ...serialization },
} as const;

type Callback = (error: ServiceError | null, answer?: Buffer) => void;

/** A client of the service. */
export interface EchoClient {
  unary(request: Buffer, metadata: Metadata, options: CallOptions, done: Callback): ClientUnaryCall;
  unary(request: Buffer, done: Callback): ClientUnaryCall;
  fail(request: Buffer, metadata: Metadata, options: CallOptions, done: Callback): ClientUnaryCall;
  fail(request: Buffer, done: Callback): ClientUnaryCall;
  hang(request: Buffer, metadata: Metadata, options: CallOptions, done: Callback): ClientUnaryCall;
  down(request: Buffer, metadata?: Metadata, options?: CallOptions): ClientReadableStream<Buffer>;
  up(metadata: Metadata, options: CallOptions, done: Callback): ClientWritableStream<Buffer>;
  up(done: Callback): ClientWritableStream<Buffer>;
  chat(metadata?: Metadata, options?: CallOptions): ClientDuplexStream<Buffer, Buffer>;
  close(): void;
  waitForReady(deadline: number, done: (error?: Error) => void): void;
  getChannel(): { getConnectivityState(connect: boolean): number; getTarget(): string };
}

export const EchoService = makeGenericClientConstructor(definition, 'test.Echo') as unknown as new (
  address: string,
  credentials: ChannelCredentials,
  options?: ChannelOptions,
) => EchoClient;

/** What the server has seen. */
export interface EchoServer {
  readonly port: number;
  readonly address: string;
  readonly server: Server;
  /** `hang cancelled`, `chat ended` … in their order. */
  readonly seen: string[];
  /** Metadata of the calls, in their order. */
  readonly metadata: Metadata[];
  close(): void;
}

/** Metadata that begins with `x-` comes back: in front, and with `t` for `x` at the end. */
function answerMetadata(call: { readonly metadata: Metadata; sendMetadata(metadata: Metadata): void }): Metadata {
  const first = new Metadata();
  const last = new Metadata();
  for (const key of Object.keys(call.metadata.getMap())) {
    if (!key.startsWith('x-')) continue;
    for (const value of call.metadata.get(key)) {
      first.add(key, value);
      last.add(`t${key.slice(1)}`, value);
    }
  }
  call.sendMetadata(first);
  return last;
}

/** A server on 127.0.0.1. */
export async function startEcho(
  credentials = ServerCredentials.createInsecure(),
  options: ChannelOptions = {},
): Promise<EchoServer> {
  const server = new Server({ 'grpc.max_receive_message_length': -1, ...options });
  const seen: string[] = [];
  const metadata: Metadata[] = [];
  server.addService(definition, {
    unary(call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) {
      metadata.push(call.metadata);
      done(null, call.request, answerMetadata(call));
    },
    /** `code details`. */
    fail(call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) {
      const [code, ...words] = call.request.toString().split(' ');
      done(Object.assign(new Error(), { code: Number(code), details: words.join(' '), metadata: answerMetadata(call) }));
    },
    hang(call: ServerUnaryCall<Buffer, Buffer>) {
      seen.push('hang');
      call.on('cancelled', () => seen.push('hang cancelled'));
    },
    /** `count bytes`, and `then code` for a failure after them; `waits` keeps it open. */
    down(call: ServerWritableStream<Buffer, Buffer>) {
      const [count, bytes, word, code] = call.request.toString().split(' ');
      seen.push('down');
      const last = answerMetadata(call);
      call.on('cancelled', () => seen.push('down cancelled'));
      let left = Number(count);
      const write = (): void => {
        while (left > 0) {
          left--;
          if (!call.write(Buffer.alloc(Number(bytes), left))) {
            call.once('drain', write);
            return;
          }
        }
        if (word === 'then') call.emit('error', { code: Number(code), details: 'after all', metadata: last });
        else if (word !== 'waits') call.end(last);
      };
      write();
    },
    up(call: ServerReadableStream<Buffer, Buffer>, done: sendUnaryData<Buffer>) {
      let bytes = 0;
      let count = 0;
      const last = answerMetadata(call);
      call.on('cancelled', () => seen.push('up cancelled'));
      call.on('data', (message: Buffer) => {
        count++;
        bytes += message.length;
        if (message.toString() === 'stop') done({ code: status.ABORTED, details: 'enough' });
      });
      call.on('end', () => {
        seen.push('up ended');
        done(null, Buffer.from(`${count} ${bytes}`), last);
      });
    },
    chat(call: ServerDuplexStream<Buffer, Buffer>) {
      seen.push('chat');
      const last = answerMetadata(call);
      call.on('cancelled', () => seen.push('chat cancelled'));
      call.on('data', (message: Buffer) => {
        if (message.toString() === 'fail') call.emit('error', { code: status.DATA_LOSS, details: 'lost', metadata: last });
        else call.write(message);
      });
      call.on('end', () => {
        seen.push('chat ended');
        call.end(last);
      });
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error === null ? resolve(bound) : reject(error)));
  });
  return { port, address: `127.0.0.1:${port}`, server, seen, metadata, close: () => server.forceShutdown() };
}

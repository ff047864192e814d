/** gRPC servers of raw bytes for tests: no .proto, no generated code. */
import { Metadata, Server, ServerCredentials, type ServerDuplexStream, type UntypedHandleCall } from '@grpc/grpc-js';

/** What a server says in place of an answer. */
export interface GrpcRefusal {
  readonly code: number;
  readonly details: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Methods by their path, `/package.Service/Method`. */
export interface GrpcMethods {
  readonly unary?: Readonly<
    Record<string, (request: Buffer, metadata: Metadata) => Uint8Array | GrpcRefusal | Promise<Uint8Array | GrpcRefusal>>
  >;
  readonly stream?: Readonly<Record<string, (call: ServerDuplexStream<Buffer, Uint8Array>) => void>>;
}

/** PEM of a server; with `roots` it asks clients for a certificate of theirs. */
export interface GrpcServerTls {
  readonly key: string;
  readonly cert: string;
  readonly roots?: string;
}

/** A server that runs. */
export interface GrpcServer {
  readonly port: number;
  /** `127.0.0.1:port`. */
  readonly address: string;
  /** Cuts every connection. */
  close(): void;
}

/** A server on 127.0.0.1; `port` 0 = any. */
export async function startGrpcServer(methods: GrpcMethods, tls?: GrpcServerTls, port = 0): Promise<GrpcServer> {
  const server = new Server({ 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 });
  const same = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const [path, handle] of Object.entries(methods.unary ?? {})) {
    const handler: UntypedHandleCall = (
      call: { request: Buffer; metadata: Metadata },
      done: (error: object | null, answer?: Uint8Array) => void,
    ) => {
      void Promise.resolve(handle(call.request, call.metadata)).then((answer) => {
        if (answer instanceof Uint8Array) done(null, answer);
        else done({ ...answer, metadata: metadataOf(answer.metadata) });
      });
    };
    server.register(path, handler, same, same, 'unary');
  }
  for (const [path, handle] of Object.entries(methods.stream ?? {}))
    server.register(path, handle as UntypedHandleCall, same, same, 'bidi');
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, credentials(tls), (error, value) => (error === null ? resolve(value) : reject(error)));
  });
  return { port: bound, address: `127.0.0.1:${bound}`, close: () => server.forceShutdown() };
}

/** Ends a stream of a server with an error. */
export function endWith(call: ServerDuplexStream<Buffer, Uint8Array>, refusal: GrpcRefusal): void {
  call.emit('error', { ...refusal, metadata: metadataOf(refusal.metadata) });
}

function metadataOf(values: Readonly<Record<string, string>> = {}): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(values)) metadata.set(name, value);
  return metadata;
}

function credentials(tls: GrpcServerTls | undefined): ServerCredentials {
  if (tls === undefined) return ServerCredentials.createInsecure();
  const roots = tls.roots === undefined ? null : Buffer.from(tls.roots);
  return ServerCredentials.createSsl(
    roots,
    [{ private_key: Buffer.from(tls.key), cert_chain: Buffer.from(tls.cert) }],
    roots !== null,
  );
}

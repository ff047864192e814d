/** Services of grpc-js on a port of a mesh, and a client of grpc-js that calls them: raw bytes, no .proto. */
import { connect, type ClientHttp2Stream } from 'node:http2';
import type { TestContext } from 'node:test';
import {
  Client,
  credentials,
  Metadata,
  Server,
  type ChannelCredentials,
  type ClientReadableStream,
  type ClientOptions,
  type ServerOptions,
  type StatusObject,
  type UntypedHandleCall,
} from '@grpc/grpc-js';
import { createMesh, type InboundServer, type ListenOptions, type Mesh, type MeshOptions } from 'meshfetch';
import { grpcHandler, type GrpcHandlerOptions } from 'meshfetch/grpc';
import type { FilterChainConfig } from '../../src/model/listener.ts';
import { TestControlPlane } from './cluster-plane.ts';
import { wayIn } from './inbound.ts';

/** Serializes what is bytes already. */
export const sameBytes = (bytes: Buffer): Buffer => bytes;

/** Methods by their path, each with its kind. */
export type Methods = Readonly<
  Record<string, readonly ['unary' | 'clientStream' | 'serverStream' | 'bidi', (...args: never[]) => void]>
>;

/** A server of grpc-js that is bound to nothing. */
export function grpcServerOf(methods: Methods, options: ServerOptions = {}): Server {
  const server = new Server(options);
  for (const [path, [kind, handler]] of Object.entries(methods))
    server.register(path, handler as UntypedHandleCall, sameBytes, sameBytes, kind);
  return server;
}

/** A port, with what stands at both sides of it. */
export interface GrpcPort {
  readonly mesh: Mesh;
  readonly plane: TestControlPlane;
  readonly inbound: InboundServer;
  readonly client: Client;
}

/** What a port is opened with. */
export interface GrpcPortOptions {
  readonly listen?: Partial<ListenOptions>;
  readonly handler?: GrpcHandlerOptions;
  readonly mesh?: MeshOptions;
  readonly chain?: Partial<FilterChainConfig>;
  readonly client?: ClientOptions;
  readonly credentials?: ChannelCredentials;
}

/** Opens a port; all of it is gone after the test. */
export async function grpcPort(t: TestContext, server: Server, options: GrpcPortOptions = {}): Promise<GrpcPort> {
  const plane = new TestControlPlane();
  const mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 100, ...options.mesh });
  t.after(() => mesh.close());
  const inbound = await mesh.listen(grpcHandler(server, options.handler), { port: 0, host: '127.0.0.1', ...options.listen });
  await plane.deliver([wayIn(options.chain)]);
  const client = new Client(`127.0.0.1:${inbound.port}`, options.credentials ?? credentials.createInsecure(), options.client);
  t.after(() => client.close());
  return { mesh, plane, inbound, client };
}

/** What came of a call. */
export interface CallResult {
  readonly code: number;
  readonly details: string;
  readonly message: Buffer | undefined;
  readonly head: Metadata | undefined;
  readonly trailers: Metadata;
}

/** What a call is made with. */
export interface CallOptions {
  readonly metadata?: Readonly<Record<string, string | Buffer | readonly (string | Buffer)[]>>;
  readonly timeoutMs?: number;
}

/** Calls a unary method. */
export function unary(client: Client, path: string, message = 'hello', options: CallOptions = {}): Promise<CallResult> {
  return new Promise((resolve) => {
    let answer: Buffer | undefined;
    let head: Metadata | undefined;
    const call = client.makeUnaryRequest(
      path,
      sameBytes,
      sameBytes,
      Buffer.from(message),
      metadataOf(options.metadata),
      callOptions(options),
      (_error, value) => {
        answer = value;
      },
    );
    call.on('metadata', (metadata: Metadata) => (head = metadata));
    // The callback comes in the same turn, after it.
    call.on('status', ({ code, details, metadata }: StatusObject) =>
      setImmediate(() => resolve({ code, details, message: answer, head, trailers: metadata })),
    );
  });
}

/** Reads a stream to its end. */
export async function streamed(
  call: ClientReadableStream<Buffer>,
): Promise<{ readonly messages: string[]; readonly end: StatusObject }> {
  const messages: string[] = [];
  call.on('error', () => {});
  call.on('data', (message: Buffer) => messages.push(message.toString()));
  const end = await new Promise<StatusObject>((resolve) => call.on('status', resolve));
  return { messages, end };
}

/** A call as it is written, of which nothing is read until somebody does: clients of grpc-js read on by themselves. */
export function unreadCall(t: TestContext, port: number, path: string, message: Uint8Array = Buffer.alloc(0)): ClientHttp2Stream {
  const session = connect(`http://127.0.0.1:${port}`);
  t.after(() => session.destroy());
  const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' });
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  stream.end(Buffer.concat([head, message]));
  return stream;
}

/** Metadata of an object; lists are several values. */
export function metadataOf(values: CallOptions['metadata'] = {}): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(values)) for (const each of [value].flat()) metadata.add(name, each);
  return metadata;
}

function callOptions({ timeoutMs }: CallOptions): object {
  // oxlint-disable-next-line no-restricted-globals
  return timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
}

/** A method that answers with what it was sent. */
export const echo: Methods[string] = [
  'unary',
  (call: { readonly request: Buffer }, done: (error: null, answer: Buffer) => void) => done(null, call.request),
];

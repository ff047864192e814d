/** Clients of Connect, which speak its own protocol or gRPC; messages are described at run time, so that there is no step of building. */
import { create, createFileRegistry, type DescMethodStreaming, type DescMethodUnary } from '@bufbuild/protobuf';
import {
  type BytesValueSchema,
  FileDescriptorProtoSchema,
  MethodOptions_IdempotencyLevel,
  MethodOptionsSchema,
  file_google_protobuf_wrappers,
  type BytesValue,
} from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, type Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node';
import type { Mesh } from 'meshfetch';
import { meshSessionManager } from 'meshfetch/connect';
import type { Ask, Client, Exchange, Outcome } from '../client.ts';
import { statusFromCode } from '../messages.ts';
import { failure, headersOf, meshErrorIn } from '../outcome.ts';

type Bytes = typeof BytesValueSchema;
const methods = new Map<string, unknown>();

/** The method of this path; a read is one without side effects, which the Connect protocol may send as a GET. */
function methodOf(path: string, kind: 'read' | 'write' | 'stream'): unknown {
  const key = `${kind} ${path}`;
  if (!methods.has(key)) methods.set(key, describeMethod(path, kind));
  return methods.get(key);
}

function describeMethod(path: string, kind: 'read' | 'write' | 'stream'): unknown {
  const [, service = '', name = ''] = path.split('/');
  const dot = service.lastIndexOf('.');
  const type = '.google.protobuf.BytesValue';
  const method = {
    name,
    inputType: type,
    outputType: type,
    clientStreaming: kind === 'stream',
    serverStreaming: kind === 'stream',
    ...(kind === 'read' && {
      options: create(MethodOptionsSchema, { idempotencyLevel: MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS }),
    }),
  };
  const file = create(FileDescriptorProtoSchema, {
    name: 'table.proto',
    syntax: 'proto3',
    package: service.slice(0, dot),
    dependency: ['google/protobuf/wrappers.proto'],
    service: [{ name: service.slice(dot + 1), method: [method] }],
  });
  return createFileRegistry(file, () => file_google_protobuf_wrappers.proto).getService(service)!.methods[0]!;
}

function clientOf(name: string, written: string, transportOf: (mesh: Mesh, baseUrl: string) => Transport): Client {
  return {
    name,
    family: 'rpc',
    written,
    over(mesh) {
      const urlOf = ({ host = 'orders', isSecure = false }: Ask): string => `http${isSecure ? 's' : ''}://${host}`;
      return {
        call: (ask) => unary(transportOf(mesh, urlOf(ask)), ask),
        open: (ask) => stream(transportOf(mesh, urlOf(ask)), ask),
        close() {},
      };
    },
  };
}

async function unary(transport: Transport, ask: Ask): Promise<Outcome> {
  const { path = '/shop.Orders/Get', method = 'GET', headers = {}, body = Buffer.from('ask'), signal } = ask;
  if (!Buffer.isBuffer(body)) throw new TypeError('a unary call has one message');
  const described = methodOf(path, method === 'GET' ? 'read' : 'write') as DescMethodUnary<Bytes, Bytes>;
  try {
    const { header, trailer, message } = await transport.unary(described, signal, undefined, headers, { value: body });
    return {
      kind: 'answer',
      status: 200,
      headers: headersOf(header),
      trailers: headersOf(trailer),
      body: Buffer.from(message.value),
    };
  } catch (error) {
    const problem = ConnectError.from(error);
    if (meshErrorIn(error) !== undefined || problem.code === Code.Canceled) return failure(error);
    const metadata = headersOf(problem.metadata);
    return {
      kind: 'answer',
      status: statusFromCode(problem.code),
      headers: metadata,
      trailers: metadata,
      body: Buffer.from(problem.rawMessage),
    };
  }
}

async function stream(transport: Transport, ask: Ask): Promise<Exchange> {
  const { path = '/shop.Orders/Get', headers = {}, body = Buffer.from('ask'), signal } = ask;
  const described = methodOf(path, 'stream') as DescMethodStreaming<Bytes, Bytes>;
  const given = new AbortController();
  const either = signal === undefined ? given.signal : AbortSignal.any([signal, given.signal]);
  const { header, trailer, message } = await transport.stream(described, either, undefined, headers, messagesOf(body));
  return {
    status: 200,
    headers: headersOf(header),
    messages: values(message),
    trailers: () => headersOf(trailer),
    cancel: () => given.abort(),
  };
}

async function* messagesOf(body: Buffer | AsyncIterable<Buffer>): AsyncGenerator<{ value: Uint8Array }> {
  for await (const value of Buffer.isBuffer(body) ? [body] : body) yield { value };
}

async function* values(messages: AsyncIterable<BytesValue>): AsyncGenerator<Buffer> {
  for await (const { value } of messages) yield Buffer.from(value);
}

/** The Connect protocol; reads are GETs. */
export const connectClient: Client = clientOf(
  'Connect',
  '`createConnectTransport({ baseUrl, sessionManager: meshSessionManager(mesh, baseUrl) })`',
  (mesh, baseUrl) =>
    createConnectTransport({
      httpVersion: '2',
      baseUrl,
      sessionManager: meshSessionManager(mesh, baseUrl),
      useHttpGet: true,
      acceptCompression: [],
    }),
);

/** gRPC, as Connect's clients speak it. */
export const connectGrpcClient: Client = clientOf(
  'Connect (gRPC)',
  '`createGrpcTransport({ baseUrl, sessionManager: meshSessionManager(mesh, baseUrl) })`',
  (mesh, baseUrl) => createGrpcTransport({ baseUrl, sessionManager: meshSessionManager(mesh, baseUrl), acceptCompression: [] }),
);

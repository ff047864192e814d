import { Client as GrpcClient, Metadata, type ClientDuplexStream, type ServiceError, type StatusObject } from '@grpc/grpc-js';
import { meshChannelCredentials } from 'meshfetch/grpc';
import type { Ask, Client, Exchange, Headers, Outcome } from '../client.ts';
import { decodeMessage, encodeMessage, statusFromCode } from '../messages.ts';
import { failure, headersOf, meshErrorIn } from '../outcome.ts';

const unlimited = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 };

/** grpc-js with the mesh as the credentials of its channels: a unary call, or a stream both ways. */
export const grpcClient: Client = {
  name: 'grpc-js',
  family: 'rpc',
  written: "`new OrdersClient('mesh:///orders', meshChannelCredentials(mesh))`",
  over(mesh) {
    const clients = new Map<string, GrpcClient>();
    const clientOf = (host: string): GrpcClient => {
      let client = clients.get(host);
      if (client === undefined) {
        client = new GrpcClient(`mesh:///${host}`, meshChannelCredentials(mesh), unlimited);
        clients.set(host, client);
      }
      return client;
    };
    return {
      call: (ask) => unary(clientOf(ask.host ?? 'orders'), ask),
      open: (ask) => stream(clientOf(ask.host ?? 'orders'), ask),
      close() {
        for (const client of clients.values()) client.close();
      },
    };
  },
};

function metadataOf(headers: Headers = {}): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  return metadata;
}

const headersFrom = (metadata: Metadata): Headers =>
  headersOf(Object.entries(metadata.toHttp2Headers()).map(([name, value]) => [name, String(value)]));

/** The answer that a status is, or the failure where the mesh has failed. */
function outcomeFrom(error: ServiceError, headers: Headers | undefined): Outcome {
  if (meshErrorIn(error) !== undefined) return failure(error);
  const { code, details, metadata } = error;
  return {
    kind: 'answer',
    status: statusFromCode(code),
    headers: headers ?? headersFrom(metadata),
    trailers: headersFrom(metadata),
    body: Buffer.from(details),
  };
}

async function unary(client: GrpcClient, { path = '/shop.Orders/Get', headers, body, signal }: Ask): Promise<Outcome> {
  if (body !== undefined && !Buffer.isBuffer(body)) throw new TypeError('a unary call has one message');
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  let received: Headers | undefined;
  let trailers: Headers | undefined;
  const call = client.makeUnaryRequest(
    path,
    encodeMessage,
    decodeMessage,
    body ?? Buffer.from('ask'),
    metadataOf(headers),
    (error, message) => {
      if (error !== null) return resolve(signal?.aborted === true ? failure(error) : outcomeFrom(error, received));
      // The status, with the trailers, is told right after the message.
      setImmediate(() => resolve({ kind: 'answer', status: 200, headers: received, trailers, body: message! }));
    },
  );
  call.on('metadata', (metadata: Metadata) => (received = headersFrom(metadata)));
  call.on('status', (status: StatusObject) => (trailers = headersFrom(status.metadata)));
  cancelWith(call, signal);
  return promise;
}

async function stream(client: GrpcClient, { path = '/shop.Orders/Get', headers, body, signal }: Ask): Promise<Exchange> {
  const call = client.makeBidiStreamRequest<Buffer, Buffer>(path, encodeMessage, decodeMessage, metadataOf(headers));
  cancelWith(call, signal);
  let status: StatusObject | undefined;
  call.on('status', (told: StatusObject) => (status = told));
  const { promise, resolve, reject } = Promise.withResolvers<Metadata>();
  call.on('metadata', resolve);
  call.on('error', reject);
  void send(call, body);
  const received = await promise;
  return {
    status: 200,
    headers: headersFrom(received),
    messages: call,
    trailers: () => (status === undefined ? undefined : headersFrom(status.metadata)),
    cancel: () => call.cancel(),
  };
}

async function send(call: ClientDuplexStream<Buffer, Buffer>, body: Ask['body']): Promise<void> {
  for await (const part of body === undefined || Buffer.isBuffer(body) ? [body ?? Buffer.from('ask')] : body)
    if (!call.write(part)) await new Promise<void>((resolve) => void call.once('drain', resolve).once('status', () => resolve()));
  call.end();
}

function cancelWith(call: { cancel(): void }, signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) call.cancel();
  else signal?.addEventListener('abort', () => call.cancel(), { once: true });
}

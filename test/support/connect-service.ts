/** A service of Connect with every kind of method. It is described at run time: its messages are `google.protobuf.StringValue`, and no code is generated. */
import { once } from 'node:events';
import { createServer } from 'node:http2';
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { after } from 'node:test';
import { create, createFileRegistry, type DescMethodBiDiStreaming, type DescMethodClientStreaming } from '@bufbuild/protobuf';
import type { DescMethodServerStreaming, DescMethodUnary } from '@bufbuild/protobuf';
import type { GenService } from '@bufbuild/protobuf/codegenv2';
import {
  FileDescriptorProtoSchema,
  MethodOptions_IdempotencyLevel,
  type StringValueSchema,
  file_google_protobuf_wrappers,
} from '@bufbuild/protobuf/wkt';
import type { ServiceImpl } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';

type Value = typeof StringValueSchema;

/** Methods of `meshfetch.test.Talk`. */
export type Talk = GenService<{
  say: DescMethodUnary<Value, Value>;
  /** Without side effects: the Connect protocol may send it as GET. */
  look: DescMethodUnary<Value, Value>;
  down: DescMethodServerStreaming<Value, Value>;
  up: DescMethodClientStreaming<Value, Value>;
  both: DescMethodBiDiStreaming<Value, Value>;
}>;

const value = '.google.protobuf.StringValue';
const method = (name: string, clientStreaming: boolean, serverStreaming: boolean): object => ({
  name,
  inputType: value,
  outputType: value,
  clientStreaming,
  serverStreaming,
});

/** The service. */
export const talk = createFileRegistry(
  create(FileDescriptorProtoSchema, {
    name: 'meshfetch/test/talk.proto',
    package: 'meshfetch.test',
    syntax: 'proto3',
    dependency: [file_google_protobuf_wrappers.proto.name],
    service: [
      {
        name: 'Talk',
        method: [
          method('Say', false, false),
          {
            ...method('Look', false, false),
            options: { idempotencyLevel: MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS },
          },
          method('Down', false, true),
          method('Up', true, false),
          method('Both', true, true),
        ],
      },
    ],
  }),
  () => file_google_protobuf_wrappers,
).getService('meshfetch.test.Talk') as unknown as Talk;

/** A server of connect-node. */
export interface TalkServer {
  readonly address: string;
  readonly sessions: Set<ServerHttp2Session>;
  readonly streams: Set<ServerHttp2Stream>;
  close(): Promise<void>;
}

/** Serves it over HTTP/2 without TLS, all protocols, until the tests of the file are over. */
export async function startTalk(implementation: Partial<ServiceImpl<Talk>>): Promise<TalkServer> {
  const server = createServer(connectNodeAdapter({ routes: (router) => router.service(talk, implementation) }));
  const sessions = new Set<ServerHttp2Session>();
  const streams = new Set<ServerHttp2Stream>();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
    session.on('stream', (stream) => {
      streams.add(stream);
      stream.on('close', () => streams.delete(stream));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = async (): Promise<void> => {
    for (const session of sessions) session.destroy();
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  };
  after(close);
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, sessions, streams, close };
}

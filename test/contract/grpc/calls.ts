/** Calls that must look the same to the program, made by grpc-js alone and through the mesh. */
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import {
  InterceptingCall,
  Metadata,
  status,
  compressionAlgorithms,
  type CallOptions,
  type ChannelOptions,
  type Client,
  type ClientUnaryCall,
  type ClientWritableStream,
  type ServiceError,
  type StatusObject,
} from '@grpc/grpc-js';
import type { EchoClient, EchoServer } from './echo-service.ts';
import { plainMetadata, watch, type Heard } from './watch-call.ts';

/** What a scenario has. */
export interface CallSetting {
  readonly client: EchoClient;
  readonly server: EchoServer;
  /** Resolves when the server has seen it. */
  readonly seen: (what: string) => Promise<void>;
}

/** One thing that programs do. */
export interface CallScenario {
  readonly name: string;
  readonly options?: ChannelOptions;
  /** What the program sees of it: the same by either way, and this. */
  readonly expected?: unknown;
  run(setting: CallSetting): Promise<unknown>;
}

const soon = (ms = 30_000): number => Date.now() + ms;

/** A unary call to its end: the answer, and all that was heard. */
async function unary(
  start: (done: (error: ServiceError | null, answer?: Buffer) => void) => ClientUnaryCall | ClientWritableStream<Buffer>,
): Promise<{ answer: string | undefined; error: unknown; heard: Omit<Heard, 'messages' | 'error'> }> {
  const { promise, resolve } = Promise.withResolvers<{ answer: string | undefined; error: unknown }>();
  const call = start((error, answer) => {
    const failure = error === null ? undefined : { code: error.code, details: error.details, message: error.message };
    resolve({ answer: answer?.toString(), error: failure });
  });
  const { over } = watch(call);
  const { answer, error } = await promise;
  const { events, metadata, status: last } = await over;
  return { answer, error, heard: { events, metadata, status: last } };
}

function metadataOf(entries: readonly (readonly [string, string | Buffer])[]): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of entries) metadata.add(key, value);
  return metadata;
}

const text = (value: string): Buffer => Buffer.from(value);
const summary = ({ events, status: last, metadata }: Heard): unknown => ({ events, status: last, metadata });

async function writeAll(call: Pick<Writable, 'write' | 'end' | 'once'>, messages: readonly string[]): Promise<void> {
  for (const message of messages) if (!call.write(text(message))) await new Promise((resolve) => call.once('drain', resolve));
  call.end();
}

/** Of a stream whose second message is longer than 1000 bytes. */
async function tooLongAfterOne(client: EchoClient): Promise<Heard> {
  const call = client.chat();
  const { over } = watch(call);
  call.write(Buffer.alloc(10));
  await once(call, 'data');
  call.write(Buffer.alloc(1001));
  return over;
}

export const scenarios: readonly CallScenario[] = [
  {
    name: 'unary',
    run: ({ client }) => unary((done) => client.unary(text('hello'), done)),
  },
  {
    name: 'unary-empty-messages',
    run: ({ client }) => unary((done) => client.unary(Buffer.alloc(0), done)),
  },
  {
    name: 'unary-large-both-ways',
    async run({ client }) {
      const request = Buffer.alloc(3_000_000, 7);
      const { promise, resolve } = Promise.withResolvers<Buffer>();
      client.unary(request, (_error, answer) => resolve(answer!));
      return { isSame: request.equals(await promise) };
    },
    expected: { isSame: true },
  },
  {
    name: 'unary-many-at-once',
    async run({ client }) {
      const calls = Array.from({ length: 300 }, (_, index) => unary((done) => client.unary(text(`n${index}`), done)));
      return (await Promise.all(calls)).map(({ answer }) => answer).join(' ');
    },
  },
  {
    name: 'metadata-both-ways',
    run: ({ client }) =>
      unary((done) =>
        client.unary(
          text('m'),
          metadataOf([
            ['x-one', 'a'],
            ['x-many', 'b'],
            ['x-many', 'c, d'],
            ['x-blob-bin', Buffer.from([0, 255, 1, 2])],
            ['x-blobs-bin', Buffer.from('p')],
            ['x-blobs-bin', Buffer.from([])],
            ['x-blobs-bin', Buffer.from('qrs')],
            ['x-spaces', ' kept inside  the value '],
          ]),
          {},
          done,
        ),
      ),
  },
  {
    name: 'metadata-that-the-server-gets',
    async run({ client, server }) {
      await unary((done) => client.unary(text('m'), metadataOf([['x-a', '1']]), { deadline: soon() }, done));
      return plainMetadata(server.metadata.at(-1)!);
    },
  },
  {
    name: 'metadata-illegal-keys-and-values',
    run: async () => {
      const said: string[] = [];
      for (const [key, value] of [
        ['x key', 'v'],
        ['x-ключ', 'v'],
        ['x-text', 'line\nbreak'],
        ['x-text', Buffer.from('no')],
        ['x-blob-bin', 'no'],
      ] as const) {
        try {
          new Metadata().set(key, value);
          said.push('taken');
        } catch (error) {
          said.push((error as Error).message);
        }
      }
      return said;
    },
  },
  {
    name: 'unary-failure-with-metadata',
    run: ({ client }) => unary((done) => client.fail(text('5 no such order'), metadataOf([['x-why', 'gone']]), {}, done)),
  },
  {
    name: 'unary-failure-message-is-unescaped',
    run: ({ client }) => unary((done) => client.fail(text('3 schlecht: ü % 100%25 \u{1f600}'), done)),
  },
  {
    name: 'every-status-code',
    async run({ client }) {
      const codes = Array.from({ length: 18 }, (_, code) => code).slice(1);
      return Promise.all(codes.map(async (code) => (await unary((done) => client.fail(text(`${code} words`), done))).error));
    },
  },
  {
    name: 'server-stream',
    run: async ({ client }) => summary(await watch(client.down(text('5 10'), metadataOf([['x-s', '1']]))).over),
    expected: {
      events: ['metadata', 'data 10', 'data 10', 'data 10', 'data 10', 'data 10', 'status 0', 'end'],
      status: { code: 0, details: 'OK', metadata: { 't-s': ['1'] } },
      metadata: { 'x-s': ['1'], 'content-type': ['application/grpc+proto'] },
    },
  },
  {
    name: 'server-stream-of-nothing',
    run: async ({ client }) => summary(await watch(client.down(text('0 10'))).over),
  },
  {
    name: 'server-stream-of-large-messages',
    run: async ({ client }) => {
      const { messages } = await watch(client.down(text('20 200000'))).over;
      return messages.map((message, index) => message.length === 200_000 && message.every((byte) => byte === 19 - index));
    },
    expected: Array.from({ length: 20 }, () => true),
  },
  {
    name: 'server-stream-of-small-messages',
    run: async ({ client }) => {
      const { messages } = await watch(client.down(text('3000 3'))).over;
      return { count: messages.length, inOrder: messages.every((message, index) => message[0] === (2999 - index) % 256) };
    },
    expected: { count: 3000, inOrder: true },
  },
  {
    name: 'server-stream-fails-after-messages',
    run: async ({ client }) => {
      const heard = await watch(client.down(text('3 10 then 9'), metadataOf([['x-s', '1']]))).over;
      return { ...heard, events: heard.events.filter((event) => !event.startsWith('data')), messages: heard.messages.length > 0 };
    },
  },
  {
    name: 'client-stream',
    run: ({ client }) =>
      unary((done) => {
        const call = client.up(done);
        void writeAll(call, ['a', 'bb', 'ccc']);
        return call;
      }),
  },
  {
    name: 'client-stream-of-nothing',
    run: ({ client }) =>
      unary((done) => {
        const call = client.up(done);
        call.end();
        return call;
      }),
  },
  {
    name: 'client-stream-of-one-message-after-a-while',
    run: ({ client }) =>
      unary((done) => {
        const call = client.up(done);
        setTimeout(() => {
          call.write(text('late'));
          setTimeout(() => call.end(), 5);
        }, 5);
        return call;
      }),
  },
  {
    name: 'client-stream-of-many-messages',
    run: ({ client }) =>
      unary((done) => {
        const call = client.up(done);
        void writeAll(
          call,
          Array.from({ length: 200 }, () => 'x'.repeat(20_000)),
        );
        return call;
      }),
  },
  {
    name: 'client-stream-that-the-server-ends-early',
    run: ({ client }) =>
      unary((done) => {
        const call = client.up(done);
        call.write(text('go'));
        call.write(text('stop'));
        return call;
      }),
  },
  {
    name: 'metadata-before-any-message-of-a-stream',
    async run({ client, seen }) {
      const call = client.chat(metadataOf([['x-s', 'early']]));
      const { over } = watch(call);
      await once(call, 'metadata');
      await seen('chat');
      call.end();
      return summary(await over);
    },
    expected: {
      events: ['metadata', 'status 0', 'end'],
      status: { code: 0, details: 'OK', metadata: { 't-s': ['early'] } },
      metadata: {
        'x-s': ['early'],
        'content-type': ['application/grpc+proto'],
      },
    },
  },
  {
    name: 'chat-in-turns',
    async run({ client }) {
      const call = client.chat();
      const { over, heard } = watch(call);
      for (const word of ['one', 'two', 'three', 'four']) {
        call.write(text(word));
        await once(call, 'data');
      }
      call.end();
      await over;
      return { events: heard.events, words: heard.messages.map(String) };
    },
    expected: {
      events: ['metadata', 'data 3', 'data 3', 'data 5', 'data 4', 'status 0', 'end'],
      words: ['one', 'two', 'three', 'four'],
    },
  },
  {
    name: 'chat-both-directions-at-once',
    async run({ client }) {
      const call = client.chat();
      const { over, heard } = watch(call);
      await writeAll(
        call,
        Array.from({ length: 500 }, (_, index) => `${index} ${'y'.repeat(3000)}`),
      );
      await over;
      return heard.messages.map((message) => Number.parseInt(message.toString(), 10)).join(' ');
    },
  },
  {
    name: 'chat-fails',
    async run({ client }) {
      const call = client.chat(metadataOf([['x-s', '1']]));
      const { over } = watch(call);
      call.write(text('fail'));
      const { events, status: last, error } = await over;
      return { events, last, error };
    },
  },
  {
    name: 'callbacks-of-writes',
    async run({ client }) {
      const call = client.chat();
      const { over } = watch(call);
      const written: string[] = [];
      for (const word of ['a', 'b', 'c'])
        await new Promise<void>((resolve) => void call.write(text(word), () => resolve(void written.push(word))));
      call.end();
      await over;
      return written;
    },
    expected: ['a', 'b', 'c'],
  },
  {
    name: 'deadline-that-is-over',
    run: async ({ client }) => {
      const { error } = await unary((done) => client.unary(text('x'), new Metadata(), { deadline: Date.now() - 1 }, done));
      return (error as { code: number }).code;
    },
    expected: status.DEADLINE_EXCEEDED,
  },
  {
    name: 'deadline-while-the-server-works',
    async run({ client, seen }) {
      const { error, heard } = await unary((done) =>
        client.hang(text('x'), new Metadata(), { deadline: Date.now() + 100 }, done),
      );
      await seen('hang cancelled');
      return { code: (error as { code: number }).code, events: heard.events };
    },
    expected: { code: status.DEADLINE_EXCEEDED, events: ['status 4'] },
  },
  {
    name: 'deadline-in-the-middle-of-a-stream',
    async run({ client, seen }) {
      const { events } = await watch(client.down(text('2 5 waits'), new Metadata(), { deadline: Date.now() + 150 })).over;
      await seen('down cancelled');
      return events.filter((event) => event !== 'end');
    },
    expected: ['metadata', 'data 5', 'data 5', 'error 4', 'status 4'],
  },
  {
    name: 'cancelled-at-once',
    async run({ client }) {
      const { error, heard } = await unary((done) => {
        const call = client.unary(text('x'), done);
        call.cancel();
        return call;
      });
      return { error, events: heard.events };
    },
  },
  {
    name: 'cancelled-a-tick-later',
    async run({ client }) {
      const { error, heard } = await unary((done) => {
        const call = client.unary(text('x'), done);
        process.nextTick(() => call.cancel());
        return call;
      });
      return { error, events: heard.events };
    },
  },
  {
    name: 'cancelled-while-the-server-works',
    async run({ client, seen }) {
      const result = unary((done) => {
        const call = client.hang(text('x'), new Metadata(), {}, done);
        void seen('hang').then(() => call.cancel());
        return call;
      });
      const { error, heard } = await result;
      await seen('hang cancelled');
      return { error, events: heard.events };
    },
  },
  {
    name: 'cancelled-after-the-metadata',
    async run({ client, seen }) {
      const call = client.chat();
      const { over } = watch(call);
      await once(call, 'metadata');
      call.cancel();
      const { events } = await over;
      await seen('chat cancelled');
      return events.filter((event) => event !== 'end');
    },
    expected: ['metadata', 'error 1', 'status 1'],
  },
  {
    name: 'cancelled-between-messages',
    async run({ client, seen }) {
      const call = client.down(text('2 5 waits'));
      const { over } = watch(call);
      await once(call, 'data');
      await once(call, 'data');
      call.cancel();
      const { events } = await over;
      await seen('down cancelled');
      return events.filter((event) => event !== 'end');
    },
    expected: ['metadata', 'data 5', 'data 5', 'error 1', 'status 1'],
  },
  {
    name: 'cancelled-while-it-writes',
    async run({ client, seen }) {
      const { error } = await unary((done) => {
        const call = client.up(done);
        call.write(text('a'));
        call.once('metadata', () => call.cancel());
        return call;
      });
      await seen('up cancelled');
      return error;
    },
  },
  {
    name: 'destroyed-stream',
    async run({ client, seen }) {
      const call = client.down(text('2 5 waits'));
      const { over } = watch(call);
      await once(call, 'data');
      call.destroy();
      call.cancel();
      await over;
      await seen('down cancelled');
      return call.destroyed;
    },
    expected: true,
  },
  {
    name: 'too-long-for-the-client',
    options: { 'grpc.max_receive_message_length': 1000 },
    async run({ client }) {
      const { error, heard } = await unary((done) => client.unary(Buffer.alloc(1001), done));
      return { error, events: heard.events };
    },
  },
  {
    name: 'as-long-as-the-client-takes',
    options: { 'grpc.max_receive_message_length': 1000 },
    run: ({ client }) => unary((done) => client.unary(Buffer.alloc(1000, 65), done)),
  },
  {
    name: 'no-limit-for-the-client',
    options: { 'grpc.max_receive_message_length': -1 },
    async run({ client }) {
      const { messages } = await watch(client.down(text('1 6000000'))).over;
      return messages[0]!.length;
    },
    expected: 6_000_000,
  },
  {
    name: 'default-limit-of-the-client',
    run: async ({ client }) => {
      const { error, events } = await watch(client.down(text('1 4194305'))).over;
      return { error, events };
    },
  },
  {
    name: 'too-long-to-send',
    options: { 'grpc.max_send_message_length': 1000 },
    async run({ client }) {
      const { error, heard } = await unary((done) => client.unary(Buffer.alloc(1001), done));
      return { error, events: heard.events.filter((event) => event !== 'metadata') };
    },
  },
  {
    name: 'too-long-in-the-middle-of-a-stream',
    options: { 'grpc.max_receive_message_length': 1000 },
    async run({ client }) {
      const { events, error } = await tooLongAfterOne(client);
      return { events: events.filter((event) => event !== 'end'), error };
    },
  },
  {
    name: 'gzip',
    options: { 'grpc.default_compression_algorithm': compressionAlgorithms.gzip },
    async run({ client }) {
      const { answer } = await unary((done) => client.unary(Buffer.alloc(10_000, 65), done));
      return answer!.length;
    },
    expected: 10_000,
  },
  {
    name: 'two-authorizations',
    async run({ client }) {
      const metadata = metadataOf([
        ['authorization', 'one'],
        ['authorization', 'two'],
      ]);
      const { error } = await unary((done) => client.unary(text('x'), metadata, {}, done));
      return error;
    },
  },
  {
    name: 'metadata-that-changes-after-the-call-was-made',
    async run({ client }) {
      const metadata = metadataOf([['x-by', 'before']]);
      const call = client.chat(metadata);
      const { over } = watch(call);
      metadata.set('x-by', 'after');
      call.end();
      return (await over).metadata;
    },
  },
  {
    name: 'too-long-to-send-in-a-stream',
    options: { 'grpc.max_send_message_length': 1000 },
    run: async ({ client }) => (await tooLongAfterOne(client)).error,
  },
  {
    name: 'an-interceptor-that-cancels',
    async run({ client }) {
      const options: CallOptions = {
        interceptors: [
          (given, next) => {
            const call = next(given);
            return new InterceptingCall(call, {
              start(metadata, listener, start) {
                call.cancelWithStatus(status.ABORTED, 'not now');
                start(metadata, listener);
              },
            });
          },
        ],
      };
      const { error } = await unary((done) => client.unary(text('x'), new Metadata(), options, done));
      return error;
    },
  },
  {
    name: 'a-date-for-a-deadline',
    async run({ client, seen }) {
      const options = { deadline: new Date(Date.now() + 100) };
      const { error } = await unary((done) => client.hang(text('x'), new Metadata(), options, done));
      await seen('hang cancelled');
      return (error as { code: number }).code;
    },
    expected: status.DEADLINE_EXCEEDED,
  },
  {
    name: 'a-deadline-that-never-comes',
    run: ({ client }) => unary((done) => client.unary(text('x'), new Metadata(), { deadline: Number.POSITIVE_INFINITY }, done)),
  },
  {
    name: 'interceptors',
    async run({ client }) {
      const said: string[] = [];
      const options: CallOptions = {
        interceptors: [
          (given, next) =>
            new InterceptingCall(next(given), {
              start(metadata, listener, start) {
                metadata.set('x-by', 'interceptor');
                start(metadata, {
                  onReceiveMetadata(first, go) {
                    said.push(`metadata ${first.get('x-by').join()}`);
                    go(first);
                  },
                  onReceiveMessage(message: Buffer, go) {
                    said.push(`message ${message.length}`);
                    go(Buffer.concat([message, text('!')]));
                  },
                  onReceiveStatus(last, go) {
                    said.push(`status ${last.code}`);
                    go(last);
                  },
                });
              },
              sendMessage(message: Buffer, send) {
                said.push('send');
                send(Buffer.concat([message, text('?')]));
              },
              halfClose(close) {
                said.push('half-close');
                close();
              },
            }),
        ],
      };
      const { answer } = await unary((done) => client.unary(text('hi'), new Metadata(), options, done));
      return { said, answer };
    },
    expected: {
      said: ['send', 'half-close', 'metadata interceptor', 'message 3', 'status 0'],
      answer: 'hi?!',
    },
  },
  {
    name: 'an-interceptor-that-holds-the-message-back',
    async run({ client }) {
      const options: CallOptions = {
        interceptors: [
          (given, next) =>
            new InterceptingCall(next(given), {
              sendMessage(message, send) {
                setTimeout(send, 10, message);
              },
              halfClose(close) {
                setTimeout(close, 20);
              },
            }),
        ],
      };
      return unary((done) => client.unary(text('slowly'), new Metadata(), options, done));
    },
  },
  {
    name: 'reader-that-pauses',
    async run({ client }) {
      const call = client.down(text('50 100000'));
      let bytes = 0;
      for await (const message of call as AsyncIterable<Buffer>) {
        bytes += message.length;
        if (bytes % 500_000 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
      }
      return bytes;
    },
    expected: 5_000_000,
  },
  {
    name: 'state-of-the-channel',
    async run({ client }) {
      const ready = new Promise<Error | undefined>((resolve) => client.waitForReady(soon(), resolve));
      const isReady = (await ready) === undefined;
      const state = client.getChannel().getConnectivityState(false);
      client.close();
      return { isReady, state, closed: client.getChannel().getConnectivityState(false) };
    },
    expected: { isReady: true, state: 2, closed: 4 },
  },
  {
    name: 'calls-on-a-closed-client',
    async run({ client }) {
      client.close();
      try {
        client.unary(text('x'), () => {});
        return 'taken';
      } catch (error) {
        return (error as Error).message;
      }
    },
  },
  {
    name: 'calls-under-way-end-when-the-client-is-closed',
    async run({ client }) {
      const call = client.chat();
      const { over, heard } = watch(call);
      await once(call, 'metadata');
      client.close();
      call.write(text('still'));
      await once(call, 'data');
      call.end();
      await over;
      return heard.events;
    },
    expected: ['metadata', 'data 5', 'status 0', 'end'],
  },
  {
    name: 'the-service-of-a-method-that-is-not-there',
    run: async ({ client }) => {
      const { promise, resolve } = Promise.withResolvers<StatusObject | ServiceError | null>();
      const same = (bytes: Buffer): Buffer => bytes;
      (client as unknown as Client).makeUnaryRequest('/test.Echo/Nowhere', same, same, text('x'), resolve as never);
      const { code, details } = (await promise)!;
      return { code, details };
    },
  },
];

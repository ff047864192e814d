/** Calls whose course must be the same whether connect-node makes them itself or through the mesh. What each returns is compared. */
import { Code, ConnectError, type Client } from '@connectrpc/connect';
import { StringValueSchema } from '@bufbuild/protobuf/wkt';
import type { Talk } from '../../support/connect-service.ts';
import { standsStill } from '../../support/stands-still.ts';
import type { Notes } from './server.ts';

/** A call; it returns what was seen of it. */
export interface Call {
  readonly name: string;
  /** About what messages look like: tried in each of their forms, where the others are tried in one. */
  readonly isAboutMessages?: true;
  run(client: Client<Talk>, notes: Notes): Promise<unknown>;
}

/** What a program sees of an error. Words are compared where the server chose them. */
export interface Seen {
  readonly code: string | undefined;
  readonly words?: string;
  readonly details?: readonly string[];
  readonly why?: string | null;
  readonly whyBytes?: string | null;
}

/** Reads it. */
export function seen(error: unknown): Seen {
  const { code, rawMessage, metadata, isWireError } = ConnectError.from(error) as ConnectError & { isWireError: boolean };
  const details = ConnectError.from(error)
    .findDetails(StringValueSchema)
    .map(({ value }) => value);
  return {
    code: Code[code],
    ...(isWireError && { words: rawMessage, details, why: metadata.get('x-why'), whyBytes: metadata.get('x-why-bin') }),
  };
}

async function caught(work: Promise<unknown>): Promise<unknown> {
  try {
    return { value: await work };
  } catch (error) {
    return seen(error);
  }
}

/** Reads a stream to its end; what came, and how it ended. */
async function read(messages: AsyncIterable<{ readonly value: string }>, onMessage?: (count: number) => void): Promise<unknown> {
  const values: string[] = [];
  try {
    for await (const { value } of messages) {
      values.push(value);
      onMessage?.(values.length);
    }
    return { values };
  } catch (error) {
    return { values, error: seen(error) };
  }
}

/** A stream of requests that is written by hand. */
class Requests implements AsyncIterable<{ value: string }> {
  private readonly queue: ({ value: string } | undefined)[] = [];
  private wake: (() => void) | undefined;
  /** Whether the client told it that nobody takes more. */
  isStopped = false;

  say(value: string): void {
    this.queue.push({ value });
    this.wake?.();
  }
  end(): void {
    this.queue.push(undefined);
    this.wake?.();
  }
  async *[Symbol.asyncIterator](): AsyncGenerator<{ value: string }> {
    try {
      for (;;) {
        while (this.queue.length === 0)
          await new Promise<void>((resolve) => {
            this.wake = resolve;
          });
        const next = this.queue.shift();
        if (next === undefined) return;
        yield next;
      }
    } finally {
      this.isStopped = true;
    }
  }
}

async function* repeated(value: string, count: number, onTaken?: () => void): AsyncGenerator<{ value: string }> {
  for (let index = 0; index < count; index++) {
    onTaken?.();
    yield { value };
  }
}

const codes = Object.keys(Code).filter((name) => Number.isNaN(Number(name)));

/** The table. */
export const calls: readonly Call[] = [
  { name: 'unary', isAboutMessages: true, run: async (client) => client.say({ value: 'hello' }).then(({ value }) => value) },
  { name: 'unary-empty', isAboutMessages: true, run: async (client) => client.say({}).then(({ value }) => value) },
  {
    name: 'unary-large',
    isAboutMessages: true,
    run: async (client) => client.say({ value: 'l'.repeat(1_000_000) }).then(({ value }) => value),
  },
  {
    name: 'unary-large-answer',
    isAboutMessages: true,
    run: async (client) => client.say({ value: 'big:1000000' }).then(({ value }) => value.length),
  },
  { name: 'unary-type', isAboutMessages: true, run: async (client) => client.say({ value: 'type' }).then(({ value }) => value) },
  {
    name: 'no-side-effects',
    isAboutMessages: true,
    run: async (client) => client.look({ value: 'hello' }).then(({ value }) => value),
  },
  {
    name: 'many-at-once',
    run: (client) =>
      Promise.all(Array.from({ length: 150 }, (_, index) => client.say({ value: `${index}` }).then(({ value }) => value))),
  },
  {
    name: 'metadata-both-ways',
    isAboutMessages: true,
    async run(client) {
      const order: string[] = [];
      const headers = new Headers({ 'x-one': '1', 'x-bytes-bin': 'AAECAw' });
      headers.append('x-two', 'a');
      headers.append('x-two', 'b');
      const { value } = await client.say(
        { value: 'headers' },
        {
          headers,
          onHeader: (header) => order.push(`header ${header.get('x-answer')} ${header.get('x-answer-bin')}`),
          onTrailer: (trailer) => order.push(`trailer ${trailer.get('x-end')}`),
        },
      );
      return { value, order };
    },
  },
  {
    name: 'fails-with-each-code',
    isAboutMessages: true,
    async run(client) {
      const errors: Record<string, unknown> = {};
      for (const code of codes) errors[code] = await caught(client.say({ value: `fail:${code}:it is so, ünd 100 %` }));
      return errors;
    },
  },
  { name: 'answer-too-large', isAboutMessages: true, run: (client) => caught(client.say({ value: 'big:4000000' })) },
  { name: 'request-too-large', isAboutMessages: true, run: (client) => caught(client.say({ value: 'x'.repeat(5_000_000) })) },
  {
    name: 'server-stream',
    isAboutMessages: true,
    async run(client) {
      const order: string[] = [];
      const got = await read(
        client.down(
          { value: 'two' },
          {
            onHeader: (header) => order.push(`header ${header.get('x-answer')}`),
            onTrailer: (trailer) => order.push(`trailer ${trailer.get('x-end')}`),
          },
        ),
        (count) => order.push(`message ${count}`),
      );
      return { got, order };
    },
  },
  { name: 'server-stream-empty', isAboutMessages: true, run: (client) => read(client.down({ value: 'nothing' })) },
  { name: 'server-stream-fails', isAboutMessages: true, run: (client) => read(client.down({ value: 'fail:DataLoss:halfway' })) },
  {
    name: 'server-stream-large',
    async run(client) {
      let bytes = 0;
      for await (const { value } of client.down({ value: 'flood:64:100000' })) bytes += value.length;
      return bytes;
    },
  },
  { name: 'client-stream', isAboutMessages: true, run: (client) => caught(client.up(repeated('u', 20))) },
  { name: 'client-stream-empty', isAboutMessages: true, run: (client) => caught(client.up(repeated('u', 0))) },
  { name: 'client-stream-large', isAboutMessages: true, run: (client) => caught(client.up(repeated('l'.repeat(100_000), 30))) },
  {
    name: 'client-stream-answered-early',
    async run(client) {
      const requests = new Requests();
      requests.say('one');
      requests.say('enough');
      return caught(client.up(requests).finally(() => requests.end()));
    },
  },
  {
    name: 'client-stream-fails-at-the-server',
    async run(client) {
      const requests = new Requests();
      requests.say('fail:NotFound:no such thing');
      return caught(client.up(requests).finally(() => requests.end()));
    },
  },
  {
    name: 'client-stream-whose-source-fails',
    run: (client) =>
      caught(
        client.up(
          (async function* () {
            yield { value: 'one' };
            throw new ConnectError('the source is dry', Code.OutOfRange);
          })(),
        ),
      ),
  },
  {
    name: 'both-in-turns',
    isAboutMessages: true,
    async run(client) {
      const requests = new Requests();
      requests.say('a');
      return read(client.both(requests), (count) => {
        if (count < 4) requests.say(`${count}`);
        else requests.end();
      });
    },
  },
  {
    name: 'both-server-first',
    async run(client) {
      const requests = new Requests();
      return read(client.both(requests, { headers: { 'x-first': 'server' } }), () => requests.end());
    },
  },
  {
    name: 'both-ended-by-the-server',
    async run(client) {
      const requests = new Requests();
      requests.say('a');
      return read(client.both(requests), () => requests.say('enough')).finally(() => requests.end());
    },
  },
  {
    name: 'both-fails-at-the-server',
    async run(client) {
      const requests = new Requests();
      requests.say('a');
      return read(client.both(requests), () => requests.say('fail:Aborted:stop')).finally(() => requests.end());
    },
  },
  { name: 'no-deadline', run: async (client) => client.say({ value: 'time' }).then(({ value }) => value) },
  {
    name: 'deadline-is-told',
    run: async (client) => client.say({ value: 'time' }, { timeoutMs: 60_000 }).then(({ value }) => value),
  },
  {
    name: 'deadline-of-a-unary-call',
    async run(client, notes) {
      const error = await caught(client.say({ value: 'hang' }, { timeoutMs: 50 }));
      await notes.until('given up');
      return error;
    },
  },
  {
    name: 'deadline-of-a-stream',
    async run(client, notes) {
      const got = await read(client.down({ value: 'hang' }, { timeoutMs: 100 }));
      await notes.until('given up');
      return got;
    },
  },
  {
    name: 'cancelled-before-it-began',
    run: (client, notes) =>
      caught(client.say({ value: 'hello' }, { signal: AbortSignal.abort() })).then((error) => ({
        error,
        said: notes.count('said'),
      })),
  },
  {
    name: 'cancelled-while-it-waits',
    async run(client, notes) {
      const controller = new AbortController();
      const call = caught(client.say({ value: 'hang' }, { signal: controller.signal }));
      await notes.until('hangs');
      controller.abort();
      const error = await call;
      return { error, notes: await notes.until('given up') };
    },
  },
  {
    name: 'cancelled-while-it-streams-down',
    async run(client, notes) {
      const controller = new AbortController();
      const got = await read(client.down({ value: 'hang' }, { signal: controller.signal }), (count) => {
        if (count === 2) controller.abort();
      });
      return { got, notes: await notes.until('given up') };
    },
  },
  {
    name: 'cancelled-while-it-streams-up',
    async run(client, notes) {
      const controller = new AbortController();
      const requests = new Requests();
      requests.say('hang');
      const call = caught(client.up(requests, { signal: controller.signal }));
      await notes.until('up hang');
      controller.abort();
      const error = await call;
      // Without the mesh the server then sees the stream end as if it were whole, since Node ends what it resets.
      return { error, notes: (await notes.until('given up')).filter((line) => line !== 'up ended') };
    },
  },
  {
    name: 'cancelled-in-both-ways',
    async run(client, notes) {
      const controller = new AbortController();
      const requests = new Requests();
      requests.say('a');
      requests.say('hang');
      const got = await read(client.both(requests, { signal: controller.signal }), () => controller.abort());
      return { got, notes: (await notes.until('given up')).filter((line) => line.startsWith('given up')) };
    },
  },
  {
    name: 'a-slow-reader-stops-the-server',
    async run(client, notes) {
      const controller = new AbortController();
      const messages = client.down({ value: 'flood:1000:100000' }, { signal: controller.signal })[Symbol.asyncIterator]();
      await messages.next();
      await notes.until('flood');
      const flood = await standsStill(() => notes.count('flood'));
      controller.abort();
      await messages.next().catch(() => {});
      return { isHeldBack: flood < 10 };
    },
  },
  {
    name: 'a-slow-server-stops-the-writer',
    async run(client, notes) {
      let taken = 0;
      const call = client.up(
        (async function* () {
          yield { value: 'slow' };
          yield* repeated('w'.repeat(100_000), 100, () => taken++);
        })(),
      );
      await notes.until('up slow');
      const isHeldBack = (await standsStill(() => taken)) < 10;
      notes.add('go on');
      const { value } = await call;
      return { isHeldBack, taken, characters: value.length };
    },
  },
];

import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { FormData as UndiciFormData } from 'undici';
import {
  discardBody,
  isReplayable,
  isStream,
  ReplayBody,
  type RequestBody,
} from '../../../../src/data-plane/transport/replay-body.ts';

async function* pieces(...all: readonly string[]): AsyncGenerator<string> {
  yield* all;
}

async function textOf(attempt: AsyncIterable<Uint8Array | string>): Promise<string> {
  let text = '';
  for await (const chunk of attempt) text += String(chunk);
  return text;
}

describe('a body', () => {
  const rows: readonly {
    readonly name: string;
    readonly body: unknown;
    readonly isReplayable: boolean;
    readonly isStream?: boolean;
  }[] = [
    { name: 'null', body: null, isReplayable: true },
    { name: 'undefined', body: undefined, isReplayable: true },
    { name: 'string', body: 'x', isReplayable: true },
    { name: 'buffer', body: Buffer.from('x'), isReplayable: true },
    { name: 'uint8-array', body: new Uint8Array(1), isReplayable: true },
    { name: 'data-view', body: new DataView(new ArrayBuffer(1)), isReplayable: true },
    { name: 'array-buffer', body: new ArrayBuffer(1), isReplayable: true },
    { name: 'blob', body: new Blob(['x']), isReplayable: true },
    { name: 'form-data', body: new FormData(), isReplayable: true },
    { name: 'form-data-of-undici', body: new UndiciFormData(), isReplayable: true },
    { name: 'readable', body: Readable.from(['x']), isReplayable: false, isStream: true },
    { name: 'web-stream', body: new ReadableStream(), isReplayable: false },
    { name: 'async-generator', body: pieces('x'), isReplayable: false },
    { name: 'iterable', body: new Set(['x']), isReplayable: false },
  ];
  for (const row of rows) {
    it(`can ${row.isReplayable ? '' : 'not '}be sent again as it is: ${row.name}`, () => {
      assert.equal(isReplayable(row.body as string), row.isReplayable);
      assert.equal(isStream(row.body), row.isStream ?? false);
    });
  }
});

describe('a body that nobody will send', () => {
  it('lets its source go: a stream, a web stream, a generator', async () => {
    const stream = new Readable({ read: () => {} });
    let cancelled = false;
    let returned = false;
    const web = new ReadableStream({ cancel: () => void (cancelled = true) });
    const generator = (async function* () {
      try {
        yield 'a';
        yield 'b';
      } finally {
        returned = true;
      }
    })();
    await generator.next();
    for (const body of [stream, web, generator]) discardBody(body);
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([stream.destroyed, cancelled, returned], [true, true, true]);
  });

  it('stays as it is when it can be sent again', () => {
    for (const body of ['x', Buffer.from('x'), null, undefined, new Blob(['x'])]) discardBody(body as unknown as RequestBody);
  });
});

describe('a recorded body', () => {
  it('is read no further while the next attempt waits', async () => {
    let reads = 0;
    const body = new ReplayBody(
      (async function* () {
        for (;;) {
          reads++;
          yield 'x'.repeat(60);
        }
      })(),
      100,
    );
    const first = body.attempt();
    await first.next();
    body.hold();
    // It fails: what it sent must not look like the whole.
    await assert.rejects(first.next(), /not wanted any more/);
    assert.equal(reads, 1);
    assert.equal(body.isReplayable, true);
    const next = body.attempt();
    assert.equal(String((await next.next()).value).length, 60);
  });

  it('loses nothing that was being read when the next attempt was granted', async () => {
    const source = Promise.withResolvers<void>();
    const body = new ReplayBody(
      (async function* () {
        yield 'a'.repeat(90);
        await source.promise;
        yield 'b'.repeat(90);
        yield 'c';
      })(),
      100,
    );
    const first = body.attempt();
    await first.next();
    const reading = first.next();
    body.hold();
    source.resolve();
    await assert.rejects(reading, /not wanted any more/);
    assert.equal(await textOf(body.attempt()), `${'a'.repeat(90)}${'b'.repeat(90)}c`);
  });

  it('serves several attempts at a time once it is whole', async () => {
    const body = new ReplayBody(pieces('a', 'b', 'c'), 100);
    assert.equal(body.isWhole, false);
    assert.equal(await textOf(body.attempt()), 'abc');
    assert.equal(body.isWhole, true);
    const one = body.attempt();
    await one.next();
    assert.equal(await textOf(body.attempt()), 'abc');
    assert.equal(await textOf(one), 'bc');
  });

  it('breaks attempts off when the request is over, so that a part never looks like the whole', async () => {
    const body = new ReplayBody(pieces('a', 'b'), 100);
    await textOf(body.attempt());
    const late = body.attempt();
    await late.next();
    body.release();
    await assert.rejects(textOf(late), /not wanted any more/);
    assert.equal(body.isWhole, false);
  });

  const copies: readonly { readonly name: string; readonly sizes: readonly number[]; readonly copied: boolean }[] = [
    { name: 'short', sizes: [10, 20], copied: true },
    { name: 'as-long-as-the-record', sizes: [60, 40], copied: true },
    { name: 'longer', sizes: [60, 41], copied: false },
    { name: 'empty', sizes: [], copied: true },
  ];
  for (const { name, sizes, copied } of copies) {
    it(`is given out whole, when it fits: ${name}`, async () => {
      const body = new ReplayBody(pieces(...sizes.map((size) => 'x'.repeat(size))), 100);
      const got: string[] = [];
      body.whenWhole((bytes) => got.push(String(bytes)));
      const text = await textOf(body.attempt());
      assert.deepEqual(got, copied ? [text] : []);
      body.whenWhole((bytes) => got.push(String(bytes)));
      assert.equal(got.length, copied ? 2 : 0);
    });
  }

  it('is whole for each attempt, and is read from its source once', async () => {
    let reads = 0;
    const body = new ReplayBody(
      (async function* () {
        for (const piece of ['a', 'b', 'c']) {
          reads++;
          yield piece;
        }
      })(),
      100,
    );
    assert.equal(await textOf(body.attempt()), 'abc');
    assert.equal(await textOf(body.attempt()), 'abc');
    assert.equal(reads, 3);
    assert.equal(body.isReplayable, true);
  });

  it('goes on where the first attempt stopped reading, with what that read in front', async () => {
    const body = new ReplayBody(pieces('a', 'b', 'c'), 100);
    const first = body.attempt();
    assert.deepEqual([(await first.next()).value, (await first.next()).value], ['a', 'b']);
    assert.equal(await textOf(body.attempt()), 'abc');
    await assert.rejects(first.next(), /not wanted any more/, 'the part that the first has is not the whole');
  });

  it('loses no chunk that was on its way when the attempt was given up', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const body = new ReplayBody(
      (async function* () {
        yield 'a';
        await promise;
        yield 'b';
        yield 'c';
      })(),
      100,
    );
    const first = body.attempt();
    await first.next();
    const pending = first.next();
    const second = textOf(body.attempt());
    resolve();
    await assert.rejects(pending, /not wanted any more/);
    assert.equal(await second, 'abc');
  });

  it('may be as long as maxBytes, and not a byte longer', async () => {
    const exact = new ReplayBody(pieces('12345', '67890'), 10);
    await textOf(exact.attempt());
    assert.equal(exact.isReplayable, true);
    const longer = new ReplayBody(pieces('12345', '678901'), 10);
    assert.equal(await textOf(longer.attempt()), '12345678901', 'the attempt that reads it is whole all the same');
    assert.equal(longer.isReplayable, false);
  });

  it('counts bytes and not characters', async () => {
    const body = new ReplayBody(pieces('ééé'), 5);
    await textOf(body.attempt());
    assert.equal(body.isReplayable, false);
  });

  it('tells the failure of its source from any other', async () => {
    const mine = new Error('the disk is gone');
    const body = new ReplayBody(
      (async function* () {
        yield 'a';
        throw mine;
      })(),
      100,
    );
    await assert.rejects(textOf(body.attempt()), mine);
    assert.equal(body.sourceError, mine);
  });

  it('lets its source go when the request is over', async () => {
    const mine = new Error('over');
    const stream = new Readable({ read: () => {} });
    const closed = new Promise((resolve) => stream.on('error', resolve));
    new ReplayBody(stream, 100).release(mine);
    assert.equal(await closed, mine);
    let returned = false;
    const source = {
      [Symbol.asyncIterator]: () => ({
        next: () => Promise.resolve({ done: false as const, value: 'a' }),
        return: () => {
          returned = true;
          return Promise.resolve({ done: true as const, value: undefined });
        },
      }),
    };
    new ReplayBody(source, 100).release();
    assert.equal(returned, true);
  });
});

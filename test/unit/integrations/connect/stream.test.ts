import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { OutgoingHttpHeaders } from 'node:http2';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Code, ConnectError } from '@connectrpc/connect';
import { Dispatcher } from 'undici';
import { MeshError } from '../../../../src/base/errors.ts';
import { MeshStream } from '../../../../src/integrations/connect/stream.ts';

/** Keeps what it is asked for, and lets the test play the mesh. */
class Asked extends Dispatcher {
  options: Dispatcher.DispatchOptions | undefined;
  handler: Dispatcher.DispatchHandler | undefined;
  aborted: Error | undefined;
  readonly flow: string[] = [];
  readonly controller = {
    abort: (reason: Error) => (this.aborted = reason),
    pause: () => this.flow.push('pause'),
    resume: () => this.flow.push('resume'),
  } as unknown as Dispatcher.DispatchController;

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    assert.equal(this.options, undefined);
    this.options = options;
    this.handler = handler;
    handler.onRequestStart?.(this.controller, null);
    return true;
  }
  head(status = 200, headers: Record<string, string> = {}): void {
    this.handler!.onResponseStart?.(this.controller, status, headers);
  }
  data(text: string): void {
    this.handler!.onResponseData?.(this.controller, Buffer.from(text));
  }
  end(trailers: Record<string, string> = {}): void {
    this.handler!.onResponseEnd?.(this.controller, trailers);
  }
}

const grpc = { 'content-type': 'application/grpc+proto' };

function open(headers: OutgoingHttpHeaders = grpc): { asked: Asked; stream: MeshStream } {
  const asked = new Asked();
  return { asked, stream: new MeshStream(asked, 'http://talk', 'POST', '/meshfetch.test.Talk/Say', headers) };
}

describe('the stream of a request', () => {
  it('is sent as bytes, which can be sent again, when it is ended in the turn in which it was opened', async () => {
    const { asked, stream } = open();
    stream.write(Buffer.from('mess'));
    await Promise.resolve();
    stream.end(Buffer.from('age'));
    await turn();
    assert.deepEqual(asked.options?.body, Buffer.from('message'));
    assert.deepEqual([asked.options?.origin, asked.options?.path], ['http://talk', '/meshfetch.test.Talk/Say']);
    stream.destroy();
  });

  it('is sent as one chunk without a copy where it is one', async () => {
    const { asked, stream } = open();
    const chunk = Buffer.from('message');
    stream.end(chunk);
    await turn();
    assert.equal(asked.options?.body, chunk);
    stream.destroy();
  });

  it('leaves at the end of the turn, though nothing was written', async () => {
    const { asked, stream } = open();
    await turn();
    assert.ok(asked.options?.body instanceof Readable);
    stream.end(Buffer.from('later'));
    assert.deepEqual(Buffer.concat(await asked.options.body.toArray()), Buffer.from('later'));
    stream.destroy();
  });

  it('waits for the end of one message of the Connect protocol, however long that takes', async () => {
    for (const type of ['application/proto', 'application/json; charset=utf-8']) {
      const { asked, stream } = open({ 'content-type': type });
      for (let count = 0; count < 5; count++) await turn();
      assert.equal(asked.handler, undefined);
      stream.end(Buffer.from('compressed'));
      await turn();
      assert.deepEqual(asked.options?.body, Buffer.from('compressed'));
      stream.destroy();
    }
  });

  it('does not wait for the end of a stream of the Connect protocol', async () => {
    const { asked, stream } = open({ 'content-type': 'application/connect+proto' });
    await turn();
    assert.ok(asked.options?.body instanceof Readable);
    stream.destroy();
  });

  it('has no body where nothing was written', async () => {
    const { asked, stream } = open({});
    stream.end();
    await turn();
    assert.equal(asked.options?.body, null);
    stream.destroy();
  });

  it('holds back who writes on and on in one turn', async () => {
    const { asked, stream } = open();
    let written = 0;
    let isOver = false;
    const write = (): void => {
      written++;
      stream.write(Buffer.alloc(50_000), () => isOver || write());
    };
    write();
    await turn();
    assert.ok(asked.options?.body instanceof Readable);
    assert.ok(written < 10, `${written} chunks were taken`);
    isOver = true;
    stream.destroy();
  });

  it('gives what is written before and after it left in order', async () => {
    const { asked, stream } = open();
    stream.write(Buffer.from('a'));
    stream.write(Buffer.from('b'));
    await turn();
    stream.write(Buffer.from('c'));
    stream.end(Buffer.from('d'));
    assert.equal(Buffer.concat(await (asked.options!.body as Readable).toArray()).toString(), 'abcd');
    stream.destroy();
  });

  it('is never sent once it is closed', async () => {
    const { asked, stream } = open();
    stream.end(Buffer.from('message'));
    stream.close(8);
    await turn();
    assert.equal(asked.options, undefined);
  });
});

describe('the stream of a response', () => {
  it('tells of head, body and trailers in this order', async () => {
    const { asked, stream } = open();
    const seen: unknown[] = [];
    stream.on('response', (headers) => seen.push(headers));
    stream.on('data', (chunk: Buffer) => seen.push(chunk.toString()));
    stream.on('trailers', (trailers) => seen.push(trailers));
    stream.on('end', () => seen.push('end'));
    stream.end();
    await turn();
    asked.head(103, { link: '</style.css>' });
    asked.head(200, { 'content-type': 'application/grpc', 'transfer-encoding': 'chunked', connection: 'keep-alive' });
    asked.data('one');
    asked.end({ 'grpc-status': '0' });
    await once(stream, 'close');
    const head = { ':status': 200, 'content-type': 'application/grpc' };
    assert.deepEqual(seen, [head, 'one', { 'grpc-status': '0' }, 'end']);
    assert.deepEqual([asked.aborted, stream.rstCode, stream.aborted], [undefined, 0, false]);
  });

  it('stops the endpoint while nobody reads, and goes on when somebody does', async () => {
    const { asked, stream } = open();
    stream.end();
    await turn();
    asked.head();
    stream.read(0);
    asked.flow.length = 0;
    asked.data('x'.repeat(200_000));
    assert.deepEqual(asked.flow, ['pause']);
    assert.equal((stream.read() as Buffer).length, 200_000);
    assert.deepEqual(asked.flow, ['pause', 'resume']);
    stream.destroy();
  });

  it('closes when it has been read, though the request was not ended', async () => {
    const { asked, stream } = open();
    await turn();
    let writeError: unknown;
    stream.write(Buffer.alloc(200_000));
    stream.write(Buffer.from('never read'), (error) => (writeError = error));
    stream.on('error', () => {});
    asked.head();
    asked.end();
    stream.resume();
    await once(stream, 'close');
    assert.equal((writeError as NodeJS.ErrnoException).code, 'ERR_STREAM_DESTROYED');
    assert.ok((asked.options!.body as Readable).destroyed);
  });

  it('fails with the code of the mesh, and keeps its error as the cause', async () => {
    const { asked, stream } = open();
    stream.end();
    await turn();
    const failure = new MeshError('MESH_NO_HEALTHY_ENDPOINT', 'nobody there');
    asked.handler!.onResponseError?.(asked.controller, failure);
    const [error] = (await once(stream, 'error')) as [ConnectError];
    assert.ok(error instanceof ConnectError);
    assert.deepEqual([error.code, error.cause], [Code.Unavailable, failure]);
    assert.equal(asked.aborted, undefined);
  });

  it('passes errors that are not the mesh’s untouched', async () => {
    const { asked, stream } = open();
    stream.end();
    await turn();
    const failure = new ConnectError('the source is dry', Code.OutOfRange);
    asked.handler!.onResponseError?.(asked.controller, failure);
    assert.deepEqual(await once(stream, 'error'), [failure]);
  });
});

describe('closing a stream', () => {
  it('cancels what is under way, and calls back once it is closed', async () => {
    const { asked, stream } = open();
    await turn();
    asked.head();
    const events: string[] = [];
    stream.on('aborted', () => events.push('aborted'));
    await new Promise<void>((resolve) => stream.close(8, resolve));
    assert.ok(asked.aborted);
    assert.deepEqual([stream.rstCode, stream.aborted, stream.closed], [8, true, true]);
    assert.deepEqual(events, ['aborted']);
  });

  it('calls back when it is closed already', async () => {
    const { stream } = open();
    await new Promise<void>((resolve) => stream.close(8, resolve));
    await new Promise<void>((resolve) => stream.close(2, resolve));
    assert.equal(stream.rstCode, 8);
  });

  it('says nothing of a failure that comes after it', async () => {
    const { asked, stream } = open();
    await turn();
    stream.close(8);
    asked.handler!.onResponseError?.(asked.controller, new Error('cancelled'));
    await once(stream, 'close');
    assert.equal(stream.errored, null);
  });
});

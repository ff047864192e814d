import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RequestMessages } from '../../../../src/integrations/grpc/request-messages.ts';

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the messages of a request', () => {
  it('come in their order, whether they are written or asked for first, and end with the half-close', async () => {
    const messages = new RequestMessages();
    messages.write(Buffer.from('a'), undefined);
    messages.write(Buffer.from('b'), undefined);
    const read: string[] = [];
    const reading = (async () => {
      for await (const message of messages) read.push(message.toString());
    })();
    await tick();
    messages.write(Buffer.from('c'), undefined);
    messages.halfClose();
    await reading;
    assert.deepEqual(read, ['a', 'b', 'c']);
  });

  it('count as written when they are asked for', async () => {
    const messages = new RequestMessages();
    const written: string[] = [];
    messages.write(Buffer.from('a'), () => written.push('a'));
    messages.write(Buffer.from('b'), () => written.push('b'));
    await tick();
    assert.deepEqual(written, []);
    assert.equal(messages.wasRead, false);
    await messages.next();
    await tick();
    assert.deepEqual(written, ['a']);
    assert.equal(messages.wasRead, true);
  });

  it('that nobody wants any more fail for the reader, and let the writer go on', async () => {
    const messages = new RequestMessages();
    const written: string[] = [];
    messages.write(Buffer.from('a'), () => written.push('a'));
    messages.abandon(new Error('gone'));
    messages.write(Buffer.from('b'), () => written.push('b'));
    await tick();
    assert.deepEqual(written, ['a', 'b']);
    await assert.rejects(messages.next(), /gone/);
  });

  it('fail for a reader that waits when nobody wants them any more', async () => {
    const messages = new RequestMessages();
    const next = messages.next();
    messages.abandon(new Error('gone'));
    await assert.rejects(next, /gone/);
  });

  it('are all there for another reader after one that read none', async () => {
    const messages = new RequestMessages();
    messages.write(Buffer.from('a'), undefined);
    await messages.return();
    messages.halfClose();
    const read: string[] = [];
    for await (const message of messages) read.push(message.toString());
    assert.deepEqual(read, ['a']);
  });
});

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { describe, it } from 'node:test';
import { closeOnSignal, type SignalSource } from '../../../../src/data-plane/listen/close-on-signal.ts';

class Source extends EventEmitter {
  readonly pid = 1;
  readonly sent: string[] = [];
  kill(_pid: number, signal: string): boolean {
    this.sent.push(signal);
    return true;
  }
}

function port(): { readonly done: PromiseWithResolvers<void>; readonly calls: string[]; close(): Promise<void>; cut(): void } {
  const done = Promise.withResolvers<void>();
  const calls: string[] = [];
  return {
    done,
    calls,
    close: () => {
      calls.push('close');
      return done.promise;
    },
    cut: () => {
      calls.push('cut');
      done.resolve();
    },
  };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a port that closes on a signal', () => {
  it('closes, and sends the signal again when it is closed', async () => {
    const source = new Source();
    const one = port();
    closeOnSignal(['SIGTERM', 'SIGINT'], one, source as unknown as SignalSource);
    source.emit('SIGTERM', 'SIGTERM');
    await settled();
    assert.deepEqual([one.calls, source.sent], [['close'], []]);
    one.done.resolve();
    await settled();
    assert.deepEqual([source.sent, source.eventNames()], [['SIGTERM'], []]);
  });

  it('closes at once on a second signal', async () => {
    const source = new Source();
    const one = port();
    closeOnSignal(['SIGTERM', 'SIGINT'], one, source as unknown as SignalSource);
    source.emit('SIGTERM', 'SIGTERM');
    source.emit('SIGINT', 'SIGINT');
    await settled();
    assert.deepEqual([one.calls, source.sent], [['close', 'cut'], ['SIGTERM']]);
  });

  it('leaves it to others whether the process ends: the last port, or the program', async () => {
    const source = new Source();
    const one = port();
    const two = port();
    closeOnSignal(['SIGTERM'], one, source as unknown as SignalSource);
    closeOnSignal(['SIGTERM'], two, source as unknown as SignalSource);
    source.emit('SIGTERM', 'SIGTERM');
    one.done.resolve();
    await settled();
    assert.deepEqual(source.sent, []);
    source.on('SIGTERM', () => {});
    two.done.resolve();
    await settled();
    assert.deepEqual([source.sent, source.listenerCount('SIGTERM')], [[], 1]);
  });

  it('does not listen any more when it was closed otherwise', () => {
    const source = new Source();
    const stop = closeOnSignal(['SIGTERM'], port(), source as unknown as SignalSource);
    stop();
    assert.equal(source.listenerCount('SIGTERM'), 0);
  });

  it('a process that nothing else holds back ends by the signal, after its requests', async () => {
    const child = spawn(
      process.execPath,
      ['--no-warnings', '--conditions=meshfetch-source', '--input-type=module', '-e', program],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text += String(chunk)));
    const ended = once(child, 'exit');
    await once(child.stdout, 'data');
    child.kill('SIGTERM');
    assert.deepEqual(await ended, [null, 'SIGTERM']);
    assert.equal(text, 'ready\ndrained\n');
  });
});

const program = `
import { closeOnSignal } from './src/data-plane/listen/close-on-signal.ts';
setInterval(() => {}, 1000);
closeOnSignal(['SIGTERM'], { cut() {}, async close() { await new Promise((resolve) => setImmediate(resolve)); await new Promise((resolve) => process.stdout.write('drained\\n', resolve)); } });
process.stdout.write('ready\\n');
`;

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Dispatcher } from 'undici';
import { pacedHandler } from '../../../../src/data-plane/resilience/paced-response.ts';
import { createVirtualClock, type VirtualClock } from '../../../../src/testing/virtual-clock.ts';

/** A caller's handler that notes what it hears, and the controller of its call. */
class Caller {
  readonly clock: VirtualClock = createVirtualClock();
  readonly heard: string[] = [];
  bytes = 0;
  isSourcePaused = false;
  readonly controller = {
    aborted: false,
    paused: false,
    reason: null as Error | null,
    abort: (reason: Error): void => {
      this.controller.aborted = true;
      this.controller.reason = reason;
    },
    pause: (): void => {
      this.controller.paused = true;
    },
    resume: (): void => {
      this.controller.paused = false;
    },
  };
  onData: (() => void) | undefined;
  readonly paced: Dispatcher.DispatchHandler;

  constructor(bytesPerSecond: number) {
    const source = { pause: () => void (this.isSourcePaused = true), resume: () => void (this.isSourcePaused = false) };
    const handler: Dispatcher.DispatchHandler = {
      onResponseStart: (_controller, status) => void this.heard.push(`start ${status}`),
      onResponseData: (_controller, chunk) => {
        this.bytes += chunk.byteLength;
        this.onData?.();
      },
      onResponseEnd: (_controller, trailers) => void this.heard.push(`end ${JSON.stringify(trailers)}`),
      onResponseError: (_controller, error) => void this.heard.push(`error ${error.message}`),
    };
    this.paced = pacedHandler(handler, bytesPerSecond, this.clock, () => source);
  }

  respond(bytes: number): void {
    this.paced.onResponseStart!(this.controller, 200, {});
    this.paced.onResponseData!(this.controller, Buffer.alloc(bytes));
  }

  end(): void {
    this.paced.onResponseEnd!(this.controller, { 'x-checksum': '1' });
  }
}

describe('a paced response', () => {
  it('arrives as fast as its rate, the worth of a tick at once', async () => {
    const caller = new Caller(1000);
    caller.respond(1000);
    caller.end();
    const arrived = [caller.bytes];
    for (let tick = 0; tick < 4; tick++) {
      await caller.clock.advance(50);
      arrived.push(caller.bytes);
    }
    assert.deepEqual(arrived, [50, 100, 150, 200, 250]);
    await caller.clock.advance(750);
    assert.deepEqual([caller.bytes, caller.heard], [1000, ['start 200', 'end {"x-checksum":"1"}']]);
  });

  it('holds its source back meanwhile, and lets it go on afterwards', async () => {
    const caller = new Caller(1000);
    caller.respond(200);
    assert.equal(caller.isSourcePaused, true);
    await caller.clock.advance(200);
    assert.deepEqual([caller.bytes, caller.isSourcePaused], [200, false]);
    caller.end();
    assert.deepEqual(caller.heard, ['start 200', 'end {"x-checksum":"1"}']);
  });

  it('is not held back where it is slower than the rate', () => {
    const caller = new Caller(1_000_000);
    caller.respond(1000);
    assert.equal(caller.bytes, 1000);
  });

  it('saves a second’s worth while nothing comes', async () => {
    const caller = new Caller(1000);
    await caller.clock.advance(60_000);
    caller.respond(1200);
    assert.equal(caller.bytes, 1000);
    await caller.clock.advance(200);
    assert.equal(caller.bytes, 1200);
  });

  it('waits while the caller has paused it', async () => {
    const caller = new Caller(1000);
    caller.onData = caller.controller.pause;
    caller.respond(200);
    caller.end();
    await caller.clock.advance(10_000);
    assert.equal(caller.bytes, 50);
    caller.onData = undefined;
    caller.controller.resume();
    await caller.clock.advance(50);
    assert.deepEqual([caller.bytes, caller.heard.length], [200, 2]);
  });

  it('ends with the reason of a caller that aborts after the last byte has come', async () => {
    const caller = new Caller(1000);
    caller.respond(1000);
    caller.end();
    caller.controller.abort(new Error('enough'));
    await caller.clock.advance(1000);
    assert.deepEqual([caller.bytes, caller.heard], [50, ['start 200', 'error enough']]);
  });

  it('ends at once when its source breaks off, and once', async () => {
    const caller = new Caller(1000);
    caller.respond(1000);
    caller.paced.onResponseError!(caller.controller, new Error('reset'));
    caller.controller.abort(new Error('enough'));
    await caller.clock.advance(2000);
    assert.deepEqual([caller.bytes, caller.heard], [50, ['start 200', 'error reset']]);
  });

  it('aborts the call of a handler that throws later on', async () => {
    const caller = new Caller(1000);
    caller.respond(1000);
    caller.onData = () => {
      throw new Error('handler');
    };
    await caller.clock.advance(50);
    assert.equal(caller.controller.reason?.message, 'handler');
    assert.deepEqual(caller.heard, ['start 200', 'error handler']);
  });
});

import { Duplex } from 'node:stream';
import { afterReading, systemClock, type Clock, type Timer } from '../base/runtime.ts';

/** As in node:net, `close` is a matter of the connection, and comes after what the streams on it have to say. */
const streamOptions = { decodeStrings: false, emitClose: false } as const;

/** A stream that has what programs and their libraries expect of a connection of node:net or node:tls. */
export abstract class SocketShape extends Duplex {
  /** As of a connection that is made: whoever waits for `connect` goes on at once. */
  readonly connecting = false;
  readonly pending = false;
  /** What clients of Connect ask before they write. */
  readonly readyState = 'open';
  /** As in node:tls. */
  readonly encrypted: true | undefined;
  /** Of whom the mesh hands on an answer, it has checked the identity. */
  readonly authorized: true | undefined;
  /** Idle time after which `timeout` is emitted, in ms; 0 = never. As in node:net. */
  timeout = 0;
  bytesRead = 0;
  bytesWritten = 0;

  /** What was asked on it has been answered. */
  protected hasServed = false;
  private readonly clock: Clock;
  private timer: Timer | undefined = undefined;
  private activeMs = 0.1;

  constructor(clock: Clock, isSecure: boolean, timeoutMs: number) {
    super(streamOptions);
    this.clock = clock;
    this.encrypted = isSecure ? true : undefined;
    this.authorized = this.encrypted;
    if (timeoutMs > 0) this.setTimeout(timeoutMs);
  }

  /** Emits `timeout` once nothing was written or read for `timeoutMs`; 0 turns it off. As in node:net. */
  setTimeout(timeoutMs: number, callback?: () => void): this {
    this.timeout = timeoutMs;
    this.timer?.cancel();
    this.timer = undefined;
    if (timeoutMs > 0) {
      if (callback !== undefined) this.once('timeout', callback);
      this.touch();
      this.watch(timeoutMs);
    } else if (callback !== undefined) this.removeListener('timeout', callback);
    return this;
  }

  /** Something was written or read. */
  protected touch(): void {
    if (this.timeout > 0) this.activeMs = this.clock.now();
  }

  private watch(delayMs: number): void {
    this.timer = this.clock.setTimer(() => {
      const restMs = this.activeMs + this.timeout - this.clock.now();
      if (restMs > 0) this.watch(restMs);
      else {
        this.timer = undefined;
        this.emit('timeout');
      }
    }, delayMs);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.timer?.cancel();
    this.timer = undefined;
    callback(error);
    // Nobody waits for the end of a connection that has served: that spares the loop a turn for each request.
    if (this.hasServed) process.nextTick(close, this);
    else afterReading(systemClock, () => this.emit('close', error !== null));
  }

  /** Closes it after all that was written has left. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }

  /** The connections of the mesh have it set. */
  setNoDelay(): this {
    return this;
  }

  /** The mesh looks after its connections. */
  setKeepAlive(): this {
    return this;
  }

  /** What holds the process is the connection that the request is on. */
  ref(): this {
    return this;
  }

  /** As {@link ref}. */
  unref(): this {
    return this;
  }

  /** Unknown: there is no connection to one peer. */
  address(): object {
    return {};
  }
}

function close(socket: SocketShape): void {
  socket.emit('close', false);
}

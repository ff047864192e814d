/**
 * The body of a lean response: bytes that arrive, and at most one reader of them.
 *
 * Until somebody reads, it holds up to 64 KiB and then pauses the source; so does Node's fetch. `text()` and its kin collect without
 * a stream. A ReadableStream is made only when asked for, is driven by its reader's pulls, and gets copies, since its chunks are
 * transferable and ours are views of a buffer that the socket shares.
 *
 * The stream is not referenced from here but weakly (strongly while a read waits): the socket holds this object, and a caller that
 * drops the response or the stream unread must be noticed by the garbage collector, which then cancels the request.
 *
 * Abort: while bytes come, or a stream is open, the exchange listens to the signal. A body that has arrived whole and is not read
 * yet looks at the signal when it is read, so that no listener stays on a long-lived signal for a body that nobody wants.
 */
import { type ByteStream, byteStream } from './byte-stream.ts';

/** Where the bytes come from: the exchange, or the decoder between. */
export interface BodySource {
  pause(): void;
  resume(): void;
  /** Nobody wants the rest. */
  cancel(reason: unknown): void;
}

/** How a body hears of an abort. */
export interface AbortWatch {
  readonly signal: AbortSignal | undefined;
  /** Starts and stops listening to the signal; both may be called again. */
  watch(): void;
  unwatch(): void;
}

/** Bytes held for a caller who has not begun to read: as many as a stream of Node holds. */
const heldBytesMax = 65_536;

type Convert<T> = (bytes: Uint8Array) => T | Promise<T>;

interface Collector {
  readonly finish: (bytes: Uint8Array) => void;
  readonly reject: (reason: unknown) => void;
}

/** What the reader of an aborted body gets. The standard replaces a falsy reason only here, not where fetch() itself rejects. */
export function bodyAbortReason(signal: AbortSignal): unknown {
  return signal.reason || new DOMException('The operation was aborted.', 'AbortError');
}

/** Told when a response, or a stream made from one, was collected as garbage. */
const droppedResponses = new FinalizationRegistry<LeanBody>((body) => body.abandon('response'));
const droppedStreams = new FinalizationRegistry<LeanBody>((body) => body.abandon('stream'));

/** Bytes of a response on their way to one reader. */
export class LeanBody {
  private readonly watcher: AbortWatch;
  source: BodySource;
  private chunk: Uint8Array | undefined = undefined;
  /** Chunks after the first; most bodies have none. */
  private rest: Uint8Array[] | undefined = undefined;
  private heldBytes = 0;
  /** All bytes have arrived. */
  private ended = false;
  /** Nothing more will happen: read to the end, failed or cancelled. */
  private settled = false;
  private failed = false;
  private failure: unknown = undefined;
  private collector: Collector | undefined = undefined;
  private stream: WeakRef<ReadableByteStreamController> | undefined = undefined;
  private waiting: ReadableByteStreamController | undefined = undefined;
  /** Whether it was read without a stream. */
  used = false;

  constructor(source: BodySource, watcher: AbortWatch) {
    this.source = source;
    this.watcher = watcher;
  }

  /** Cancels the request should `response`, which this is the body of, be dropped unread while bytes still come. */
  belongTo(response: object): void {
    if (!this.ended && !this.settled) droppedResponses.register(response, this);
  }

  push(chunk: Uint8Array): void {
    if (this.settled) return;
    if (this.waiting !== undefined) {
      const controller = this.waiting;
      this.waiting = undefined;
      // Pulls again at once when more reads wait.
      controller.enqueue(new Uint8Array(chunk));
      return;
    }
    if (this.chunk === undefined) this.chunk = chunk;
    else (this.rest ??= []).push(chunk);
    this.heldBytes += chunk.byteLength;
    if (this.heldBytes >= heldBytesMax && this.collector === undefined) this.source.pause();
  }

  end(): void {
    if (this.settled) return;
    this.ended = true;
    if (this.collector !== undefined) {
      this.settled = true;
      this.collector.finish(this.take());
      this.collector = undefined;
    } else if (this.waiting !== undefined) this.close(this.waiting);
    if (this.settled || this.stream === undefined) this.watcher.unwatch();
  }

  /** The rest will not come; what was held is void. */
  fail(reason: unknown): void {
    if (this.settled) return;
    this.settled = true;
    this.failed = true;
    this.failure = reason;
    this.drop();
    this.collector?.reject(reason);
    this.collector = undefined;
    (this.waiting ?? this.stream?.deref())?.error(reason);
    this.waiting = undefined;
  }

  /** Reads to the end. Rejects with a TypeError when it was read before, with the reason when it fails. */
  consume<T>(convert: Convert<T>): Promise<T> {
    if (this.used) return Promise.reject(new TypeError('Body is unusable: Body has already been read'));
    this.used = true;
    if (this.failed) return Promise.reject(this.failure);
    if (this.ended) return this.consumeArrived(convert);
    return new Promise((resolve, reject) => {
      this.collector = {
        finish: (bytes) => {
          try {
            resolve(convert(bytes));
          } catch (error) {
            reject(error);
          }
        },
        reject,
      };
      this.source.resume();
    });
  }

  private consumeArrived<T>(convert: Convert<T>): Promise<T> {
    const bytes = this.take();
    this.settled = true;
    const { signal } = this.watcher;
    // With a signal one turn later: an abort right behind the call still counts, as in fetch.
    if (signal !== undefined) {
      return Promise.resolve().then(() => {
        if (signal.aborted) throw bodyAbortReason(signal);
        return convert(bytes);
      });
    }
    try {
      return Promise.resolve(convert(bytes));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** The bytes as a stream; to be called once, and not after consume(). */
  openStream(): ByteStream {
    const stream = byteStream({
      start: (controller) => {
        this.stream = new WeakRef(controller);
        const { signal } = this.watcher;
        if (this.failed) controller.error(this.failure);
        else if (this.ended && signal?.aborted) this.fail(bodyAbortReason(signal));
        else if (this.ended) this.watcher.watch();
      },
      pull: (controller) => this.pull(controller),
      cancel: (reason) => this.cancel(reason),
    });
    droppedStreams.register(stream, this);
    return stream;
  }

  private pull(controller: ReadableByteStreamController): void {
    if (this.chunk !== undefined) {
      // Several chunks were joined into a buffer of their own; a single one is a view of the socket's.
      const owned = this.rest !== undefined;
      const bytes = this.take();
      controller.enqueue(owned ? bytes : new Uint8Array(bytes));
      return;
    }
    if (this.ended) {
      this.close(controller);
      this.watcher.unwatch();
      return;
    }
    this.waiting = controller;
    this.source.resume();
  }

  private close(controller: ReadableByteStreamController): void {
    this.settled = true;
    this.waiting = undefined;
    controller.close();
    // A reader that brought its own buffer waits for it.
    controller.byobRequest?.respond(0);
  }

  private cancel(reason: unknown): void {
    if (this.settled) return;
    this.settled = true;
    this.waiting = undefined;
    this.drop();
    this.watcher.unwatch();
    if (!this.ended) this.source.cancel(reason);
  }

  /** Cancels when nobody can read it any more: the response was collected, or the stream that it had been asked for. */
  abandon(owner: 'response' | 'stream'): void {
    if (owner === 'response' && (this.used || this.stream !== undefined)) return;
    this.cancel(new DOMException('The response was dropped without its body being read.', 'AbortError'));
  }

  private take(): Uint8Array {
    const { chunk, rest, heldBytes } = this;
    this.drop();
    if (rest === undefined) return chunk ?? new Uint8Array(0);
    const all = Buffer.allocUnsafeSlow(heldBytes);
    all.set(chunk!, 0);
    let offset = chunk!.byteLength;
    for (const next of rest) {
      all.set(next, offset);
      offset += next.byteLength;
    }
    return all;
  }

  private drop(): void {
    this.chunk = undefined;
    this.rest = undefined;
    this.heldBytes = 0;
  }
}

/**
 * A request body that can be sent more than once. Strings, bytes, Blobs and FormData are replayable as they are. A stream or
 * iterable can be read once: undici destroys it when an attempt fails, so the source is never handed over; what was read is
 * recorded up to `maxBytes`, and a body that outgrew the record is not sent again (the request then fails with what happened).
 *
 * Attempts one after the other share the record: the next one begins with it and reads on. Attempts at the same time (hedges, copies
 * for a mirror) need it whole, since the slowest of them would decide how much has to be kept.
 */
import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';

/** A body as undici takes it. */
export type RequestBody = Dispatcher.DispatchOptions['body'] | AsyncIterable<Uint8Array | string> | Iterable<Uint8Array | string>;

/** Whether undici can send this body any number of times. */
export function isReplayable(body: RequestBody): boolean {
  return (
    body === null ||
    body === undefined ||
    typeof body === 'string' ||
    ArrayBuffer.isView(body) ||
    body instanceof ArrayBuffer ||
    body instanceof Blob ||
    (body as { [Symbol.toStringTag]?: string })[Symbol.toStringTag] === 'FormData'
  );
}

/** Whether the body is a stream of Node's. */
export function isStream(body: unknown): body is Readable {
  return typeof body === 'object' && body !== null && 'on' in body && typeof body.on === 'function';
}

/** Ends a body that nobody will send: its source may hold a file or a connection. */
export function discardBody(body: RequestBody, error?: Error): void {
  if (isReplayable(body)) return;
  const source = body as { destroy?(error?: Error): unknown; cancel?(): unknown; locked?: boolean; return?(): unknown };
  if (typeof source.destroy === 'function') source.destroy(error);
  else if (typeof source.cancel === 'function') void Promise.resolve(source.locked === true || source.cancel()).catch(() => {});
  else if (typeof source.return === 'function') void Promise.resolve(source.return()).catch(() => {});
}

function always(): boolean {
  return true;
}

/** Records a one-shot body while it is sent. */
export class ReplayBody {
  private readonly source: AsyncIterator<Uint8Array | string> | Iterator<Uint8Array | string>;
  private readonly owner: { destroy?(error?: Error): unknown };
  private readonly maxBytes: number;
  private chunks: (Uint8Array | string)[] = [];
  /** Position in the body of `chunks[0]`; above 0 once chunks were dropped. */
  private base = 0;
  private bytes = 0;
  private reader = 0;
  private isEnded = false;
  private isReleased = false;
  private pulling: Promise<void> | undefined = undefined;
  private readonly waiting: ((bytes: Buffer) => void)[] = [];
  /** False once more than `maxBytes` have been read. */
  isReplayable = true;
  /** What the caller's own stream failed with: never the endpoint's fault. */
  sourceError: unknown = undefined;

  constructor(body: AsyncIterable<Uint8Array | string> | Iterable<Uint8Array | string>, maxBytes: number) {
    this.source = Symbol.asyncIterator in body ? body[Symbol.asyncIterator]() : body[Symbol.iterator]();
    if (typeof this.source?.next !== 'function') throw new TypeError('the body has no iterator');
    this.owner = body as { destroy?(error?: Error): unknown };
    this.maxBytes = maxBytes;
  }

  /** Nothing more is to be read of the source. */
  get isAtEnd(): boolean {
    return this.isEnded;
  }

  /** Read of the source so far. */
  get bytesTaken(): number {
    return this.bytes;
  }

  /** The record is the whole body. */
  get isWhole(): boolean {
    return this.isEnded && this.isReplayable && !this.isReleased && this.sourceError === undefined;
  }

  /** Calls back with the bytes of the body when all of it is in the record; never, when it does not fit or is not read to its end. */
  whenWhole(take: (bytes: Buffer) => void): void {
    if (this.isWhole) take(this.bytesRead());
    else this.waiting.push(take);
  }

  private bytesRead(): Buffer {
    return Buffer.concat(this.chunks.map((chunk) => (typeof chunk === 'string' ? Buffer.from(chunk) : chunk)));
  }

  /** Nothing more is read until the next attempt: it will need the record as it is now. Earlier attempts cannot go on. */
  hold(): void {
    if (!this.isWhole) this.reader++;
  }

  /**
   * The whole body from its start, for the next attempt. The iterator of an earlier attempt throws from then on, unless the record is
   * whole: if it ended, the part that was sent would look like the whole. It also throws once its own attempt does not want it any more.
   */
  async *attempt(isWanted: () => boolean = always): AsyncGenerator<Uint8Array | string, void> {
    const reader = this.isWhole ? this.reader : ++this.reader;
    let position = 0;
    while (reader === this.reader && isWanted()) {
      const index = position - this.base;
      if (index < this.chunks.length) {
        const chunk = this.chunks[index]!;
        position++;
        if (!this.isReplayable) {
          this.chunks.splice(0, index + 1);
          this.base = position;
        }
        yield chunk;
      } else if (this.isEnded) return;
      else await this.pull();
    }
    throw new Error('the body of this attempt is not wanted any more');
  }

  /** The request is over: nothing more will be read. */
  release(error?: Error): void {
    this.reader++;
    this.isReleased = true;
    this.waiting.length = 0;
    this.chunks = [];
    if (this.isEnded) return;
    this.isEnded = true;
    if (typeof this.owner.destroy === 'function') this.owner.destroy(error);
    else void Promise.resolve(this.source.return?.()).catch(() => {});
  }

  /** One read at a time, shared by an abandoned attempt and the next, so that no chunk is lost between them. */
  private pull(): Promise<void> {
    this.pulling ??= this.read().finally(() => {
      this.pulling = undefined;
    });
    return this.pulling;
  }

  private async read(): Promise<void> {
    let next: IteratorResult<Uint8Array | string>;
    try {
      next = await this.source.next();
    } catch (error) {
      this.isEnded = true;
      this.sourceError = error;
      throw error;
    }
    if (next.done) {
      this.isEnded = true;
      if (this.isWhole) for (const take of this.waiting.splice(0)) take(this.bytesRead());
      return;
    }
    this.bytes += typeof next.value === 'string' ? Buffer.byteLength(next.value) : next.value.byteLength;
    if (this.bytes > this.maxBytes) this.isReplayable = false;
    this.chunks.push(next.value);
  }
}

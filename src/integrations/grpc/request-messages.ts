/**
 * The request of a call whose messages are not all there when it leaves: an iterable that gives each as it is written, and ends with the
 * half-close. A message counts as written when it is asked for, so that a fast writer waits for the transport: undici asks for the next
 * one when its stream has room.
 */

import { formatGrpcTimeout, parseGrpcTimeout } from '../../base/grpc-timeout.ts';

/** A message on its way, and whom to tell when it is. */
interface Written {
  readonly message: Buffer;
  readonly written: ((error?: Error | null) => void) | undefined;
}

const end: IteratorResult<Buffer, undefined> = { done: true, value: undefined };

/** The messages of one request; a body of undici. */
export class RequestMessages implements AsyncIterator<Buffer, undefined> {
  private readonly queue: Written[] = [];
  private isHalfClosed = false;
  private error: Error | undefined = undefined;
  private waiting: PromiseWithResolvers<IteratorResult<Buffer, undefined>> | undefined = undefined;
  /** A message of it may have left. */
  wasRead = false;

  /** The next message of the program. */
  write(message: Buffer, written: Written['written']): void {
    if (this.error !== undefined || this.isHalfClosed) later(written);
    else if (this.waiting === undefined) this.queue.push({ message, written });
    else {
      const { resolve } = this.waiting;
      this.waiting = undefined;
      this.wasRead = true;
      resolve({ done: false, value: message });
      later(written);
    }
  }

  /** There are no more. */
  halfClose(): void {
    this.isHalfClosed = true;
    this.waiting?.resolve(end);
    this.waiting = undefined;
  }

  /** Nobody wants it any more: whoever reads it is told that it did not end, and whoever writes goes on. */
  abandon(error: Error): void {
    if (this.error !== undefined) return;
    this.error = error;
    this.waiting?.reject(error);
    this.waiting = undefined;
    for (const { written } of this.queue.splice(0)) later(written);
  }

  next(): Promise<IteratorResult<Buffer, undefined>> {
    if (this.error !== undefined) return Promise.reject(this.error);
    const first = this.queue.shift();
    if (first !== undefined) {
      this.wasRead = true;
      later(first.written);
      return Promise.resolve({ done: false, value: first.message });
    }
    if (this.isHalfClosed) return Promise.resolve(end);
    this.waiting = Promise.withResolvers();
    return this.waiting.promise;
  }

  /** The transport wants no more of it; another attempt may. */
  return(): Promise<IteratorResult<Buffer, undefined>> {
    this.waiting?.resolve(end);
    this.waiting = undefined;
    return Promise.resolve(end);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

/** As grpc-js does: no step of the program within a step of the transport. */
function later(written: Written['written']): void {
  if (written !== undefined) process.nextTick(written);
}

/** The headers of a call that has waited so long. */
export function withTimeLeft<Headers extends Readonly<Record<string, unknown>>>(headers: Headers, waitedMs: number): Headers {
  const timeoutMs = parseGrpcTimeout(headers['grpc-timeout'] as string | undefined);
  return timeoutMs === undefined ? { ...headers } : { ...headers, 'grpc-timeout': formatGrpcTimeout(timeoutMs - waitedMs) };
}

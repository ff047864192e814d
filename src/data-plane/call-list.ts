import type { Duplex } from 'node:stream';
import type { Call } from './outbound.ts';
import type { UnfinishedUpload } from './unfinished-upload.ts';

/** The calls under way, linked through themselves: a Set would cost more than the rest of their bookkeeping. */
export class CallList {
  private head: Call | undefined = undefined;
  private readonly sockets = new Set<Duplex>();
  /** Bodies of calls that are over. Nobody waits for them. */
  readonly uploads = new Set<UnfinishedUpload>();
  private waiters: (() => void)[] = [];

  add(call: Call): void {
    const { head } = this;
    call.next = head;
    if (head !== undefined) head.previous = call;
    this.head = call;
  }

  /** One of them, from which `next` leads to the others. */
  get first(): Call | undefined {
    return this.head;
  }

  remove(call: Call): void {
    const { next, previous } = call;
    if (previous === undefined) this.head = next;
    else previous.next = next;
    if (next !== undefined) next.previous = previous;
    call.next = undefined;
    call.previous = undefined;
    this.wakeWhenEmpty();
  }

  /** The socket of an upgrade, which the caller has now: under way until it closes. */
  addSocket(socket: Duplex): void {
    this.sockets.add(socket);
    socket.once('close', () => {
      this.sockets.delete(socket);
      this.wakeWhenEmpty();
    });
  }

  /** Ends every call with `error`. Sockets of upgrades close without one: their callers may not listen for it. */
  failAll(error: Error): void {
    while (this.head !== undefined) {
      const call = this.head;
      try {
        call.fail(error);
      } catch (thrown) {
        // A handler's own mistake must not keep the others alive: it is nobody's but the process's, as in an event listener.
        queueMicrotask(() => {
          throw thrown;
        });
        if (this.head === call) this.remove(call);
      }
    }
    for (const socket of this.sockets) socket.destroy();
    for (const upload of this.uploads) upload.end();
  }

  /** Resolves when no call is under way. */
  empty(): Promise<void> {
    if (this.isEmpty) return Promise.resolve();
    return new Promise((resolve) => {
      this.waiters.push(resolve);
    });
  }

  private get isEmpty(): boolean {
    return this.head === undefined && this.sockets.size === 0;
  }

  private wakeWhenEmpty(): void {
    if (this.waiters.length > 0 && this.isEmpty) for (const wake of this.waiters.splice(0)) wake();
  }
}

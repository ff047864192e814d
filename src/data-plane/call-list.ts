import type { Call } from './outbound.ts';

/** The calls under way, linked through themselves: a Set would cost more than the rest of their bookkeeping. */
export class CallList {
  private head: Call | undefined = undefined;
  private waiters: (() => void)[] = [];

  add(call: Call): void {
    const { head } = this;
    call.next = head;
    if (head !== undefined) head.previous = call;
    this.head = call;
  }

  remove(call: Call): void {
    const { next, previous } = call;
    if (previous === undefined) this.head = next;
    else previous.next = next;
    if (next !== undefined) next.previous = previous;
    call.next = undefined;
    call.previous = undefined;
    if (this.head === undefined && this.waiters.length > 0) for (const wake of this.waiters.splice(0)) wake();
  }

  /** Ends every call with `error`. */
  failAll(error: Error): void {
    while (this.head !== undefined) this.head.fail(error);
  }

  /** Resolves when no call is under way. */
  empty(): Promise<void> {
    if (this.head === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      this.waiters.push(resolve);
    });
  }
}

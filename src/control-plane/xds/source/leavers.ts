import type { Clock, Timer } from '../../../base/runtime.ts';
import type { KeptKind } from './kept-resources.ts';

/** Longer than a request that ends a subscription may wait to be written while a large response is checked. */
const lingerMs = 10_000;

/**
 * Resources whose subscription has ended. They are dropped a while later, not at once: a server that is asked for a name again before
 * it has heard that the name is not wanted any more sees no difference, and sends nothing. Whoever comes back in time has what there
 * was, until the server sends another.
 */
export class Leavers {
  private readonly clock: Clock;
  private readonly drop: (kind: KeptKind, name: string) => void;
  /** When they go, by kind and name, the earliest first. */
  private readonly leaving = new Map<string, { readonly kind: KeptKind; readonly name: string; readonly atMs: number }>();
  private timer: Timer | undefined = undefined;

  constructor(clock: Clock, drop: (kind: KeptKind, name: string) => void) {
    this.clock = clock;
    this.drop = drop;
  }

  /** Nobody wants it any more. */
  leaves(kind: KeptKind, name: string): void {
    const key = `${kind}\n${name}`;
    this.leaving.delete(key);
    this.leaving.set(key, { kind, name, atMs: this.clock.now() + lingerMs });
    this.timer ??= this.clock.setTimer(() => this.sweep(), lingerMs);
  }

  /** It is wanted again. */
  returns(kind: KeptKind, name: string): void {
    if (this.leaving.size > 0) this.leaving.delete(`${kind}\n${name}`);
  }

  /** Drops nothing any more. */
  close(): void {
    this.timer?.cancel();
    this.leaving.clear();
  }

  private sweep(): void {
    this.timer = undefined;
    const nowMs = this.clock.now();
    for (const [key, { kind, name, atMs }] of this.leaving) {
      if (atMs > nowMs) {
        this.timer = this.clock.setTimer(() => this.sweep(), atMs - nowMs);
        return;
      }
      this.leaving.delete(key);
      this.drop(kind, name);
    }
  }
}

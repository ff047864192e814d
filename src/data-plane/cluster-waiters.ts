import { MeshError } from '../base/errors.ts';
import type { Clock } from '../base/runtime.ts';
import type { ClusterSlot } from './routing/compiled-route.ts';

/** Requests that wait for clusters which they named in a header: anybody may make names up. Envoy's default for pending requests. */
const maxNamed = 1024;
/** Different names among them: each is a question to the control plane. */
const maxNames = 100;

interface Waiter {
  readonly source: string;
  readonly slot: ClusterSlot;
  readonly settle: () => void;
}

/** Requests whose route leads to a cluster that is not there yet. */
export class ClusterWaiters {
  private waiting: Waiter[] = [];
  /** How many wait for each name that requests gave. */
  private readonly named = new Map<string, number>();
  private namedCount = 0;

  /** Whether one more request may not wait for what it named. Those that wait already are not asked again. */
  refuses({ name, isNamed }: ClusterSlot): boolean {
    return isNamed && (this.namedCount >= maxNamed || (this.named.size >= maxNames && !this.named.has(name)));
  }

  private count({ name, isNamed }: ClusterSlot, change: 1 | -1): void {
    if (!isNamed) return;
    const count = (this.named.get(name) ?? 0) + change;
    if (count === 0) this.named.delete(name);
    else this.named.set(name, count);
    this.namedCount += change;
  }

  /** Resolves when {@link settle} finds nothing to wait for any more; rejects with MESH_CONFIG_TIMEOUT, or when the signal aborts. */
  wait(
    source: string,
    slot: ClusterSlot,
    clock: Clock,
    timeoutMs: number,
    signal: AbortSignal,
    describe: () => string,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (error: Error): void => {
        timer.cancel();
        signal.removeEventListener('abort', onAbort);
        this.count(slot, -1);
        this.waiting = this.waiting.filter((other) => other !== waiter);
        reject(error);
      };
      const onAbort = (): void => leave(signal.reason as Error);
      const timer = clock.setTimer(() => {
        const what = `cluster "${slot.name}" did not arrive within ${timeoutMs} ms`;
        leave(new MeshError('MESH_CONFIG_TIMEOUT', `${what}; ${describe()}`, { cluster: slot.name }));
      }, timeoutMs);
      signal.addEventListener('abort', onAbort);
      const waiter: Waiter = {
        source,
        slot,
        settle: () => {
          timer.cancel();
          signal.removeEventListener('abort', onAbort);
          this.count(slot, -1);
          resolve();
        },
      };
      this.waiting.push(waiter);
      this.count(slot, 1);
    });
  }

  /** Looks again for those who wait. */
  settle(isAwaited: (source: string, slot: ClusterSlot) => boolean): void {
    if (this.waiting.length === 0) return;
    const waiting = this.waiting;
    this.waiting = [];
    for (const waiter of waiting) {
      if (isAwaited(waiter.source, waiter.slot)) this.waiting.push(waiter);
      else waiter.settle();
    }
  }
}

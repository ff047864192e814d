import type { Clock, Timer } from '../../../base/runtime.ts';
import type { TypeUrl } from './contract.ts';

/** At most one timer for each resource. */
export interface NamedTimers {
  has(typeUrl: TypeUrl, name: string): boolean;
  /** In place of the one that there is. */
  set(typeUrl: TypeUrl, name: string, delayMs: number, callback: () => void): void;
  cancel(typeUrl: TypeUrl, name: string): void;
  clear(): void;
}

/** No timers yet. */
export function createNamedTimers(clock: Clock): NamedTimers {
  const timers = new Map<TypeUrl, Map<string, Timer>>();
  const cancel = (typeUrl: TypeUrl, name: string): void => {
    const named = timers.get(typeUrl);
    named?.get(name)?.cancel();
    named?.delete(name);
  };
  return {
    has: (typeUrl, name) => timers.get(typeUrl)?.has(name) ?? false,
    set(typeUrl, name, delayMs, callback) {
      cancel(typeUrl, name);
      const named = timers.get(typeUrl) ?? new Map<string, Timer>();
      timers.set(typeUrl, named);
      const onTime = (): void => {
        named.delete(name);
        callback();
      };
      named.set(name, clock.setTimer(onTime, delayMs));
    },
    cancel,
    clear() {
      for (const named of timers.values()) for (const timer of named.values()) timer.cancel();
      timers.clear();
    },
  };
}

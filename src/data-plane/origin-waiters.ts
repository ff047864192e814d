import { MeshError } from '../base/errors.ts';
import type { Clock } from '../base/runtime.ts';

/** Looks, and says whether it has what it waits for. */
type Waiter = () => boolean;

/**
 * Origins that are waited for at once: names come from the URLs of requests, and each is a question to the control planes. Half of what
 * one of them is asked for on demand (control-plane/demands.ts): with more, a question would take the place of another that waits.
 */
const maxOrigins = 500;

/** What somebody waits to hear of an origin. */
export interface AwaitedOrigin<T> {
  readonly origin: string;
  /** Undefined = it cannot be said yet. The same for all with this `question`. */
  readonly look: () => T | undefined;
  readonly question: string;
  /** For the error of a wait in vain. */
  readonly describe: () => string;
}

/** Those who wait until the control planes have said something of an origin. */
export class OriginWaiters {
  /** By question and origin: they get their answer together, however many they are. */
  private readonly waiting = new Map<string, Set<Waiter>>();
  private readonly clock: Clock;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /**
   * Resolves as soon as a look has an answer. Rejects with MESH_CONFIG_TIMEOUT, with MESH_OVERFLOW when too many other origins are waited
   * for, or when the signal aborts.
   */
  wait<T>({ origin, look, question, describe }: AwaitedOrigin<T>, timeoutMs: number, signal: AbortSignal): Promise<T> {
    const key = `${question} ${origin}`;
    return new Promise((resolve, reject) => {
      const said = look();
      if (said !== undefined) {
        resolve(said);
        return;
      }
      let those = this.waiting.get(key);
      if (those === undefined) {
        if (this.waiting.size >= maxOrigins) {
          reject(tooMany(origin));
          return;
        }
        this.waiting.set(key, (those = new Set()));
      }
      const all = those;
      const forget = (): void => {
        timer.cancel();
        signal.removeEventListener('abort', onAbort);
      };
      const leave = (error: Error): void => {
        forget();
        all.delete(waiter);
        if (all.size === 0 && this.waiting.get(key) === all) this.waiting.delete(key);
        reject(error);
      };
      const onAbort = (): void => leave(signal.reason as Error);
      const timer = this.clock.setTimer(
        () => leave(new MeshError('MESH_CONFIG_TIMEOUT', `no configuration for ${origin} within ${timeoutMs} ms; ${describe()}`)),
        timeoutMs,
      );
      signal.addEventListener('abort', onAbort);
      const waiter: Waiter = () => {
        const answer = look();
        if (answer === undefined) return false;
        forget();
        resolve(answer);
        return true;
      };
      all.add(waiter);
    });
  }

  /** Looks again: for each question once while there is no answer to it. */
  settle(): void {
    for (const [key, those] of this.waiting) {
      for (const waiter of those) {
        if (!waiter()) break;
        those.delete(waiter);
      }
      // A look may ask a source that answers at once, and others may wait by then.
      if (those.size === 0 && this.waiting.get(key) === those) this.waiting.delete(key);
    }
  }
}

function tooMany(origin: string): MeshError {
  return new MeshError('MESH_OVERFLOW', `${origin} is not known yet, and ${maxOrigins} other origins are waited for`, {
    remedy: 'Ask for fewer unknown hosts at a time; mesh.status() has the state of the control planes that have yet to answer.',
  });
}

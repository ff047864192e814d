import { seededRandom, systemClock, type Clock, type Timer } from '../../../src/base/runtime.ts';
import { createConfigStore, type ConfigStore } from '../../../src/control-plane/store.ts';
import { loadBalancingPolicies } from '../../../src/data-plane/load-balancing/index.ts';
import type { ApplyResult, ControlPlane, ControlPlaneStatus, Demand } from '../../../src/model/contracts.ts';
import type { SourceSnapshot } from '../../../src/model/snapshot.ts';
import { surroundings, type Surroundings } from './surroundings.ts';

/** Times faster than the wall: back-off and polls of seconds pass in a test, while files and sockets stay real. */
const speed = 20;

/** A clock that runs fast and knows the timers that wait. */
export class FastClock implements Clock {
  readonly waiting = new Set<object>();
  now(): number {
    return systemClock.now() * speed;
  }
  wallNow(): number {
    return systemClock.wallNow();
  }
  setTimer(callback: () => void, delayMs: number): Timer {
    const token = {};
    this.waiting.add(token);
    const timer = systemClock.setTimer(() => {
      this.waiting.delete(token);
      callback();
    }, delayMs / speed);
    return {
      cancel: () => {
        this.waiting.delete(token);
        timer.cancel();
      },
    };
  }
}

/** A control plane that runs, delivering into a real store. */
export class Running implements AsyncDisposable {
  readonly world: Surroundings;
  readonly plane: ControlPlane;
  readonly clock = new FastClock();
  readonly store: ConfigStore;
  readonly statuses: ControlPlaneStatus[] = [];
  readonly results: ApplyResult[] = [];
  readonly absents: { readonly want: Demand; readonly reason: string }[] = [];
  private readonly stop = new AbortController();
  private readonly listeners = new Set<() => void>();
  private runs: Promise<void> | undefined;

  constructor(world: Surroundings) {
    this.world = world;
    this.plane = world.plane;
    const changed = (): void => {
      for (const listener of this.listeners) listener();
    };
    this.store = createConfigStore({
      sources: [this.plane.name],
      clock: this.clock,
      policyNames: [...loadBalancingPolicies.keys()],
      onSnapshot: changed,
      onApplied: (_, result) => {
        this.results.push(result);
        changed();
      },
      onAbsent: (_, want, reason) => {
        this.absents.push({ want, reason });
        changed();
      },
      onStatus: (_, status) => {
        this.statuses.push(status);
        changed();
      },
    });
  }

  static async of(name: string): Promise<Running> {
    return new Running(await surroundings[name]!());
  }

  /** Starts the plane; the promise is that of `run`. */
  run(): Promise<void> {
    this.runs = this.plane.run({
      sink: this.store.sink(this.plane.name),
      clock: this.clock,
      random: seededRandom(1),
      signal: this.stop.signal,
    });
    this.runs.catch(() => {}); // the test or the end of it sees the rejection
    return this.runs;
  }

  /** Starts the plane on a world that says something good, and waits until that is in force. */
  async start(): Promise<this> {
    await this.world.publish(1);
    void this.run();
    this.ask();
    await this.inForce(1);
    return this;
  }

  /** Asks for the service, where the source is asked. */
  ask(want: Demand = this.world.wanted): void {
    this.plane.demand?.(want, this.stop.signal);
  }

  /** Aborts and waits for the end of `run`. */
  async end(): Promise<void> {
    this.stop.abort();
    await this.runs?.catch(() => {}); // whoever called run() has the rejection
  }

  abort(): void {
    this.stop.abort();
  }

  get source(): SourceSnapshot {
    return this.store.snapshot().sources[0]!;
  }

  inForce(number: number): Promise<void> {
    return this.until(() => this.world.isInForce(this.source, number));
  }

  /** Resolves when the condition holds, looked at again whenever the store is told something. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!condition()) return;
        this.listeners.delete(look);
        resolve();
      };
      this.listeners.add(look);
      look();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
    await this.world[Symbol.asyncDispose]();
  }
}

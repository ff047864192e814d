import { yieldToLoop } from '../../base/runtime.ts';
import type { Hash64, PickableHost } from '../../model/contracts.ts';
import { isSamePlacement, type PlacedHosts } from './placed-hosts.ts';

/** A table of hosts that a hash is looked up in. */
export interface HashTable {
  /** The host of a hash; a further attempt of the same request looks elsewhere. Never allocates. */
  at(hash: Hash64, attempt: number): PickableHost;
}

/** How a table is made: in steps of about a millisecond, so that a large one never holds the event loop. */
export interface TablePlan {
  readonly placed: PlacedHosts;
  /** Of the options that the table depends on. */
  readonly options: string;
  /** About how long that takes in all, on a machine of today. */
  readonly costMicros: number;
  build(): Generator<void, HashTable>;
}

/** Made at once even while another table serves. */
const maxMicrosAtOnce = 1000;
/**
 * The first table of a cluster is made at once up to this, on the first request that needs it: 10 ms, once in the cluster's life, are
 * better than sending its first keys elsewhere than all later ones. Envoy's default sizes take less.
 */
const maxFirstMicrosAtOnce = 10_000;

/** A table that is made when it is first needed, or in slices after the hosts changed while the one before it still serves. */
export class TableSlot {
  readonly plan: TablePlan;
  private table: HashTable | undefined = undefined;
  /** The last one that was finished; it may have hosts that are gone. */
  private stale: HashTable | undefined;
  private isBuilding = false;
  private isAbandoned = false;

  constructor(plan: TablePlan, previous: TableSlot | undefined) {
    this.plan = plan;
    this.stale = previous?.latest;
    // It is in use: the new one is made now, off the way of requests.
    if (this.stale !== undefined && plan.costMicros > maxMicrosAtOnce) this.buildInSlices();
  }

  /** The slot for a plan: the previous one where nothing that matters changed. */
  static of(plan: TablePlan, previous: TableSlot | undefined): TableSlot {
    if (previous === undefined) return new TableSlot(plan, undefined);
    if (previous.plan.options === plan.options && isSamePlacement(previous.plan.placed, plan.placed)) return previous;
    previous.isAbandoned = true;
    return new TableSlot(plan, previous);
  }

  /** The table, if it is there or can be had at once. */
  current(): HashTable | undefined {
    if (this.table === undefined && !this.isBuilding) this.prepare();
    return this.table;
  }

  /** The table before, while the current one is being made. */
  get before(): HashTable | undefined {
    return this.stale;
  }

  private get latest(): HashTable | undefined {
    return this.table ?? this.stale;
  }

  private prepare(): void {
    const { costMicros } = this.plan;
    if (costMicros <= (this.stale === undefined ? maxFirstMicrosAtOnce : maxMicrosAtOnce)) {
      const steps = this.plan.build();
      let step = steps.next();
      while (step.done !== true) step = steps.next();
      this.finish(step.value);
    } else this.buildInSlices();
  }

  private buildInSlices(): void {
    this.isBuilding = true;
    this.isAbandoned = false;
    // A table that there is no memory for stays unfinished: what serves meanwhile goes on serving.
    this.takeSteps().catch(() => {});
  }

  private async takeSteps(): Promise<void> {
    const steps = this.plan.build();
    for (;;) {
      await yieldToLoop();
      if (this.isAbandoned) break;
      const step = steps.next();
      if (step.done === true) {
        this.finish(step.value);
        break;
      }
    }
    this.isBuilding = false;
  }

  private finish(table: HashTable): void {
    this.table = table;
    this.stale = undefined;
  }
}

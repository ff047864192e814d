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

/** The slots that follow one another as the hosts change. */
interface SlotLine {
  /** The newest one: what it asks for is to be made. */
  newest: TableSlot;
  /** The last one whose table was finished; it may have hosts that are gone. */
  finished: TableSlot | undefined;
  /** The one whose table is being made in slices: a single one at a time. */
  running: TableSlot | undefined;
}

/**
 * A table that is made when it is first needed, or in slices after the hosts changed while the one before it still serves.
 *
 * A table in the making is finished, even when the hosts change again meanwhile: where they change faster than it is made, giving up
 * for each change would leave keys by the first table for ever. What is finished serves until the next one is; that is the newest
 * then, and those between are left out.
 */
export class TableSlot {
  readonly plan: TablePlan;
  private table: HashTable | undefined = undefined;
  private readonly line: SlotLine;

  constructor(plan: TablePlan, previous: TableSlot | undefined) {
    this.plan = plan;
    this.line = previous?.line ?? { newest: this, finished: undefined, running: undefined };
    this.line.newest = this;
    // It is in use: the new one is made now, off the way of requests.
    if (this.line.finished !== undefined) this.buildInSlices();
  }

  /** The slot for a plan: a former one where nothing that matters is different now. */
  static of(plan: TablePlan, previous: TableSlot | undefined): TableSlot {
    if (previous === undefined) return new TableSlot(plan, undefined);
    const { line } = previous;
    // A host that flaps leads back to what was before it left.
    const same = [previous, line.running, line.finished].find((slot) => slot?.isFor(plan) === true);
    if (same === undefined) return new TableSlot(plan, previous);
    line.newest = same;
    return same;
  }

  /** The table, if it is there or can be had at once. */
  current(): HashTable | undefined {
    if (this.table === undefined && this.line.newest === this) this.prepare();
    return this.table;
  }

  /** The table before, while the current one is being made. */
  get before(): HashTable | undefined {
    return this.line.finished?.table;
  }

  /** Makes the table now, however long that takes. */
  complete(): void {
    if (this.table !== undefined) return;
    const steps = this.plan.build();
    let step = steps.next();
    while (step.done !== true) step = steps.next();
    this.finish(step.value);
  }

  private isFor({ options, placed }: TablePlan): boolean {
    return this.plan.options === options && isSamePlacement(this.plan.placed, placed);
  }

  private prepare(): void {
    const isFirst = this.line.finished === undefined;
    if (this.plan.costMicros <= (isFirst ? maxFirstMicrosAtOnce : maxMicrosAtOnce)) this.complete();
    else this.buildInSlices();
  }

  /** Small ones are made by the request that needs them. */
  private buildInSlices(): void {
    const { line } = this;
    if (line.running !== undefined || this.plan.costMicros <= maxMicrosAtOnce) return;
    line.running = this;
    // A table that there is no memory for stays unfinished, and no other is begun: what serves meanwhile goes on serving.
    this.takeSteps().catch(() => {});
  }

  private async takeSteps(): Promise<void> {
    const { line } = this;
    const steps = this.plan.build();
    for (;;) {
      await yieldToLoop();
      // The newest one is there already: the hosts are those of before again, or too few to take slices.
      if (line.newest.table !== undefined) break;
      const step = steps.next();
      if (step.done === true) {
        this.finish(step.value);
        break;
      }
    }
    line.running = undefined;
    if (line.newest.table === undefined) line.newest.buildInSlices();
  }

  private finish(table: HashTable): void {
    this.table = table;
    this.line.finished = this;
  }
}

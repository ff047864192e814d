/**
 * Remembers what was asked of which source, so that each thing is asked for once. Bounded for each source by itself, since names come
 * from the URLs of requests. When a source is full, what served requests since it was last looked at stays, and of the rest the least
 * recently asked for goes: the look-up of a busy host is cached further up, so that "asked for" alone would drop the busiest first.
 */
import type { ControlPlane, Demand } from '../model/contracts.ts';

interface Entry {
  readonly want: Demand;
  readonly abort: AbortController;
  /** Requests that it had served when it was last looked at. */
  served: number;
}

/** What a thing that was asked for does now. */
export interface Activity {
  /** Requests since its clusters are there; only compared with an earlier number. */
  readonly served: number;
  readonly isBusy: boolean;
}

/** What the book keeps to: the absences that the store hears of, and how much what was asked for is used. */
export interface DemandRules {
  /** Why the source has it not, if it said so. */
  absence(source: string, want: Demand): string | undefined;
  /** It is asked for anew: the last answer does not count. */
  forget(source: string, want: Demand): void;
  activity(source: string, want: Demand): Activity;
  /** Things watched on demand at once, of one source. Default 1000. */
  readonly max?: number;
}

export class Demands {
  private readonly rules: DemandRules;
  private readonly planes = new Map<string, ControlPlane>();
  private readonly delivered = new Set<string>();
  /** Sources that ended, and why. */
  private readonly failed = new Map<string, string>();
  /** By source; the least recently asked for first. */
  private readonly entries = new Map<string, Map<string, Entry>>();

  constructor(rules: DemandRules) {
    this.rules = rules;
  }

  add(source: string, plane: ControlPlane): void {
    this.planes.set(source, plane);
    this.entries.set(source, new Map());
  }

  /** The source has delivered its configuration: one that takes no demands then has nothing more to say. */
  markDelivered(source: string): void {
    this.delivered.add(source);
  }

  /** The source ended with an error: nothing more is to be expected of it. */
  markFailed(source: string, reason: string): void {
    this.failed.set(source, reason);
  }

  /**
   * Asks once. `'pending'` = no answer yet; `'absent'` = the source has nothing; `'failed'` = it ended with an error before it could say
   * whether it has it.
   */
  ask(source: string, want: Demand): 'pending' | 'absent' | 'failed' {
    const plane = this.planes.get(source);
    if (plane === undefined) return 'absent';
    if (this.failed.has(source)) return this.hasSpoken(source, plane, want) ? 'absent' : 'failed';
    if (plane.demand === undefined) return this.delivered.has(source) ? 'absent' : 'pending';
    const entries = this.entries.get(source)!;
    const key = keyOf(want);
    const known = entries.get(key);
    entries.delete(key);
    if (known !== undefined) entries.set(key, known);
    else {
      this.makeRoom(source, entries);
      const entry = { want, abort: new AbortController(), served: 0 };
      entries.set(key, entry);
      this.rules.forget(source, want);
      plane.demand(want, entry.abort.signal);
    }
    return this.rules.absence(source, want) === undefined ? 'pending' : 'absent';
  }

  /** Why the source has it not: its own words, or the error with which it ended. */
  reason(source: string, want: Demand): string | undefined {
    return this.failed.get(source) ?? this.rules.absence(source, want);
  }

  /** Whether what it does not have is known to be absent: it said so, or it delivered all that it has. */
  private hasSpoken(source: string, plane: ControlPlane, want: Demand): boolean {
    const isAll = plane.demand === undefined && this.delivered.has(source);
    return isAll || this.rules.absence(source, want) !== undefined;
  }

  /** Ends every demand. */
  close(): void {
    for (const entries of this.entries.values()) {
      for (const { abort } of entries.values()) abort.abort();
      entries.clear();
    }
  }

  /** Never drops what has requests under way, so that those bound it where all are busy. */
  private makeRoom(source: string, entries: Map<string, Entry>): void {
    if (entries.size < (this.rules.max ?? maxDemands)) return;
    let oldest: string | undefined;
    for (const [key, entry] of Array.from(entries)) {
      const { served, isBusy } = this.rules.activity(source, entry.want);
      if (!isBusy && served === entry.served) {
        drop(entries, key);
        return;
      }
      if (!isBusy) oldest ??= key;
      entry.served = served;
      // It counts as asked for just now.
      entries.delete(key);
      entries.set(key, entry);
    }
    if (oldest !== undefined) drop(entries, oldest);
  }
}

const maxDemands = 1000;

function drop(entries: Map<string, Entry>, key: string): void {
  entries.get(key)!.abort.abort();
  entries.delete(key);
}

function keyOf(want: Demand): string {
  return want.kind === 'authority' ? `authority ${want.host}:${want.port}` : `cluster ${want.name}`;
}

import { LRUCache } from 'lru-cache';
import type { ControlPlane, Demand } from '../model/contracts.ts';

interface Entry {
  readonly abort: AbortController;
  isAbsent: boolean;
}

/** Things watched on demand at once; the least recently asked for is dropped. */
const maxDemands = 1000;

/** Remembers what was asked of which source, so that each thing is asked for once, and what the answer was. */
export class Demands {
  private readonly planes = new Map<string, ControlPlane>();
  private readonly delivered = new Set<string>();
  /** Sources that ended, and why. */
  private readonly failed = new Map<string, string>();
  private readonly entries = new LRUCache<string, Entry>({ max: maxDemands, dispose: ({ abort }) => abort.abort() });

  add(source: string, plane: ControlPlane): void {
    this.planes.set(source, plane);
  }

  /** The source has delivered its configuration, or cannot: a source that takes no demands then has nothing more to say. */
  markDelivered(source: string): void {
    this.delivered.add(source);
  }

  /** The source ended with an error: nothing more is to be expected of it. */
  markFailed(source: string, reason: string): void {
    this.failed.set(source, reason);
  }

  /** Asks once. `'pending'` = no answer yet; `'absent'` = the source has nothing. */
  ask(source: string, want: Demand): 'pending' | 'absent' {
    const plane = this.planes.get(source);
    if (plane === undefined || this.failed.has(source)) return 'absent';
    if (plane.demand === undefined) return this.delivered.has(source) ? 'absent' : 'pending';
    const key = keyOf(source, want);
    let entry = this.entries.get(key);
    if (entry === undefined) {
      entry = { abort: new AbortController(), isAbsent: false };
      this.entries.set(key, entry);
      plane.demand(want, entry.abort.signal);
    }
    return entry.isAbsent ? 'absent' : 'pending';
  }

  markAbsent(source: string, want: Demand): void {
    const entry = this.entries.get(keyOf(source, want));
    if (entry !== undefined) entry.isAbsent = true;
  }

  /** Ends every demand. */
  close(): void {
    this.entries.clear();
  }
}

function keyOf(source: string, want: Demand): string {
  return want.kind === 'authority' ? `${source}\n${want.host}:${want.port}` : `${source}\n${want.name}`;
}

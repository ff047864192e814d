import { LRUCache } from 'lru-cache';
import { clusterName, type Authority } from './translate.ts';

/** What had to go to make room, and whether somebody still wanted it. */
export interface Dropped {
  readonly authority: Authority;
  readonly isWanted: boolean;
}

/**
 * The authorities that are configured, bounded: hosts come from outside. What nobody wants any more stays while there is room, since
 * its connections and what was learnt about its hosts may be needed again, and goes first.
 */
export class AuthorityTable {
  private readonly max: number;
  private readonly wanted: LRUCache<string, { readonly authority: Authority; readonly until: AbortSignal }>;
  private readonly released: LRUCache<string, Authority>;

  constructor(max: number) {
    this.max = max;
    // One more than it holds, so that it never drops by itself what `add` has to tell of.
    this.wanted = new LRUCache({ max: max + 1 });
    this.released = new LRUCache({ max: max + 1 });
  }

  get size(): number {
    return this.wanted.size + this.released.size;
  }

  has(name: string): boolean {
    return this.wanted.has(name) || this.released.has(name);
  }

  /** Adds what is wanted until the signal aborts; returns what had to go. */
  add(authority: Authority, until: AbortSignal): Dropped | undefined {
    const name = clusterName(authority);
    this.released.delete(name);
    this.wanted.set(name, { authority, until });
    until.addEventListener('abort', () => this.release(name, until), { once: true });
    if (until.aborted) this.release(name, until);
    if (this.size <= this.max) return undefined;
    const idle = this.released.pop();
    if (idle !== undefined) return { authority: idle, isWanted: false };
    const oldest = this.wanted.pop();
    return oldest === undefined ? undefined : { authority: oldest.authority, isWanted: true };
  }

  delete(name: string): void {
    this.wanted.delete(name);
    this.released.delete(name);
  }

  *all(): Generator<Authority> {
    for (const { authority } of this.wanted.values()) yield authority;
    yield* this.released.values();
  }

  private release(name: string, until: AbortSignal): void {
    // Somebody may have asked again meanwhile, under another signal.
    const entry = this.wanted.peek(name);
    if (entry?.until !== until) return;
    this.wanted.delete(name);
    this.released.set(name, entry.authority);
  }
}

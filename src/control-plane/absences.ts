import { LRUCache } from 'lru-cache';
import type { Demand } from '../model/contracts.ts';
import type { Resource } from '../model/snapshot.ts';
import type { RouteTableConfig } from '../model/route.ts';

/** Names come from the URLs of requests, so that they must be bounded; the least recently asked for is forgotten. */
const maxAbsences = 10_000;

interface Absence {
  readonly want: Demand;
  readonly reason: string;
}

/** What one source said it does not have, until it delivers it after all. */
export class Absences {
  private readonly entries = new LRUCache<string, Absence>({ max: maxAbsences });

  add(want: Demand, reason: string): void {
    this.entries.set(keyOf(want), { want, reason });
  }

  /** The reason that the source gave, or undefined when it did not say that the thing is absent. */
  reason(want: Demand): string | undefined {
    return this.entries.get(keyOf(want))?.reason;
  }

  /** It is asked for anew. */
  forget(want: Demand): void {
    this.entries.delete(keyOf(want));
  }

  /** Forgets what this resource brings. */
  delivered(resource: Resource): void {
    if (this.entries.size === 0) return;
    switch (resource.kind) {
      case 'cluster':
      case 'endpoints':
        this.entries.delete(keyOf({ kind: 'cluster', name: resource.name }));
        return;
      case 'route-table':
        this.servedBy(resource.value);
        return;
      case 'listener':
        if (resource.value.direction === 'outbound' && typeof resource.value.routes !== 'string')
          this.servedBy(resource.value.routes);
    }
  }

  private servedBy(table: RouteTableConfig): void {
    const wanted = [...this.entries.entries()].filter(([, { want }]) => want.kind === 'authority');
    if (wanted.length === 0) return;
    const domains = table.virtualHosts.flatMap((host) => host.domains.map((domain) => domain.toLowerCase()));
    const exact = new Set(domains.filter((domain) => !domain.includes('*')));
    const patterns = domains.filter((domain) => domain.includes('*'));
    for (const [key, { want }] of wanted) {
      if (want.kind !== 'authority') continue;
      const forms = [want.host.toLowerCase(), `${want.host.toLowerCase()}:${want.port}`];
      if (forms.some((form) => exact.has(form) || patterns.some((pattern) => isServed(form, pattern)))) this.entries.delete(key);
    }
  }
}

/** `*.example.org`, `orders.*`, `orders:*` or `*`: the star stands at one end. */
function isServed(authority: string, pattern: string): boolean {
  return pattern.startsWith('*') ? authority.endsWith(pattern.slice(1)) : authority.startsWith(pattern.slice(0, -1));
}

function keyOf(want: Demand): string {
  return want.kind === 'authority' ? `authority ${want.host.toLowerCase()}:${want.port}` : `cluster ${want.name}`;
}

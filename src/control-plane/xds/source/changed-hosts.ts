/**
 * What a new version of a route table changes: of five thousand virtual hosts mostly one. The others are neither read nor checked again,
 * and what they are called matters only where a changed one has a name or a domain that it had not before.
 */
import type { Pace } from './pace.ts';
import { domainsThatMayBe, nameThatMayBe, type VirtualHostWords } from './route-table-bytes.ts';

const hostsPerLook = 64;

/** Virtual hosts of two versions, each in its order. */
export interface ChangedHosts {
  readonly now: readonly Uint8Array[];
  readonly was: readonly Uint8Array[];
  /** Those of both. */
  readonly same: readonly Uint8Array[];
}

/** Compares two versions place by place, from both ends where one of them is longer. */
export async function changedHosts(
  was: readonly Uint8Array[] | undefined,
  now: readonly Uint8Array[],
  pace: Pace,
): Promise<ChangedHosts> {
  if (was === undefined || was.length === 0) return { now, was: [], same: [] };
  const same: Uint8Array[] = [];
  const changed: { now: Uint8Array[]; was: Uint8Array[] } = { now: [], was: [] };
  const shorter = Math.min(was.length, now.length);
  let start = 0;
  for (; start < shorter; start++) {
    if (start % hostsPerLook === 0 && pace.isOver) await pace.turn();
    const isSame = Buffer.compare(was[start]!, now[start]!) === 0;
    if (isSame) same.push(now[start]!);
    else if (was.length !== now.length) break;
    else {
      changed.was.push(was[start]!);
      changed.now.push(now[start]!);
    }
  }
  let end = 0;
  while (end < shorter - start && Buffer.compare(was.at(-1 - end)!, now.at(-1 - end)!) === 0) {
    same.push(now.at(-1 - end)!);
    if (++end % hostsPerLook === 0 && pace.isOver) await pace.turn();
  }
  changed.was.push(...was.slice(start, was.length - end));
  changed.now.push(...now.slice(start, now.length - end));
  return { ...changed, same };
}

/** Names and domains that changed virtual hosts have and had not: nobody else may have them. */
export class TakenNames {
  private readonly freed = new Set<string>();
  private readonly names = new Set<string>();
  private readonly domains = new Set<string>();

  /** They were those of a changed one, so that no other one has them. */
  free({ name, domains }: VirtualHostWords): void {
    this.freed.add(`name ${name}`);
    for (const domain of domains) this.freed.add(domain.toLowerCase());
  }

  want({ name, domains }: VirtualHostWords): void {
    if (!this.freed.has(`name ${name}`)) this.names.add(name);
    for (const domain of domains) {
      const folded = domain.toLowerCase();
      if (!this.freed.has(folded)) this.domains.add(folded);
    }
  }

  /** Whether one of these hosts has one of them. */
  async areIn(hosts: readonly Uint8Array[], pace: Pace): Promise<boolean> {
    if (this.names.size === 0 && this.domains.size === 0) return false;
    const nameLengths = new Set(Array.from(this.names, (name) => Buffer.byteLength(name)));
    const lengths = new Set(Array.from(this.domains, (domain) => Buffer.byteLength(domain)));
    let looked = 0;
    for (const host of hosts) {
      if (++looked % hostsPerLook === 0 && pace.isOver) await pace.turn();
      const name = nameThatMayBe(host, nameLengths);
      if (name !== undefined && this.names.has(name)) return true;
      if (domainsThatMayBe(host, lengths).some((domain) => this.domains.has(domain.toLowerCase()))) return true;
    }
    return false;
  }
}

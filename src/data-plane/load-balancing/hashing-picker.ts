/**
 * What ring-hash and maglev share: a request with a hash goes where the table says, one without goes to any host by weight.
 *
 * A retry looks further in the table, past hosts that were tried, as if they were not in it. Tables are made when the first request
 * with a hash comes; after a change of hosts the one before serves, less the hosts that are gone, until the new one is made in
 * slices (hash-table.ts). Where a table has no answer rendezvous hashing has: the same key still goes to the same host.
 */
import type { Random } from '../../base/runtime.ts';
import type { Hash64, HostSet, PickableHost, PickContext, Picker } from '../../model/contracts.ts';
import { BoundedLoad } from './bounded-load.ts';
import { TableSlot, type HashTable, type TablePlan } from './hash-table.ts';
import type { PlacedHosts } from './placed-hosts.ts';
import { random as byWeight } from './random.ts';
import { Rendezvous } from './rendezvous.ts';
import { isTried, nextUntried } from './tried-hosts.ts';
import { modulo } from './word64.ts';

/** Places of a table that a pick looks at before it asks all hosts: tried hosts own only some of them. */
const maxLooks = 64;

/** Rendezvous hashing looks at every host for every request: of more hosts than this that takes too long. */
const mostForRendezvous = 1000;

/** A picker over a table; it takes the table of the previous one over where that still holds. 0 = loads are not bounded. */
export function createHashingPicker(
  plan: TablePlan,
  hosts: HostSet,
  balanceFactorPercent: number,
  random: Random,
  previous: Picker | undefined,
): Picker {
  const slot = TableSlot.of(plan, previous instanceof HashingPicker ? previous.slot : undefined);
  return new HashingPicker(slot, plan.placed, hosts, balanceFactorPercent, random);
}

class HashingPicker implements Picker {
  readonly slot: TableSlot;
  private readonly placed: PlacedHosts;
  private readonly hosts: HostSet;
  private readonly bounds: BoundedLoad | undefined;
  private readonly random: Random;
  private unhashed: Picker | undefined = undefined;
  private rendezvous: Rendezvous | undefined = undefined;
  private members: ReadonlySet<PickableHost> | undefined = undefined;

  constructor(slot: TableSlot, placed: PlacedHosts, hosts: HostSet, balanceFactorPercent: number, random: Random) {
    this.slot = slot;
    this.placed = placed;
    this.hosts = hosts;
    this.bounds =
      balanceFactorPercent === 0 || placed.hosts.length === 0 ? undefined : new BoundedLoad(placed, balanceFactorPercent);
    this.random = random;
  }

  pick(context: PickContext): PickableHost | undefined {
    const { hash, tried } = context;
    if (hash === undefined) return this.pickUnhashed(context);
    if (this.placed.hosts.length === 0) return undefined;
    const table = this.slot.current();
    const home = table === undefined ? this.meanwhile(hash, tried) : this.lookUp(table, hash, tried, undefined);
    return this.bounds === undefined ? home : this.bounds.relieve(home, hash, tried);
  }

  complete(): void {
    if (this.placed.hosts.length > 0) this.slot.complete();
  }

  private pickUnhashed(context: PickContext): PickableHost | undefined {
    this.unhashed ??= byWeight.build(this.hosts, undefined, this.random);
    return this.unhashed.pick(context);
  }

  /** The host of a hash while its table is being made. */
  private meanwhile(hash: Hash64, tried: HostSet): PickableHost {
    const { before } = this.slot;
    if (before === undefined) return this.withoutTable(hash, tried);
    this.members ??= new Set(this.placed.hosts);
    return this.lookUp(before, hash, tried, this.members);
  }

  private lookUp(table: HashTable, hash: Hash64, tried: HostSet, members: ReadonlySet<PickableHost> | undefined): PickableHost {
    const home = table.at(hash, 0);
    if (tried.length === 0 && (members === undefined || members.has(home))) return home;
    for (let attempt = 0; attempt < maxLooks; attempt++) {
      const host = table.at(hash, attempt);
      if (!isTried(tried, host) && (members === undefined || members.has(host))) return host;
    }
    return this.withoutTable(hash, tried);
  }

  private withoutTable(hash: Hash64, tried: HostSet): PickableHost {
    if (this.placed.hosts.length > mostForRendezvous) return this.byRemainder(hash, tried);
    this.rendezvous ??= new Rendezvous(this.placed);
    return this.rendezvous.pick(hash, tried) ?? this.rendezvous.pick(hash, [])!;
  }

  /** The host at the remainder of the hash, or the next that was not tried: steady as long as the set is. */
  private byRemainder(hash: Hash64, tried: HostSet): PickableHost {
    const { hosts } = this.placed;
    const home = modulo(hash, hosts.length);
    const untried = tried.length === 0 ? home : nextUntried(hosts, home, tried);
    return hosts[untried === -1 ? home : untried]!;
  }
}

import type { Picker } from '../../model/contracts.ts';
import type { Locality, LocalityConfig } from '../../model/cluster.ts';
import type { BalancedHosts, BuildPicker } from './balanced-hosts.ts';
import type { Host } from './host.ts';
import { HostPool } from './host-pool.ts';
import { drawLocalities } from './locality-draw.ts';
import { nobody } from './priority-picker.ts';
import { defaultZoneAwareMinClusterSize, zoneKey, zoneRouting } from './zone-aware.ts';
import { ZonePicker } from './zone-draw.ts';

/** What the hosts of every priority are balanced by. */
export interface LevelRules {
  readonly build: BuildPicker;
  /** A policy that hashes has the weights of localities in its table, and does not look at zones (Envoy). */
  readonly isHashing: boolean;
  readonly locality: LocalityConfig | undefined;
  /** Where this process runs, as far as it says. */
  readonly own: Locality | undefined;
}

/** The hosts of one priority: as a whole, and by locality where that matters. */
export class PriorityLevel {
  readonly pool: HostPool;
  private readonly priority: number;
  private rules: LevelRules;
  private keyOf: ((host: Host) => string) | undefined;
  private readonly localities = new Map<string, HostPool>();

  constructor(priority: number, rules: LevelRules) {
    this.priority = priority;
    this.rules = rules;
    this.pool = new HostPool(rules.build);
    this.keyOf = keyBy(priority, rules);
  }

  /** Others than before, of the same policy; `setHosts` comes next. */
  setRules(rules: LevelRules): void {
    if (rules.locality?.mode !== this.rules.locality?.mode) this.localities.clear();
    this.rules = rules;
    this.keyOf = keyBy(this.priority, rules);
  }

  /** Takes the list over. */
  setHosts(hosts: Host[]): void {
    this.pool.setHosts(hosts);
    const { keyOf } = this;
    if (keyOf === undefined) return;
    const byKey = Map.groupBy(hosts, keyOf);
    for (const key of this.localities.keys()) if (!byKey.has(key)) this.localities.delete(key);
    for (const [key, members] of byKey) this.localityOf(key).setHosts(members);
  }

  add(host: Host): void {
    this.pool.add(host);
    if (this.keyOf !== undefined) this.localityOf(this.keyOf(host)).add(host);
  }

  remove(host: Host): void {
    this.pool.remove(host);
    if (this.keyOf === undefined) return;
    const key = this.keyOf(host);
    const locality = this.localityOf(key);
    locality.remove(host);
    if (locality.hosts.length === 0) this.localities.delete(key);
  }

  /** All of them again, after many have changed. */
  refreshAll(): void {
    this.pool.refreshAll();
    for (const locality of this.localities.values()) locality.refreshAll();
  }

  /** The availability of a host changed, its weight, or something else that policies read. */
  refresh(host: Host): void {
    this.pool.refresh(host);
    if (this.keyOf !== undefined) this.localityOf(this.keyOf(host)).refresh(host);
  }

  /** Those that serve while the priority is in panic. */
  inPanic(): Picker {
    return this.rules.locality?.failTrafficOnPanic === true ? nobody : this.pool.inPanic;
  }

  /** Those that serve otherwise. */
  available(kind: 'healthy' | 'degraded', overprovisioningPercent: number): Picker {
    const { pool, rules } = this;
    // Envoy's tables have healthy hosts alone; where there are none its requests fail.
    if (rules.isHashing && pool.healthy.hosts.length > 0) return pool.healthy;
    const everywhere = pool[kind];
    if (this.keyOf === undefined) return everywhere;
    if (rules.locality?.mode === 'weighted') {
      const localities = [...this.localities.values()].map((locality) => ({
        weight: locality.hosts[0]?.share?.weight ?? 0,
        total: locality.counts.total,
        available: locality[kind],
      }));
      return drawLocalities(localities, overprovisioningPercent) ?? everywhere;
    }
    return this.byZones(kind) ?? everywhere;
  }

  private byZones(kind: 'healthy' | 'degraded'): Picker | undefined {
    const { pool, rules } = this;
    const own = rules.own!;
    const ownKey = zoneKey(own, own);
    const there = [...this.localities].filter(([, zone]) => zone.hosts.length > 0);
    const local = there.find(([key]) => key === ownKey)?.[1];
    const zones = there.filter(([key]) => key !== ownKey).map(([, zone]) => zone);
    if (local !== undefined) zones.unshift(local);
    const { zoneAwareMinClusterSize = defaultZoneAwareMinClusterSize, zoneAwareRoutingPercent = 100 } = rules.locality!;
    const healthy = zones.map((zone) => zone.healthy.hosts.length);
    const routing = zoneRouting(healthy, local !== undefined, zoneAwareMinClusterSize);
    if (routing === undefined) return undefined;
    const sets: readonly BalancedHosts[] = zones.map((zone) => zone[kind]);
    return new ZonePicker({ routing, zones: sets, anywhere: pool[kind], percent: zoneAwareRoutingPercent });
  }

  private localityOf(key: string): HostPool {
    let pool = this.localities.get(key);
    if (pool === undefined) this.localities.set(key, (pool = new HostPool(this.rules.build)));
    return pool;
  }
}

/** What tells the localities of a priority apart; undefined where they do not matter. Zones matter in the first priority alone (Envoy). */
function keyBy(priority: number, { isHashing, locality, own }: LevelRules): ((host: Host) => string) | undefined {
  if (isHashing) return undefined;
  if (locality?.mode === 'weighted') return (host) => host.share?.locality ?? '';
  const says = own !== undefined && (own.region ?? own.zone ?? own.subZone) !== undefined;
  if (locality?.mode === 'zone-aware' && priority === 0 && says) return (host) => zoneKey(host.locality, own);
  return undefined;
}

import type { LoadBalancingPolicy, Picker } from '../../model/contracts.ts';
import type { Metadata, MetadataValue } from '../../model/tls.ts';
import type { Random } from '../../base/runtime.ts';
import type { Host } from './host.ts';

/** Percent of available hosts below which all are used. Source: Envoy `healthy_panic_threshold`. */
export const defaultPanicThresholdPercent = 50;

/**
 * The hosts of a cluster, or of one subset of it, and the picker over those that may be used. In panic (too few are left) hosts
 * that detection took out are used again: most likely the detector is wrong, or spreading the load is the lesser evil (Envoy).
 * Open circuit breakers are respected even then.
 */
export class HostGroup {
  readonly name: string;
  private readonly policy: LoadBalancingPolicy;
  private readonly options: unknown;
  private readonly random: Random;
  private readonly panicThresholdPercent: number;
  hosts: readonly Host[] = [];
  usable: readonly Host[] = [];
  isPanic = false;
  picker: Picker;
  /** Made when a session is looked up for the first time. */
  private byAddress: ReadonlyMap<string, Host> | undefined = undefined;

  constructor(name: string, policy: LoadBalancingPolicy, options: unknown, random: Random, panicThresholdPercent: number) {
    this.name = name;
    this.policy = policy;
    this.options = options;
    this.random = random;
    this.panicThresholdPercent = panicThresholdPercent;
    this.picker = policy.build([], options, random);
  }

  setHosts(hosts: readonly Host[]): void {
    this.hosts = hosts;
    this.byAddress = undefined;
    this.rebuild();
  }

  /** The host of an address (`192.0.2.1:8080`, `[2001:db8::1]:8080`), usable or not. */
  hostAt(address: string): Host | undefined {
    this.byAddress ??= new Map(this.hosts.map((host) => [host.address, host]));
    return this.byAddress.get(address);
  }

  /** Called when hosts, weights or availability changed. */
  rebuild(): void {
    const available = this.hosts.filter((host) => host.out === undefined);
    this.isPanic = this.hosts.length > 0 && (available.length / this.hosts.length) * 100 < this.panicThresholdPercent;
    this.usable = this.isPanic ? this.hosts.filter((host) => host.out !== 'circuit') : available;
    this.picker = this.policy.build(this.usable, this.options, this.random, this.picker);
  }
}

/** Whether `metadata` has all values of `wanted`. */
export function hasMetadata(metadata: Metadata | undefined, wanted: Metadata): boolean {
  return Object.keys(wanted).every(
    (key) => metadata !== undefined && Object.hasOwn(metadata, key) && isEqual(metadata[key]!, wanted[key]!),
  );
}

function isEqual(a: MetadataValue, b: MetadataValue): boolean {
  return a === b || (typeof a === 'object' && typeof b === 'object' && JSON.stringify(a) === JSON.stringify(b));
}

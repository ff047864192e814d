/**
 * Which hosts another attempt should not go to: those that were tried, those with the metadata that the policy names, and those of
 * priorities that failed. The balancer is asked first, which keeps its distribution; a host that it should not have drawn is drawn
 * again so many times, then the next good one in line is taken. When there is none, the drawn host serves: a retry at a bad place is
 * better than none (Envoy).
 *
 * The difference to Envoy: its `host_selection_retry_max_attempts` (default 1) may end with a host that was tried although others
 * are left. Here it only says how often the balancer is asked.
 */
import type { HostSet, PickableHost, Picker, PickContext } from '../../model/contracts.ts';
import type { RetryConfig } from '../../model/policy.ts';
import type { Metadata } from '../../model/tls.ts';
import { hasMetadata } from '../cluster/has-metadata.ts';

/** What the rules read of a host. */
export interface RetryCandidate extends PickableHost {
  readonly priority: number;
  readonly endpoint: { readonly metadata?: Metadata };
}

/** Envoy asks twice; with metadata or priorities to avoid that is seldom enough, and asking costs little. */
const defaultSelections = 3;

/** The rules of one call; made with its first retry. */
export class RetryHosts<H extends RetryCandidate> {
  /** Hosts of the attempts that failed, for probes and for pickers. Empty where the policy lets them be drawn again. */
  readonly tried: readonly H[];
  private readonly attempted: H[] = [];
  private readonly retry: RetryConfig;
  /** The last of them could not be connected to. */
  wasUnreachable = false;
  /** Priorities that no attempt should go to (Envoy `previous_priorities`). */
  readonly avoidedPriorities: Set<number> | undefined;

  constructor(retry: RetryConfig) {
    this.retry = retry;
    this.tried = retry.avoidTriedHosts === false ? [] : this.attempted;
    this.avoidedPriorities = retry.priorityUpdateFrequency === undefined ? undefined : new Set();
  }

  /** Whether a host was asked at all: an attempt may fail before it has one. */
  get hasAttempts(): boolean {
    return this.attempted.length > 0;
  }

  /** An attempt at this host failed. `isUnreachable`: it could not be connected to, and nothing was sent. */
  add(host: H, isUnreachable = false): void {
    this.attempted.push(host);
    this.wasUnreachable = isUnreachable;
    const { priorityUpdateFrequency } = this.retry;
    // Priorities are left together, each time so many attempts have failed.
    if (priorityUpdateFrequency === undefined || this.attempted.length % priorityUpdateFrequency !== 0) return;
    for (const { priority } of this.attempted) this.avoidedPriorities!.add(priority);
  }

  /** The host of the next attempt among `hosts`, the set that `picker` balances over. `context.tried` is {@link tried}. */
  pick(picker: Picker, hosts: readonly H[], context: PickContext): H | undefined {
    const { tried } = context;
    const drawn = picker.pick(context) as H | undefined;
    if (drawn === undefined || !this.isBad(drawn, tried)) return drawn;
    if (this.avoidedPriorities !== undefined && hosts.every(({ priority }) => this.avoidedPriorities!.has(priority))) {
      // All were tried: all may be tried again.
      this.avoidedPriorities.clear();
      if (!this.isBad(drawn, tried)) return drawn;
    }
    const selections = this.retry.hostSelectionAttempts ?? defaultSelections;
    for (let selection = 0; selection < selections; selection++) {
      const again = picker.pick(context) as H | undefined;
      if (again !== undefined && !this.isBad(again, tried)) return again;
    }
    return this.next(hosts, context) ?? drawn;
  }

  private next(hosts: readonly H[], { random, tried }: PickContext): H | undefined {
    const start = Math.floor(random() * hosts.length);
    for (let step = 0; step < hosts.length; step++) {
      const host = hosts[(start + step) % hosts.length]!;
      if (!this.isBad(host, tried)) return host;
    }
    return undefined;
  }

  /** Pickers avoid tried hosts too, within the set that is drawn first: one locality, one priority, a subset. There may be no other. */
  private isBad(host: H, tried: HostSet): boolean {
    const { avoidHostMetadata } = this.retry;
    if (includes(tried, host)) return true;
    if (this.avoidedPriorities?.has(host.priority) === true) return true;
    return avoidHostMetadata !== undefined && hasMetadata(host.endpoint.metadata, avoidHostMetadata);
  }
}

function includes(hosts: HostSet, host: PickableHost): boolean {
  for (const one of hosts) if (one === host) return true;
  return false;
}

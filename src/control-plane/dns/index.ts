/**
 * Hosts that no control plane knows: what makes `meshFetch('http://orders/')` work with no configuration at all. Each authority that
 * is asked for becomes a virtual host and a cluster with safe defaults. Nothing is resolved here: the cluster does that through the
 * resolver, so a name that does not exist fails its request with MESH_DNS_FAILED, and one that appears later is found.
 */
import { isDeepStrictEqual } from 'node:util';
import type { ApplyResult, ConfigSink, ControlPlane, Demand } from '../../model/contracts.ts';
import type { Resource, ResourceKey } from '../../model/snapshot.ts';
import { safeDefaults, type HostDefaults } from '../safe-defaults.ts';
import { AuthorityTable } from './authority-table.ts';
import { PendingChanges } from './pending-changes.ts';
import { authorityFrom, clusterName, clusterOf, listener, routeTableOf, tableName, type Authority } from './translate.ts';

/**
 * How names that no other source knows are served. Nothing is resolved here: a cluster names its host, and the data plane
 * resolves it.
 */
export interface DnsControlPlaneOptions {
  /** Name of the source. Default `dns`. */
  readonly name?: string;
  /** Hosts kept at once; the least recently asked for goes first. Default 1000: names come from outside. */
  readonly maxAuthorities?: number;
  /** What each cluster and its requests get; undefined = {@link safeDefaults}. Read again for every update. */
  readonly defaults?: () => HostDefaults | undefined;
}

/** A control plane whose defaults may change. */
export interface DnsControlPlane extends ControlPlane {
  demand(want: Demand, until: AbortSignal): void;
  /** Gives every host the defaults as they are now. */
  defaultsChanged(): void;
}

const defaultMaxAuthorities = 1000;

/** Makes the control plane. Throws a RangeError for a bound below 1. */
export function dnsControlPlane(options: DnsControlPlaneOptions = {}): DnsControlPlane {
  const { name = 'dns', maxAuthorities = defaultMaxAuthorities } = options;
  if (!Number.isInteger(maxAuthorities) || maxAuthorities < 1) {
    throw new RangeError(`maxAuthorities is ${maxAuthorities}; give a whole number from 1`);
  }
  const table = new AuthorityTable(maxAuthorities);
  const changes = new PendingChanges();
  let sink: ConfigSink | undefined;
  /** Demands that came before `run` and have nothing to wait for. */
  let early: { readonly want: Demand; readonly reason: string }[] = [];
  let appliedDefaults: HostDefaults | undefined;
  let updates = 0;

  /** Those in force when they say the same: what says the same is not told twice. */
  const currentDefaults = (): HostDefaults => {
    const defaults = options.defaults?.() ?? safeDefaults;
    return appliedDefaults !== undefined && isDeepStrictEqual(defaults, appliedDefaults) ? appliedDefaults : defaults;
  };

  const absent = (want: Demand, reason: string): void => {
    if (sink === undefined) early.push({ want, reason });
    else sink.absent(want, reason);
  };

  const publish = async (target: ConfigSink): Promise<void> => {
    const defaults = currentDefaults();
    const { set, removed } = changes.take();
    const all = [...table.all()];
    const toSet = defaults === appliedDefaults ? set : all;
    appliedDefaults = defaults;
    updates += 1;
    const result = await target.apply({
      version: String(updates),
      set: [
        { kind: 'listener', name: tableName, value: listener },
        ...toSet.map((authority): Resource => ({
          kind: 'cluster',
          name: clusterName(authority),
          value: clusterOf(authority, defaults),
        })),
        { kind: 'route-table', name: tableName, value: routeTableOf(all, defaults) },
      ],
      remove: removed.map((authority): ResourceKey => ({ kind: 'cluster', name: clusterName(authority) })),
    });
    dropRejected(target, toSet, result);
    target.status({ state: 'connected', ...(result.rejected.length > 0 ? { problems: result.rejected } : {}) });
  };

  /** What the store refused must neither be waited for nor spoil the table again. */
  const dropRejected = (target: ConfigSink, set: readonly Authority[], { rejected }: ApplyResult): void => {
    const reasons = new Map(rejected.map(({ key, path, reason }) => [`${key.kind} ${key.name}`, `${path}: ${reason}`]));
    const ofTable = reasons.get(`route-table ${tableName}`);
    for (const authority of set) {
      const reason = reasons.get(`cluster ${clusterName(authority)}`) ?? ofTable;
      if (reason === undefined) continue;
      table.delete(clusterName(authority));
      changes.remove(authority);
      target.absent({ kind: 'authority', ...authority }, reason);
    }
  };

  const add = (authority: Authority, until: AbortSignal): void => {
    const dropped = table.add(authority, until);
    changes.add(authority);
    if (dropped === undefined) return;
    changes.remove(dropped.authority);
    if (!dropped.isWanted) return;
    absent(
      { kind: 'authority', ...dropped.authority },
      `more than ${maxAuthorities} hosts that no control plane knows are in use; raise maxAuthorities, or declare them`,
    );
  };

  return {
    name,
    async run(context) {
      if (sink !== undefined) throw new TypeError('this DNS control plane runs already; make one per mesh');
      sink = context.sink;
      for (const { want, reason } of early) sink.absent(want, reason);
      early = [];
      changes.touch();
      context.signal.addEventListener('abort', () => changes.touch(), { once: true });
      while (!context.signal.aborted) {
        await publish(sink);
        await changes.wait();
      }
    },
    demand(want, until) {
      if (want.kind === 'authority') {
        const authority = authorityFrom(want.host, want.port);
        if (authority === undefined) absent(want, `"${want.host}:${want.port}" is not a host that DNS can name`);
        else add(authority, until);
      } else if (!table.has(want.name)) {
        absent(want, `"${want.name}" is not a host that was asked for; DNS knows clusters by the hosts of requests only`);
      }
      // A cluster of ours is delivered with the authority that it belongs to.
    },
    defaultsChanged() {
      // A host that is asked for later gets those of that moment.
      if (table.size > 0 && currentDefaults() !== appliedDefaults) changes.touch();
    },
  };
}

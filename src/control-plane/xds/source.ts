/**
 * A source of configuration over an xDS stream. Everything that the server says is checked when it comes, in slices of a millisecond,
 * and kept as bytes; what somebody asks for is found in the bytes, built and delivered, with all that it needs:
 *
 *     authority → listener → route table → virtual host ┐
 *     cluster by name ──────────────────────────────────┴→ cluster → members, endpoints, secrets
 *
 * A bad resource is refused by itself and its last good version stays (a NACK with the reason, gRFC A46). What the server takes away
 * by leaving it out of "this is all there is" goes, as in Envoy; that all of it is gone at once is taken for a mistake of the server
 * (gRFC A88) unless `failOnDataErrors`. While the stream is down, what was delivered stays in force.
 */
import type { ControlPlane, ControlPlaneContext, Demand, IdentitySource } from '../../model/contracts.ts';
import type { ListenedPort } from '../../model/listener.ts';
import type { ClusterConfig } from '../../model/cluster.ts';
import type { SecretRef } from '../../model/tls.ts';
import type { Surroundings } from './translate/format.ts';
import type { AdsClient } from './client/contract.ts';
import { LiveSource } from './source/live-source.ts';
import type { LoadReportSettings } from './source/load-watch.ts';
import { SecretDelivery } from './source/secrets.ts';
import type { SnapshotSettings } from './source/snapshot-settings.ts';
import type { Authority } from './source/authority.ts';

/** Secrets that are found on this machine. */
export interface LocalSecrets {
  has(name: SecretRef): boolean;
  /** Told those of them that clusters and listeners which are in use name, before these are delivered. */
  use?(names: ReadonlySet<SecretRef>): void;
}

/** What a source is made of. */
export interface XdsSourceOptions {
  /** In errors and `status()`. */
  readonly name: string;
  /**
   * `sidecar`: all listeners and clusters are subscribed to, and a listener serves a port (Envoy, Istio). `proxyless`: everything by
   * name, and a listener serves a service (gRPC).
   */
  readonly mode: 'sidecar' | 'proxyless';
  /** The stream, or how to make it when the mesh runs. */
  readonly client: AdsClient | ((context: ControlPlaneContext) => AdsClient);
  /** Names of the listener of an authority, the first one first. Default `host:port`, then `host`. `proxyless` only. */
  readonly listenerNames?: (authority: Authority) => readonly string[];
  /** Name of the listener of a port that is listened on (gRFC A36). Left out: nothing is asked for. `proxyless` only. */
  readonly serverListenerName?: (at: ListenedPort) => string;
  /** Domains that a short host is completed by to find the route table of a listener that is bound to an address. `sidecar` only. */
  readonly searchDomains?: readonly string[];
  /** Secrets that another part delivers: they are not subscribed to. */
  readonly localSecrets?: LocalSecrets;
  /**
   * Clusters that the server gives no outlier detection: `always` = they get that of a host that nobody configured (endpoints are
   * compared with their peers), `as-configured` = none, as in Envoy. Default `always`: without it one dead endpoint of two takes half
   * of the requests for as long as the server names it, and their retries soon all of the budget.
   */
  readonly outlierDetection?: 'always' | 'as-configured';
  /** The last word on every cluster. */
  readonly adaptCluster?: (cluster: ClusterConfig) => ClusterConfig;
  readonly surroundings?: Surroundings;
  /** What cannot be used takes the last good version with it (gRFC A88 `fail_on_data_errors`). Default false. */
  readonly failOnDataErrors?: boolean;
  /** The last good resources that were in use, on the disk, for a start without the server. */
  readonly snapshot?: SnapshotSettings;
  /** Identities from elsewhere that its resources name, such as certificate providers. */
  readonly identities?: (context: ControlPlaneContext) => readonly IdentitySource[];
  /** Where the load of clusters goes whose `lrs_server` wants it. Left out: nowhere. */
  readonly loadReports?: LoadReportSettings;
  /** What of the set-up has no effect, by path: in the status as long as the source runs. */
  readonly unhonoured?: readonly { readonly path: string; readonly reason: string }[];
  /** Whether endpoints may be on this machine. Default true. */
  readonly allowLoopback?: boolean;
}

/** Makes a source. `demand` may be called before `run`. */
export function createXdsSource(options: XdsSourceOptions): ControlPlane {
  const secrets = new SecretDelivery((name) => (options.localSecrets?.has(name) === true ? name : `${options.name}/${name}`));
  let live: LiveSource | undefined;
  const early: { readonly want: Demand; readonly until: AbortSignal }[] = [];
  const listened: { readonly at: ListenedPort; readonly until: AbortSignal }[] = [];
  return {
    name: options.name,
    get guardsInbound() {
      return live?.guardsInbound ?? (options.mode === 'sidecar' || options.serverListenerName !== undefined);
    },
    // A sidecar has all ways in without asking.
    ...(options.serverListenerName !== undefined && {
      listening(at: ListenedPort, until: AbortSignal): void {
        if (live === undefined) listened.push({ at, until });
        else live.listening(at, until);
      },
    }),
    remoteAddresses: { allowLoopback: options.allowLoopback ?? true },
    identity: secrets.source(options.name),
    async run(context) {
      if (live !== undefined) throw new TypeError(`the control plane ${options.name} runs already; make one per mesh`);
      const source = new LiveSource(options, context, secrets);
      live = source;
      for (const { want, until } of early.splice(0)) source.demand(want, until);
      for (const { at, until } of listened.splice(0)) source.listening(at, until);
      const client = typeof options.client === 'function' ? options.client(context) : options.client;
      await Promise.all([source.run(client), secrets.runAlso(options.identities?.(context) ?? [], context.signal)]);
    },
    demand(want, until) {
      if (live === undefined) early.push({ want, until });
      else live.demand(want, until);
    },
    awaits: (want) => live?.awaits(want),
    findings: () => live?.findings() ?? { rejected: [], unhonoured: [] },
  };
}

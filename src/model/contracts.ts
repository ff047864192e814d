/** The contracts between the rooms of meshfetch: a control plane, an identity source and a load balancing policy need this file alone. */
import type { Clock, Random } from '../base/runtime.ts';
import type { ClusterConfig } from './cluster.ts';
import type { ClusterLoad } from './cluster-load.ts';
import type { Svid, TrustBundle } from './identity.ts';
import type { ListenedPort } from './listener.ts';
import type { RequestPolicy } from './route.ts';
import type { Resource, ResourceKey, ResourceKind } from './snapshot.ts';
import type { WorkloadConfig } from './workload.ts';

/** What the data plane asks for: the routes of an authority, and after routing the endpoints of a cluster. */
export type Demand =
  | { readonly kind: 'authority'; readonly host: string; readonly port: number }
  | { readonly kind: 'cluster'; readonly name: string };

/** One thing wrong, or not honoured, in a resource. */
export interface Problem {
  readonly key: ResourceKey;
  /** Path inside the resource, or inside the user's file: `services.orders.retry.on[1]`. */
  readonly path: string;
  readonly reason: string;
}

/** A change. Resources that are not named stay as they are. */
export interface ConfigUpdate {
  /** Shown in errors and `status()`; xDS version_info, Consul index, file hash. */
  readonly version: string;
  readonly set: readonly Resource[];
  readonly remove: readonly ResourceKey[];
  /** Kinds for which `set` is the whole state of the world: what it does not name is removed. */
  readonly replaces?: readonly ResourceKind[];
  /** Fields that the translator received and that have no effect: reported in `status()`, never dropped in silence. */
  readonly unhonoured?: readonly Problem[];
}

/** Verdict on an update, resource by resource: what xDS calls ACK and NACK. */
export interface ApplyResult {
  readonly accepted: readonly ResourceKey[];
  /** Refused; the last good version of each stays in force. */
  readonly rejected: readonly Problem[];
  readonly unhonoured: readonly Problem[];
}

/** How a control plane is doing; shown by `mesh.status()`. */
export interface ControlPlaneStatus {
  readonly state: 'connecting' | 'connected' | 'disconnected' | 'failed';
  /** Why it is not connected, or what was wrong with the last update, with the remedy. */
  readonly error?: string;
  readonly problems?: readonly Problem[];
  /** Set when the last update was refused before it became resources: what it was, and why in one sentence. Told once, as an event. */
  readonly refused?: { readonly version?: string; readonly reason: string };
  /** What is in force is not what the source says now: a snapshot from the disk, and how old it is. */
  readonly stale?: string;
  /** Which of its servers the source is served by, with what that calls itself. */
  readonly server?: string;
}

/** What a source received and has not put in force, because nothing has asked for it yet. */
export interface SourceFindings {
  /** Refused; the last good version of each is kept. */
  readonly rejected: readonly Problem[];
  /** Fields that would have no effect. */
  readonly unhonoured: readonly Problem[];
}

/** Where a control plane delivers to. */
export interface ConfigSink {
  /** Checks and applies what is good of the update; the next request sees it. Work is sliced, hence the promise. */
  apply(update: ConfigUpdate): Promise<ApplyResult>;
  /**
   * Checks a resource as `apply` does and puts nothing in force: for a source that keeps what nobody has asked for yet. A value that
   * is applied later is not checked again, and must not change in between. Left out by a host of control planes that cannot say.
   */
  check?(resource: Resource): Promise<Pick<ApplyResult, 'rejected' | 'unhonoured'>>;
  /** The demanded thing does not exist (after asking): requests for it stop waiting. */
  absent(want: Demand, reason: string): void;
  status(status: ControlPlaneStatus): void;
}

/** Where an identity source delivers to. Several names may be rotated independently. */
export interface IdentitySink {
  /** Refuses (with the reason) a key that does not fit its certificate, an expired or unreadable one; the old one stays. */
  setSvid(svid: Svid): { readonly ok: true } | { readonly ok: false; readonly reason: string };
  setTrustBundle(bundle: TrustBundle): { readonly ok: true } | { readonly ok: false; readonly reason: string };
  remove(name: string): void;
  status(status: ControlPlaneStatus): void;
}

/** A source of certificates and trust bundles. `run` resolves when the signal aborts. */
export interface IdentitySource {
  readonly name: string;
  run(sink: IdentitySink, signal: AbortSignal): Promise<void>;
}

/** What a cluster and its requests get when a source says nothing about policy: the `defaults` of the file, or the safe ones. */
export interface HostDefaults {
  readonly cluster: Omit<ClusterConfig, 'name' | 'discovery'>;
  readonly policy: RequestPolicy;
}

/** What a control plane runs with: where it delivers to, time and chance, and when to end. */
export interface ControlPlaneContext {
  readonly sink: ConfigSink;
  readonly clock: Clock;
  readonly random: Random;
  /** The `defaults` of the mesh's file, for a source that finds services and has no policy of its own. */
  readonly defaults?: {
    /** As they are now; undefined when no file says any. */
    current(): HostDefaults | undefined;
    /** Calls back whenever they may be others, until the mesh is closed. */
    onChange(listener: () => void): void;
  };
  /**
   * What the clusters of this source have done since they were made: for a control plane that balances by it (gRFC B1, LRS). Left out
   * by a host of control planes that does not count.
   */
  readonly load?: () => readonly ClusterLoad[];
  /** Aborted by `mesh.close()`. */
  readonly signal: AbortSignal;
}

/**
 * A source of configuration. `run` connects, applies updates to the sink, reconnects with back-off, and resolves when the signal
 * aborts; it rejects only for a mistake that waiting cannot mend, before the first update (a file that does not parse).
 */
export interface ControlPlane {
  readonly name: string;
  run(context: ControlPlaneContext): Promise<void>;
  /**
   * Something is wanted; watch it until the signal aborts. Sources that deliver everything at once leave this out; a source
   * that has it must answer with `apply` or `absent`.
   */
  demand?(want: Demand, until: AbortSignal): void;
  /** What the answer to a demand waits for (`route table "80"`), for the error of a request that waited in vain. */
  awaits?(want: Demand): string | undefined;
  /** Set by a source that others can write to: its addresses must pass the address policy, so that none turns requests against this machine. */
  readonly remoteAddresses?: { readonly allowLoopback: boolean };
  readonly identity?: IdentitySource;
  /** Asked by `mesh.status()`; only what is not in force, since the store knows the rest. */
  findings?(): SourceFindings;
  /** It says what may come in: until it has delivered once, and when it failed before that, ports that are listened on refuse requests. */
  readonly guardsInbound?: boolean;
  /** This process listens on a port: watch what may come in there until the signal aborts. Left out by a source that says it unasked. */
  listening?(at: ListenedPort, until: AbortSignal): void;
  /** Set by the preset of a mesh whose metric families and peer metadata name workloads. Read when the first request is sent. */
  readonly workload?: { readonly dialect: 'istio'; current(): WorkloadConfig | undefined };
}

/** A hash of 64 bits in two unsigned halves: a BigInt would cost each request more than the hashing. */
export interface Hash64 {
  readonly high: number;
  readonly low: number;
}

/** What a picker may know of the request. */
export interface PickContext {
  /** Hosts that earlier attempts of the request used. */
  readonly tried: readonly PickableHost[];
  /** Hash of the request by its route's hash policies; undefined when it has none. */
  readonly hash?: Hash64 | undefined;
  readonly random: Random;
  /** Monotonic milliseconds. */
  readonly now: number;
}

/** What a picker may know of a host. Load counters live on the host, so a new picker loses nothing. */
export interface PickableHost {
  /** `address:port`. */
  readonly address: string;
  readonly weight: number;
  /** Requests whose response body has not ended. */
  readonly inFlight: number;
  /** Key that hashing policies place the host by, where its metadata gives one (Envoy `hash_key`). Default: its address. */
  readonly hashKey?: string | undefined;
  /** Its host name, by which a hashing policy may be told to place it. */
  readonly hostname?: string | undefined;
  /** What its locality weighs, in a cluster whose localities are weighted. */
  readonly share?: LocalityShare | undefined;
  /** What the policy of its cluster learns about it, where that policy learns. It stays with the host through every change. */
  readonly observer?: HostObserver | undefined;
  /** What the observer noted for the picker (see {@link ScoredHost}). */
  readonly score?: number;
}

/**
 * A host, to the observer that the policy makes for it: one number to note what a pick compares. It stands on the host beside
 * `inFlight`, so that a pick reads one object of each host. A whole number below 2³⁰ is read fastest.
 */
export interface ScoredHost {
  /** −1 = nothing is noted. */
  score: number;
}

/** What a policy keeps of one host. Its methods are on the request path: they allocate nothing and never throw. */
export interface HostObserver {
  /** Milliseconds between reports that the host is asked for out of band (gRFC A51); undefined = it is not asked. */
  readonly reportIntervalMs?: number | undefined;
  /**
   * An attempt has its answer, or failed after `elapsedMs`; `isFailure` as the mesh counts failures (5xx, reset, timeout; not what was
   * our own doing). Time that this process stood still is taken off already. Undefined = not known before the trailers of gRPC, which
   * `onEnd` hears of. A response that breaks off after its head is heard of twice, the second time with 0 milliseconds.
   */
  onResponse?(elapsedMs: number, isFailure: boolean | undefined, nowMs: number): void;
  /** The trailers of a gRPC response said how it went. */
  onEnd?(isFailure: boolean, nowMs: number): void;
  /** The host said how busy it is (ORCA), with a response or its trailers. */
  onLoadReport?(report: LoadReport, nowMs: number): void;
}

/** How busy a server says it is. Source: `xds.data.orca.v3.OrcaLoadReport`, gRFC A51. Numbers that were not given are 0. */
export interface LoadReport {
  /** 0…1, above 1 where the soft limit is passed. */
  readonly cpuUtilization: number;
  readonly memoryUtilization: number;
  readonly applicationUtilization: number;
  /** Requests a second. */
  readonly rps: number;
  /** Errors a second. */
  readonly eps: number;
  readonly namedMetrics: Readonly<Record<string, number>>;
  readonly utilization: Readonly<Record<string, number>>;
}

/** The weight of a locality among those of its priority: one object for all of its hosts. */
export interface LocalityShare {
  /** Localities count in the order of their names. */
  readonly locality: string;
  readonly weight: number;
  /** Of all localities of the priority. */
  readonly totalWeight: number;
}

/** The hosts that a policy balances over: one priority and locality, already without those that are ejected or open. */
export type HostSet = readonly PickableHost[];

/** One host that left a set, joined it, or has another weight in it. */
export interface HostSetChange {
  readonly kind: 'left' | 'joined' | 'weight';
  /** Its place in the set: where it was, or where it is now. The others keep their order. */
  readonly index: number;
  /** The set afterwards. */
  readonly hosts: HostSet;
}

/** A view over hosts. */
export interface Picker {
  /** The host for this attempt, or undefined when the set is empty. Must not allocate. */
  pick(context: PickContext): PickableHost | undefined;
  /**
   * So many hosts are drawn, and the one with the least load gets the request. Left out = load does not decide, or in turns only. Asked
   * when a host with little load is to get little (slow start, suspicion): it would be picked again and again.
   */
  readonly comparedHosts?: number | undefined;
  /**
   * Takes a small change over and keeps everything else; false = it cannot, and a picker is built anew. For policies whose pickers
   * take long to build where there are many hosts.
   */
  follow?(change: HostSetChange): boolean;
  /** Makes now what it would make in slices while something else serves: for a tool that asks once and waits for nothing. */
  complete?(): void;
}

/** Checks a policy's options and fills in the defaults. Throws an Error that names the path and the remedy. */
export interface OptionsSchema<C> {
  parse(options: Readonly<Record<string, unknown>> | undefined, path: string): C;
  /** For the reference page: name, type, default with its reason. */
  readonly fields: readonly { readonly name: string; readonly type: string; readonly default: string; readonly doc: string }[];
}

/** A load balancing policy. */
export interface LoadBalancingPolicy<C = unknown> {
  readonly name: string;
  /** One sentence for the table of policies in the docs. */
  readonly doc: string;
  readonly options: OptionsSchema<C>;
  /**
   * A picker for this set. Called when hosts, their weights or their availability change; `previous` serves meanwhile and may
   * hand over its position.
   */
  build(hosts: HostSet, options: C, random: Random, previous?: Picker): Picker;
  /** Makes what the policy learns about a host. Left out by a policy that does not learn; a wrapper asks the policy inside. */
  observe?(options: C, host: ScoredHost): HostObserver | undefined;
  /**
   * Request headers by which a request names its endpoints itself (`address:port`, several with commas between), best first. They are
   * looked for in the whole cluster before a picker is asked. Source: Envoy `override_host`.
   */
  overrideHeaders?(options: C): readonly string[];
  /**
   * Whether the hash of a request says where it goes. Weights of localities are then in the policy's tables, and neither slow start nor
   * suspicion moves requests elsewhere (Envoy).
   */
  isHashing?(options: C): boolean;
  /**
   * False for a policy that keeps the requests of one client at few hosts on purpose: shares in proportion to weights hold over many
   * clients then. Left out = over the requests of each.
   */
  readonly spreads?: false;
}

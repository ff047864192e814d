/** What a route table becomes for the request path: plain data and functions, made once per configuration. */
import type { RetryConfig } from '../../model/policy.ts';
import type { HashPolicy } from '../../model/affinity.ts';
import type { FaultConfig } from '../../model/policy.ts';
import type { RequestPolicy, RouteConfig } from '../../model/route.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { CompiledAnswer } from './answer.ts';
import type { RequestEdit, ResponseEdit } from './edit-request.ts';
import type { CompiledMatch, Runtime } from './match-route.ts';
import type { PeerLatency } from '../resilience/peer-latency.ts';
import type { RouteIndex } from './route-index.ts';
import type { VirtualClusterOf } from './virtual-clusters.ts';

/** A cluster by name; `cluster` is undefined while no control plane delivers it. */
export interface ClusterSlot {
  readonly name: string;
  /** A request named it, and not a route: then it is of the route's own source, or of none. */
  readonly isNamed: boolean;
  cluster: Cluster | undefined;
}

/** A copy of a share of the requests. */
export interface CompiledMirror {
  readonly slot: ClusterSlot;
  /** `''` = all hosts of the cluster. */
  readonly subset: string;
  /** 0…1 of the requests. */
  readonly share: number;
  /** Appended to the host name of the copy. `''` = none. */
  readonly hostSuffix: string;
  /** Undefined = as the request. */
  readonly traceSampled: boolean | undefined;
}

/** Where a share of a route's requests goes, and what becomes of those that were drawn to it. */
export interface CompiledDestination {
  readonly slot: ClusterSlot;
  /** `''` = all hosts of the cluster. */
  readonly subset: string;
  readonly weight: number;
  /** With the mutations and rewrites of the route and the places around it. Undefined = the request is sent as it is. */
  readonly edit: RequestEdit | undefined;
  readonly responseEdit: ResponseEdit | undefined;
  /** Its own and those of the route. */
  readonly mirrors: readonly CompiledMirror[];
  /** Of this destination alone; that of the policy is in the route's `policy`. */
  readonly fault: FaultConfig | undefined;
  /** Instead of the route's. */
  readonly timeoutMs: number | undefined;
  /** Set = answered without asking the cluster. */
  readonly answer: CompiledAnswer | undefined;
  /** How long the hosts of its cluster take for requests of its route; there from the first answer on. */
  latency: PeerLatency | undefined;
}

/** A route ready for requests: its test, its destinations, and the policy that is left after merging. */
export interface CompiledRoute extends CompiledMatch {
  readonly name: string;
  readonly config: RouteConfig;
  readonly destinations: readonly CompiledDestination[];
  readonly totalWeight: number;
  /** Among which destinations one is drawn (`RouteAction.draw`). */
  readonly draw: 'weighted' | 'weighted-available' | 'first-available';
  /** The policy of the route over that of its virtual host, its table and its listener, field by field. */
  readonly policy: RequestPolicy;
  /** 0 = none. */
  readonly timeoutMs: number;
  readonly retry: RetryConfig | undefined;
  /** Whether a response below 400 could call for a retry, by a header or a status code of the policy. */
  readonly retriesSuccess: boolean;
  /** Nothing but its timeout and its retries is done to a request: it needs no plan (call-plan.ts). */
  readonly isPlain: boolean;
  /** Set when requests that reach the route cannot be served. */
  readonly unsupported: string | undefined;
  /** Set = the value of this request header names the cluster, and `destinations` is empty. */
  readonly clusterHeader: string | undefined;
  /** Set = a redirect or an answer of its own; `responseEdit` is in it already. */
  readonly answer: CompiledAnswer | undefined;
  /** For clusters that a header names; destinations have their own. */
  readonly mirrors: readonly CompiledMirror[];
  readonly hash: readonly HashPolicy[] | undefined;
  /** For clusters that a header names; destinations have their own. */
  readonly edit: RequestEdit | undefined;
  readonly responseEdit: ResponseEdit | undefined;
}

/** The routes of some domains in their order: the first that matches wins. */
export interface CompiledVirtualHost {
  readonly name: string;
  readonly source: string;
  readonly version: string;
  readonly routes: readonly CompiledRoute[];
  /** Undefined where each route is asked. */
  readonly index: RouteIndex<CompiledRoute> | undefined;
  /** Set = requests over plain HTTP are redirected to https before any route is asked. */
  readonly requireTls: 'all' | 'external' | undefined;
  /** The cluster that every request goes to as it is (only-slot.ts). Undefined where one may go elsewhere, or is changed or refused. */
  readonly onlySlot: ClusterSlot | undefined;
  /** Whether a route takes a random share, so that a number has to be drawn for each request. */
  readonly hasFractions: boolean;
  /** Names the class of a request, for telemetry. Undefined where the host has no virtual clusters. */
  readonly virtualClusterOf: VirtualClusterOf | undefined;
}

/** What compiling needs to know of its surroundings: who delivered the table, and the slots of its clusters. */
export interface RouteCompilation {
  readonly source: string;
  readonly version: string;
  slot(name: string): ClusterSlot;
  /** Set = requests that reach a route of the table fail, and why. */
  readonly refused?: string | undefined;
  /** Numerators of fractions that have a `runtimeKey`. Default none: the configured ones hold. */
  readonly runtime?: Runtime;
}

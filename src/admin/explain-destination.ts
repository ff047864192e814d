/** Where a request may go, as `explain` shows it: the cluster with its endpoints, and the request as it would be sent there. */
import type { Clock } from '../base/runtime.ts';
import type { ClusterConfig } from '../model/cluster.ts';
import type { FaultConfig } from '../model/policy.ts';
import { askedPolicy } from '../data-plane/asked-policy.ts';
import { overrideHeaders } from '../data-plane/resilience/request-overrides.ts';
import type { Cluster } from '../data-plane/cluster/cluster.ts';
import type { HostGroup, PriorityStatus } from '../data-plane/cluster/host-group.ts';
import type { LiveConfig } from '../data-plane/live-config.ts';
import type { CompiledDestination, CompiledMirror, CompiledRoute } from '../data-plane/routing/compiled-route.ts';
import { clusterInHeader, namedDestination, sumOfWeights } from '../data-plane/routing/decide-route.ts';
import { editRequest, type EditableRequest } from '../data-plane/routing/edit-request.ts';
import { headerList, type HeaderList } from '../data-plane/routing/header-list.ts';
import { answerOf } from '../data-plane/routing/answer.ts';
import { requestHasherOf } from '../data-plane/routing/request-hash.ts';
import { sessionOf } from '../data-plane/routing/session-affinity.ts';
import { endpointView, type EndpointView } from './endpoint-view.ts';
import { abortOf, type AbortView } from './explain-abort.ts';
import { circuitVerdict } from './explain-circuit.ts';

/** A copy that the request would have. */
export interface MirrorView {
  readonly cluster: string;
  readonly subset?: string;
  /** Share of the requests that are copied, 0…100. */
  readonly percent: number;
  readonly hostSuffix?: string;
}

/** Where a request may go. */
export interface DestinationView {
  readonly cluster: string;
  readonly subset?: string;
  /** Share of the requests that this route takes, 0…100. */
  readonly percent: number;
  readonly found: boolean;
  /** Why its endpoints are not known: they have been asked for, or the answer was an error. */
  readonly awaited?: string;
  readonly panic: boolean;
  /** What each priority gets; absent where there is one only. */
  readonly priorities?: readonly PriorityStatus[];
  readonly endpoints: readonly EndpointView[];
  /** The request as it is sent, where the route changes it. */
  readonly sent?: {
    readonly path: string;
    /** `'endpoint'` stands for the name of the endpoint that is picked. */
    readonly host: string;
    readonly headers: HeaderList;
  };
  readonly mirrors: readonly MirrorView[];
  /** Its own, instead of those of the route. */
  readonly timeoutMs?: number;
  readonly fault?: FaultConfig;
  /** Given by a fault on purpose, instead of asking the cluster. */
  readonly abort?: AbortView;
  /** Answered without asking the cluster. */
  readonly status?: number;
  /** The endpoint that its session or its hash leads to; a session comes first. */
  readonly endpoint?: { readonly address: string; readonly by: 'session' | 'hash' };
  /** Limits of the cluster that are reached now, in words. */
  readonly limitsReached: readonly string[];
  /** Why the request would fail now, in words. */
  readonly fails?: string;
  /** What serves it instead while the circuit breaker of the cluster is open, in words. */
  readonly fallback?: string;
  /** How its endpoints are balanced and protected. */
  readonly policies?: ClusterPolicies;
}

/** Policies of a cluster as it was delivered. */
export type ClusterPolicies = Pick<
  ClusterConfig,
  | 'loadBalancing'
  | 'locality'
  | 'slowStart'
  | 'healthChecks'
  | 'protocol'
  | 'tls'
  | 'limits'
  | 'circuitBreaker'
  | 'outlierDetection'
>;

/** What the views of one explanation share. */
export interface ExplainedRequest {
  readonly config: LiveConfig;
  readonly clock: Clock;
  /** The source of the virtual host. */
  readonly source: string;
  readonly route: CompiledRoute;
  readonly request: EditableRequest;
}

/** The destinations of a route for this request: those that are drawn by weight, or the one that its header names. */
export function destinationViews(explained: ExplainedRequest): readonly DestinationView[] {
  const destinations = destinationsOf(explained);
  const totalWeight = sumOfWeights(destinations);
  return destinations.map((destination) => viewOf(explained, destination, totalWeight));
}

function destinationsOf({ config, source, route, request }: ExplainedRequest): readonly CompiledDestination[] {
  if (route.clusterHeader === undefined) return route.destinations;
  return [namedDestination(config.slotByName(source, clusterInHeader(route, request)), route)];
}

function viewOf(explained: ExplainedRequest, destination: CompiledDestination, totalWeight: number): DestinationView {
  const { slot, subset, weight, answer, mirrors } = destination;
  const cluster = slot.cluster?.resolve();
  const awaited = cluster === undefined ? askCluster(explained, destination) : askEndpoints(cluster, explained.clock);
  const group = cluster?.group(subset);
  const sent = sentTo(explained.request, destination);
  const abort = abortOf(destination.fault ?? explained.route.policy.fault, explained.request);
  const circuit = cluster === undefined ? undefined : circuitVerdict(cluster, explained.request, explained.clock.now());
  const fails =
    circuit?.fails ??
    (cluster === undefined || awaited !== undefined || circuit !== undefined ? undefined : failureOf(explained, cluster, subset));
  const endpoint = cluster === undefined ? undefined : chosenEndpoint(explained, cluster, subset, sent ?? explained.request);
  return {
    cluster: slot.name,
    ...(subset === '' ? {} : { subset }),
    percent: totalWeight === 0 ? 0 : (weight / totalWeight) * 100,
    found: group !== undefined,
    ...(awaited !== undefined && { awaited }),
    panic: group?.isPanic ?? false,
    ...prioritiesOf(group),
    endpoints: (group?.hosts ?? []).map((host) => endpointView(cluster!, host, explained.clock.now())),
    ...(sent !== undefined && {
      sent: { path: sent.path, host: hostOf(sent, destination), headers: headersOf(sent, explained.route) },
    }),
    mirrors: mirrors.map(mirrorView),
    ...(destination.timeoutMs !== undefined && {
      timeoutMs: askedPolicy(explained.request, explained.route, destination).timeoutMs,
    }),
    ...(destination.fault !== undefined && { fault: destination.fault }),
    ...(answer !== undefined && { status: answerOf(answer, explained.request).status }),
    ...(endpoint !== undefined && { endpoint }),
    limitsReached: cluster?.limits.reached() ?? [],
    ...(abort !== undefined && { abort }),
    ...(fails !== undefined && { fails }),
    ...(circuit?.fallback !== undefined && { fallback: circuit.fallback }),
    ...(cluster !== undefined && { policies: policiesOf(cluster.config) }),
  };
}

function prioritiesOf(group: HostGroup | undefined) {
  const priorities = group?.loadOfPriorities() ?? [];
  return priorities.length < 2 ? {} : { priorities };
}

function policiesOf(config: ClusterConfig): ClusterPolicies {
  const { loadBalancing, locality, slowStart, healthChecks, protocol, tls, limits, circuitBreaker, outlierDetection } = config;
  return {
    loadBalancing,
    ...(locality !== undefined && { locality }),
    ...(slowStart !== undefined && { slowStart }),
    ...(healthChecks !== undefined && { healthChecks }),
    ...(protocol !== undefined && { protocol }),
    ...(tls !== undefined && { tls }),
    ...(limits !== undefined && { limits }),
    ...(circuitBreaker !== undefined && { circuitBreaker }),
    ...(outlierDetection !== undefined && { outlierDetection }),
  };
}

/** Why a request would fail here at this moment; what limits refuse by chance is not among it. */
function failureOf({ route }: ExplainedRequest, cluster: Cluster, subset: string): string | undefined {
  const limits = route.policy.priority === 'high' ? cluster.limits.high : cluster.limits;
  const { admission } = limits;
  if (limits.requests >= limits.maxRequests) return 'its limit of requests in flight is reached (MESH_OVERFLOW)';
  if (admission.limit !== undefined && admission.inFlight >= Math.max(1, admission.limit))
    return 'its adaptive limit is reached (MESH_OVERFLOW)';
  const group = cluster.group(subset);
  if (group === undefined || group.usable.length > 0) return undefined;
  const isOpen = group.hosts.length > 0 && group.hosts.every(({ openedBy }) => openedBy === 'circuit');
  return isOpen ? 'their circuit breakers are open (MESH_CIRCUIT_OPEN)' : 'none can be used (MESH_NO_HEALTHY_ENDPOINT)';
}

function mirrorView({ slot, subset, share, hostSuffix }: CompiledMirror): MirrorView {
  return {
    cluster: slot.name,
    ...(subset === '' ? {} : { subset }),
    percent: share * 100,
    ...(hostSuffix === '' ? {} : { hostSuffix }),
  };
}

/** The request with its edits; undefined where there are none. */
function sentTo(request: EditableRequest, { edit }: CompiledDestination): EditableRequest | undefined {
  if (edit === undefined) return undefined;
  const { path, authority = request.authority, headers } = editRequest(edit, request);
  return { ...request, path, authority, headers };
}

/** Headers that change the policies of the request are read here and not sent on. */
function headersOf({ headers }: EditableRequest, { policy }: CompiledRoute): HeaderList {
  const kind = policy.overrideHeaders;
  const list = headerList(headers);
  return kind === undefined ? list : list.filter(([name]) => !overrideHeaders[kind].has(name.toLowerCase()));
}

function hostOf(sent: EditableRequest, { edit }: CompiledDestination): string {
  return edit?.isHostFromEndpoint === true ? 'endpoint' : sent.authority;
}

/** Chance has no part in it: neither a session nor a hash draws anything but a cookie that is missing, which leads nowhere yet. */
const noChance = (): number => 0;

function chosenEndpoint(
  { route, clock, request }: ExplainedRequest,
  cluster: Cluster,
  subset: string,
  sent: EditableRequest,
): DestinationView['endpoint'] {
  const group = cluster.group(subset);
  if (group === undefined) return undefined;
  const { sessionAffinity } = route.policy;
  const session = sessionAffinity && sessionOf(sessionAffinity, request, clock.wallNow());
  if (session?.address !== undefined && group.hostAt(session.address) !== undefined)
    return { address: session.address, by: 'session' };
  // Other policies do not look at the hash, and to ask them would move them on.
  if (route.hash === undefined || !group.isHashing) return undefined;
  const hash = requestHasherOf(route.hash)(sent, noChance);
  if (hash === undefined || hash.setCookies.length > 0) return undefined;
  const host = group.picker.pick({ tried: [], hash, random: noChance, now: clock.now() });
  return host === undefined ? undefined : { address: host.address, by: 'hash' };
}

const isAsked = 'its endpoints have been asked for and have not come yet';
const isClusterAsked = 'a control plane has been asked for it and has not answered yet';

/** Whether the view may be another one a moment later. */
export function isPending({ awaited }: DestinationView): boolean {
  return awaited === isAsked || awaited === isClusterAsked;
}

/** Asks for a cluster that is not known, as a request would. Undefined when nobody has it. */
function askCluster({ config, source }: ExplainedRequest, { slot, answer }: CompiledDestination): string | undefined {
  return answer === undefined && config.isClusterAwaited(source, slot) ? isClusterAsked : undefined;
}

/** What the asking for the endpoints of a cluster has come to. An error is told once; whoever explains again asks again. */
const asked = new WeakMap<Cluster, { error?: string }>();

/** As long as a request waits by default. */
const endpointsTimeoutMs = 5000;

/** Asks for endpoints that are not known, as a request would. Undefined when they are there. */
function askEndpoints(cluster: Cluster, clock: Clock): string | undefined {
  const before = asked.get(cluster);
  if (cluster.isReady(clock.now()) || before?.error !== undefined) {
    asked.delete(cluster);
    return before?.error;
  }
  if (before === undefined) {
    const state: { error?: string } = {};
    asked.set(cluster, state);
    cluster.whenReady(endpointsTimeoutMs).then(
      () => asked.delete(cluster),
      (error: unknown) => {
        state.error = error instanceof Error ? error.message : String(error);
      },
    );
  }
  return isAsked;
}

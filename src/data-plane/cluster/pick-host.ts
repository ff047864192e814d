import type { Random } from '../../base/runtime.ts';
import type { Hash64, PickContext } from '../../model/contracts.ts';
import type { Probe } from '../resilience/circuit-breaker.ts';
import type { Failure } from '../resilience/outcome.ts';
import type { RetryHosts } from '../resilience/retry-hosts.ts';
import { firstHeaderOf, type RequestView } from '../routing/request-view.ts';
import type { Cluster } from './cluster.ts';
import type { Host } from './host.ts';
import { drawDrop } from './draw-drop.ts';
import type { HostGroup } from './host-group.ts';
import { keepOrRedraw } from './reduced-pick.ts';

/** Who wants a host; gets it, and the right to probe it when the outcome decides whether the host returns. */
export interface HostSeeker {
  /** The request, for what its headers say of endpoints. */
  readonly call: RequestView;
  /** Monotonic milliseconds: now. */
  readonly startMs: number;
  /** Whether little is lost when the host fails the request (host-probes.ts). */
  readonly mayProbe: boolean;
  host: Host | undefined;
  probe: Probe | undefined;
}

/** What the policies of a request ask of the pick; a request without hash policies and session has none. */
export interface HostWish {
  /** By the hash policies of its route. */
  readonly hash: Hash64 | undefined;
  /** Address of the endpoint that its session is on. */
  readonly sessionAddress: string | undefined;
  /** Without that endpoint the request fails instead of moving. */
  readonly isStrict: boolean;
}

/** Written anew for each pick, which is synchronous, so that picking allocates nothing of its own. */
const context: { -readonly [K in keyof PickContext]: PickContext[K] } = {
  tried: [],
  hash: undefined,
  random: () => 0,
  now: 0,
};

const noHosts: readonly Host[] = [];

/**
 * The host of an attempt. The endpoint of a session comes first, until it was asked: once that failed, a retry goes where the
 * balancer says and the session moves, as in Envoy, in strict mode too. A host whose time out is over gets one request as its probe
 * before the balancer is asked: otherwise it would never come back. Ejected hosts and open breakers are not in the picker's set
 * (host-group.ts); `retry` says where another attempt should not go. Returns why there is none.
 */
export function pickHost(
  seeker: HostSeeker,
  cluster: Cluster,
  subset: string,
  wish: HostWish | undefined,
  retry: RetryHosts<Host> | undefined,
  random: Random,
): Failure | undefined {
  const group = cluster.group(subset);
  if (group === undefined) return failure('MESH_NO_CLUSTER', `the cluster "${cluster.name}" has no subset "${subset}"`);
  const tried = retry === undefined ? noHosts : retry.tried;
  if (cluster.drops !== undefined && retry?.hasAttempts !== true) {
    const category = drawDrop(cluster.drops, random);
    if (category !== undefined) {
      cluster.counters?.drop(category);
      return failure('MESH_DROPPED', `the control plane has requests of "${cluster.name}" dropped: "${category}"`);
    }
  }
  if (wish?.sessionAddress !== undefined && retry?.hasAttempts !== true) {
    if (takeSessionHost(seeker, cluster, group, wish.sessionAddress, wish.isStrict)) return undefined;
    if (wish.isStrict) {
      const what = `the endpoint ${wish.sessionAddress} of the session cannot be used in "${cluster.name}"`;
      return failure('MESH_NO_HEALTHY_ENDPOINT', `${what}; send the request without its session, or make the session not strict`);
    }
  }
  if (cluster.overrideHeaders !== undefined && takeNamedHost(seeker, cluster, group, cluster.overrideHeaders, tried))
    return undefined;
  const { probes } = cluster.detection;
  if (probes.isWaiting && probes.take(seeker, group, tried, false)) return undefined;
  context.tried = tried;
  context.hash = wish?.hash;
  context.random = random;
  context.now = seeker.startMs;
  const host = draw(group, retry);
  // All that may be used have failed this very request: one whose time out is over is the better place.
  const hasFailedIt = host !== undefined && tried.length > 0 && tried.includes(host);
  if (hasFailedIt && probes.isWaiting && probes.take(seeker, group, tried, true)) return undefined;
  // Where nobody listens now, one that was ejected may be back: in a rolling restart it is.
  const ejected = hasFailedIt && retry?.wasUnreachable === true ? cluster.detection.lastResort(group, tried) : undefined;
  if (ejected !== undefined) {
    seeker.host = ejected;
    return undefined;
  }
  if (host !== undefined) {
    seeker.host = host.isReduced && !group.isHashing ? drawReduced(host, group, retry) : host;
    return undefined;
  }
  return probes.isWaiting && probes.take(seeker, group, tried, true) ? undefined : whyNobody(cluster, group);
}

function draw(group: HostGroup, retry: RetryHosts<Host> | undefined): Host | undefined {
  if (retry === undefined) return group.picker.pick(context) as Host | undefined;
  return retry.pick(group.pickerWithout(retry.avoidedPriorities), group.usable, context);
}

/** Apart from `pickHost`: a scope with a closure in it costs every request, whether it is reached or not. */
function drawReduced(first: Host, group: HostGroup, retry: RetryHosts<Host> | undefined): Host {
  const { tried, now, random } = context;
  const { comparedHosts } = group.picker;
  return keepOrRedraw(first, {
    now,
    random,
    comparedHosts,
    hostCount: comparedHosts === undefined ? 0 : group.usable.length,
    draw: () => draw(group, retry),
    drawWithout: (refused) => {
      const others = [...tried, refused];
      context.tried = others;
      const host = draw(group, retry);
      context.tried = tried;
      return host === undefined || others.includes(host) ? undefined : host;
    },
  });
}

function whyNobody(cluster: Cluster, group: HostGroup): Failure {
  const subset = group.name;
  const name = subset === '' ? `"${cluster.name}"` : `subset "${subset}" of "${cluster.name}"`;
  const { length } = group.hosts;
  if (length === 0) return failure('MESH_NO_HEALTHY_ENDPOINT', `${name} has no endpoints`);
  const { out, open } = group.out;
  if (open > 0) return failure('MESH_CIRCUIT_OPEN', `the circuit breakers of ${open} of the ${length} hosts of ${name} are open`);
  if (out < length)
    return failure(
      'MESH_NO_HEALTHY_ENDPOINT',
      `${out} of the ${length} hosts of ${name} are out, and failTrafficOnPanic lets none be used; see mesh.status()`,
    );
  return failure('MESH_NO_HEALTHY_ENDPOINT', `all ${length} hosts of ${name} are out; see mesh.status()`);
}

/** The endpoint of a session, if the request may go there; a probe when its time out is over. */
function takeSessionHost(
  seeker: HostSeeker,
  cluster: Cluster,
  group: HostGroup,
  address: string,
  isLastChance: boolean,
): boolean {
  const host = group.hostAt(address);
  if (host === undefined) return false;
  if (host.out !== undefined) {
    const { probes } = cluster.detection;
    return probes.isWaiting && probes.take(seeker, { has: (other) => other === host }, noHosts, isLastChance);
  }
  seeker.host = host;
  return true;
}

/** The first endpoint that the request names, is here, may be used and was not tried. Source: Envoy `override_host`. */
function takeNamedHost(
  seeker: HostSeeker,
  cluster: Cluster,
  group: HostGroup,
  headers: readonly string[],
  tried: readonly Host[],
): boolean {
  for (const header of headers) {
    for (const address of firstHeaderOf(seeker.call, header)?.split(',') ?? []) {
      const host = group.hostAt(address.trim());
      if (host !== undefined && !tried.includes(host) && takeSessionHost(seeker, cluster, group, host.address, false))
        return true;
    }
  }
  return false;
}

function failure(code: Failure['code'], reason: string): Failure {
  return { kind: 'failure', code, mayHaveBeenProcessed: false, localOrigin: true, ours: true, reason };
}

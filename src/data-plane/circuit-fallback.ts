/**
 * What a request gets whose cluster has a breaker that is not closed: its place as the probe, the fallback of the cluster, or
 * MESH_CIRCUIT_OPEN. A fallback without an endpoint that can be used, or whose own breaker is in the way, is none: it is not asked
 * for a fallback of its own, so that nothing leads in a circle.
 */
import type { MeshError } from '../base/errors.ts';
import type { CircuitFallback } from '../model/detection.ts';
import { errorOf } from './call-failure.ts';
import { isSafeToLose } from './call-retries.ts';
import type { Cluster } from './cluster/cluster.ts';
import { localAnswer, respondLocally } from './local-response.ts';
import type { Call } from './outbound.ts';
import type { ClusterBreaker } from './resilience/cluster-breaker.ts';
import type { Failure } from './resilience/outcome.ts';
import type { ClusterSlot, CompiledDestination } from './routing/compiled-route.ts';
import type { LocalAnswer } from './routing/answer.ts';

/** The cluster that the next attempt goes to: this one or its fallback. Undefined when the call is over, answered or failed. */
export function passBreaker(call: Call, cluster: Cluster): Cluster | undefined {
  const { breaker } = cluster;
  if (breaker === undefined || breaker.isClosed) return cluster;
  const now = call.context.clock.now();
  const request = { mayProbe: isSafeToLose(call) };
  if (!breaker.isShutTo(request, now)) return cluster;
  const { fallback } = breaker.config;
  const problem = fallback?.kind === 'cluster' ? fallbackProblem(cluster, request, now) : undefined;
  if (fallback?.kind === 'cluster' && problem === undefined) {
    const slot = cluster.fallback!;
    call.destination = destinationAt(call.destination!, slot);
    return slot.cluster!.resolve();
  }
  call.cluster = cluster;
  call.span?.routed(call.route!.name, cluster.name, call.entry!.virtualHost!.version);
  if (fallback?.kind === 'answer')
    respondLocally(call, answerOf(call, fallback), { flags: 'UO', details: 'circuit_open_fallback' });
  else call.fail(circuitOpen(call, cluster, problem, now));
  return undefined;
}

/** An attempt that the breaker of its cluster does not let out. */
export function refusedBy(breaker: ClusterBreaker, now: number): Failure {
  return {
    kind: 'failure',
    code: 'MESH_CIRCUIT_OPEN',
    mayHaveBeenProcessed: false,
    localOrigin: true,
    ours: true,
    reason: breaker.refusal(now),
  };
}

/** Why the fallback of a cluster cannot stand in now; undefined when it can. Requests wait for endpoints that are asked for. */
export function fallbackProblem({ fallback }: Cluster, request: { readonly mayProbe: boolean }, now: number): string | undefined {
  const other = fallback?.cluster?.resolve();
  if (other === undefined) return `its fallback "${fallback?.name}" is not there`;
  if (other.breaker?.isShutTo(request, now) === true) return `its fallback "${other.name}" has its own circuit breaker open`;
  if (other.isReady(now) && !other.hasUsableHost()) return `its fallback "${other.name}" has no endpoint that can be used`;
  return undefined;
}

function circuitOpen(call: Call, cluster: Cluster, problem: string | undefined, now: number): MeshError {
  const breaker = cluster.breaker!;
  const { state, openForMs } = breaker.view(now);
  const words = problem === undefined ? '' : `, and ${problem}`;
  return errorOf(
    call,
    'MESH_CIRCUIT_OPEN',
    `${call.method} ${call.authority}${call.path.split('?', 1)[0]}: ${breaker.refusal(now)}${words}`,
    {
      remedy:
        breaker.config.fallback === undefined
          ? 'Find out why the service failed; a `circuitBreaker.fallback` would serve meanwhile.'
          : 'Find out why the service failed, and why its fallback cannot serve: see mesh.status().',
      details: {
        breaker: state,
        ...(openForMs !== undefined && { openForMs }),
        ...(problem !== undefined && { fallback: problem }),
      },
    },
  );
}

function answerOf(call: Call, { status, body = '', contentType }: Extract<CircuitFallback, { kind: 'answer' }>): LocalAnswer {
  const answer = localAnswer(call, status, body);
  if (contentType === undefined || answer.body === '') return answer;
  return { ...answer, headers: { ...answer.headers, 'content-type': contentType } };
}

/** Each has what is learnt at the fallback of its own. */
const made = new WeakMap<CompiledDestination, CompiledDestination>();

/** What the route says of a request, at the fallback: its subsets are not those of the cluster. */
function destinationAt(destination: CompiledDestination, slot: ClusterSlot): CompiledDestination {
  const known = made.get(destination);
  if (known?.slot === slot) return known;
  const own: CompiledDestination = { ...destination, slot, subset: '', latency: undefined };
  made.set(destination, own);
  return own;
}

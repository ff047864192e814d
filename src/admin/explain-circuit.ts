import { isRepeatable } from '../data-plane/call-retries.ts';
import { fallbackProblem } from '../data-plane/circuit-fallback.ts';
import type { Cluster } from '../data-plane/cluster/cluster.ts';
import type { EditableRequest } from '../data-plane/routing/edit-request.ts';

/** What a request meets whose cluster has a circuit breaker that does not let it through, in words. One of the two is there. */
export interface CircuitVerdict {
  /** Why it would fail. */
  readonly fails?: string;
  /** What serves it instead. */
  readonly fallback?: string;
}

/** What the circuit breaker of the cluster does to the request now; undefined where it lets it through, or there is none. */
export function circuitVerdict(cluster: Cluster, request: EditableRequest, now: number): CircuitVerdict | undefined {
  const { breaker } = cluster;
  const probing = { mayProbe: isRepeatable(request) };
  if (breaker === undefined || !breaker.isShutTo(probing, now)) return undefined;
  const { fallback } = breaker.config;
  const what = `its circuit breaker is ${breaker.view(now).state}`;
  if (fallback === undefined) return { fails: `${what} (MESH_CIRCUIT_OPEN)` };
  if (fallback.kind === 'answer') return { fallback: `${what}: answered with ${fallback.status}, without asking an endpoint` };
  const problem = fallbackProblem(cluster, probing, now);
  if (problem !== undefined) return { fails: `${what}, and ${problem} (MESH_CIRCUIT_OPEN)` };
  return { fallback: `${what}: the request goes to ${cluster.fallback!.name} instead` };
}

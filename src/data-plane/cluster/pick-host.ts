import type { Random } from '../../base/runtime.ts';
import type { PickContext } from '../../model/contracts.ts';
import type { Probe } from '../resilience/circuit-breaker.ts';
import type { Failure } from '../resilience/outcome.ts';
import type { Cluster } from './cluster.ts';
import type { Host } from './host.ts';

/** Who wants a host; gets it, and the right to probe it when the outcome decides whether the host returns. */
export interface HostSeeker {
  host: Host | undefined;
  probe: Probe | undefined;
}

/** Written anew for each pick, which is synchronous, so that picking allocates nothing of its own. */
const context: { -readonly [K in keyof PickContext]: PickContext[K] } = { tried: [], random: () => 0, now: 0 };

/**
 * The host of an attempt. A host whose time out is over gets one request as its probe before the balancer is asked: otherwise it
 * would never come back. Ejected hosts and open breakers are not in the picker's set (host-group.ts); hosts tried before are avoided
 * while there are others. Returns why there is none.
 */
export function pickHost(
  seeker: HostSeeker,
  cluster: Cluster,
  subset: string,
  tried: readonly Host[],
  random: Random,
  now: number,
): Failure | undefined {
  const group = cluster.group(subset);
  if (group === undefined) return failure('MESH_NO_CLUSTER', `the cluster "${cluster.name}" has no subset "${subset}"`);
  if (cluster.detection.isProbing && cluster.detection.takeProbe(seeker, group.hosts, tried)) return undefined;
  context.tried = tried;
  context.random = random;
  context.now = now;
  seeker.host = group.picker.pick(context) as Host | undefined;
  if (seeker.host !== undefined) return undefined;
  const name = subset === '' ? `"${cluster.name}"` : `subset "${subset}" of "${cluster.name}"`;
  if (group.hosts.length === 0) return failure('MESH_NO_HEALTHY_ENDPOINT', `${name} has no endpoints`);
  const byBreaker = group.hosts.filter((other) => other.out === 'circuit').length;
  if (byBreaker > 0)
    return failure(
      'MESH_CIRCUIT_OPEN',
      `the circuit breakers of ${byBreaker} of the ${group.hosts.length} hosts of ${name} are open`,
    );
  return failure('MESH_NO_HEALTHY_ENDPOINT', `all ${group.hosts.length} hosts of ${name} are out; see mesh.status()`);
}

function failure(code: Failure['code'], reason: string): Failure {
  return { kind: 'failure', code, mayHaveBeenProcessed: false, localOrigin: true, ours: true, reason };
}

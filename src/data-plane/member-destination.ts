import type { Cluster } from './cluster/cluster.ts';
import type { CompiledDestination } from './routing/compiled-route.ts';

const made = new WeakMap<CompiledDestination, WeakMap<Cluster, CompiledDestination>>();

/**
 * A destination at one member of its aggregate. Each has what is learnt there of its own: another region takes longer, and its hosts
 * are compared with each other.
 */
export function destinationIn(destination: CompiledDestination, member: Cluster): CompiledDestination {
  let members = made.get(destination);
  if (members === undefined) made.set(destination, (members = new WeakMap()));
  let own = members.get(member);
  if (own === undefined) members.set(member, (own = { ...destination, latency: undefined }));
  return own;
}

/** Hosts as a cluster has them, in few words. */
import { seededRandom, type Random } from '../../../../src/base/runtime.ts';
import type { Host } from '../../../../src/data-plane/cluster/host.ts';
import { HostGroup, type GroupSettings } from '../../../../src/data-plane/cluster/host-group.ts';
import { HostTable } from '../../../../src/data-plane/cluster/host-table.ts';
import { loadBalancingPolicies } from '../../../../src/data-plane/load-balancing/index.ts';
import type {
  ClusterConfig,
  EndpointConfig,
  Locality,
  LocalityConfig,
  LocalityEndpoints,
} from '../../../../src/model/cluster.ts';
import type { Hash64 } from '../../../../src/model/contracts.ts';

/** Endpoints of a locality: how many there are of each health, or the endpoints. */
export interface LocalitySpec {
  readonly priority?: number;
  readonly zone?: string;
  readonly weight?: number;
  readonly endpoints?: readonly EndpointConfig[];
  readonly healthy?: number;
  readonly degraded?: number;
  readonly unhealthy?: number;
  readonly draining?: number;
}

const kinds = ['healthy', 'degraded', 'unhealthy', 'draining'] as const;

/** The localities; ports are 1000 × the index of the locality, and on. */
export function localitiesOf(specs: readonly LocalitySpec[]): readonly LocalityEndpoints[] {
  return specs.map(({ priority = 0, zone, weight, endpoints, ...counts }, index) => {
    let port = 1000 * (index + 1);
    const made = kinds.flatMap((health) =>
      Array.from({ length: counts[health] ?? 0 }, () => ({ address: '192.0.2.1', port: port++, health })),
    );
    return {
      locality: zone === undefined ? {} : { zone },
      priority,
      ...(weight !== undefined && { weight }),
      endpoints: endpoints ?? made,
    };
  });
}

export function clusterOf(policy = 'random', locality?: LocalityConfig): ClusterConfig {
  return {
    name: 'orders',
    discovery: { kind: 'static', localities: [] },
    loadBalancing: { policy },
    ...(locality && { locality }),
  };
}

/** A group over them. */
export function groupOf(
  specs: readonly LocalitySpec[],
  options: { policy?: string; locality?: Partial<LocalityConfig>; own?: Locality; random?: Random } = {},
): HostGroup {
  const { policy: name = 'random', own, random = seededRandom(7) } = options;
  const locality: LocalityConfig = { mode: 'none', ...options.locality };
  const table = new HostTable();
  table.update(clusterOf(name, locality), localitiesOf(specs), () => undefined);
  const policy = loadBalancingPolicies.get(name)!;
  const settings: GroupSettings = { locality, own };
  const parsed = policy.options.parse(undefined, 'loadBalancing');
  const group = new HostGroup('', policy, parsed, random, locality.panicThresholdPercent ?? 50, settings);
  group.setHosts([...table.all()]);
  return group;
}

/** Share of the picks that went to each, by a word for the host. */
export function shares(
  group: HostGroup,
  wordOf: (host: Host) => string,
  { picks = 20_000, random = seededRandom(3), hash }: { picks?: number; random?: Random; hash?: () => Hash64 } = {},
): Record<string, number> {
  const counts: Record<string, number> = {};
  for (let pick = 0; pick < picks; pick++) {
    const host = group.picker.pick({ tried: [], random, now: 0, hash: hash?.() }) as Host | undefined;
    const word = host === undefined ? 'nobody' : wordOf(host);
    counts[word] = (counts[word] ?? 0) + 1 / picks;
  }
  return counts;
}

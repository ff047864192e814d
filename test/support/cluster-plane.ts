import { createMesh, type Mesh, type MeshOptions } from 'meshfetch';
import type { ClusterConfig, EndpointConfig } from '../../src/model/cluster.ts';
import type { ConfigSink, ControlPlane, ControlPlaneContext, Demand } from '../../src/model/contracts.ts';
import type { RequestPolicy, RouteConfig } from '../../src/model/route.ts';
import type { Resource } from '../../src/model/snapshot.ts';

/** A control plane that a test speaks through: what it delivers goes straight to the mesh. */
export class TestControlPlane implements ControlPlane {
  readonly name: string;
  readonly demands: Demand[] = [];
  readonly demand?: (want: Demand, until: AbortSignal) => void;
  private version = 0;
  private readonly started = Promise.withResolvers<ConfigSink>();

  /** `onDemand` makes it one that is asked for each thing. */
  constructor(name = 'test', onDemand?: (want: Demand, plane: TestControlPlane) => void) {
    this.name = name;
    if (onDemand !== undefined) {
      this.demand = (want) => {
        this.demands.push(want);
        onDemand(want, this);
      };
    }
  }

  async run({ sink, signal }: ControlPlaneContext): Promise<void> {
    this.started.resolve(sink);
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
  }

  /** Puts resources in force; rejects when one is refused. */
  async deliver(set: readonly Resource[], remove: readonly { kind: Resource['kind']; name: string }[] = []): Promise<void> {
    const sink = await this.started.promise;
    const { rejected } = await sink.apply({ version: String(++this.version), set, remove });
    if (rejected.length > 0) throw new Error(rejected.map(({ path, reason }) => `${path}: ${reason}`).join('; '));
  }

  async absent(want: Demand): Promise<void> {
    (await this.started.promise).absent(want, 'there is no such thing');
  }
}

/** A listener whose table serves `domain` by these routes. */
export function routesOf(domain: string, routes: readonly Omit<RouteConfig, 'name'>[], policy: RequestPolicy = {}): Resource {
  const name = `out-${domain}`;
  return {
    kind: 'listener',
    name,
    value: {
      direction: 'outbound',
      name,
      routes: {
        name: domain,
        policy,
        virtualHosts: [
          { name: domain, domains: [domain], routes: routes.map((route, index) => ({ name: `${domain}-${index}`, ...route })) },
        ],
      },
    },
  };
}

/** A listener that sends every request for `domain` to one cluster. */
export function allTo(domain: string, cluster: string, policy: RequestPolicy = {}): Resource {
  return routesOf(domain, [{ match: {}, action: { kind: 'forward', to: [{ cluster, weight: 1 }] } }], policy);
}

/** An endpoint from `host:port` or the path of a unix socket. */
export function endpointAt(address: string, more: Partial<EndpointConfig> = {}): EndpointConfig {
  if (address.startsWith('/')) return { address, port: 0, ...more };
  const colon = address.lastIndexOf(':');
  return { address: address.slice(0, colon), port: Number(address.slice(colon + 1)), ...more };
}

/** A cluster of fixed endpoints. */
export function staticCluster(
  name: string,
  endpoints: readonly EndpointConfig[],
  more: Partial<ClusterConfig> = {},
): Extract<Resource, { kind: 'cluster' }> {
  return {
    kind: 'cluster',
    name,
    value: {
      name,
      discovery: { kind: 'static', localities: [{ locality: {}, priority: 0, endpoints }] },
      loadBalancing: { policy: 'round-robin' },
      ...more,
    },
  };
}

/** A mesh in which `orders` is one cluster of these addresses, with fields that a file cannot say. */
export async function clusterPlane(
  addresses: readonly string[],
  more: Partial<ClusterConfig>,
  options: Omit<MeshOptions, 'controlPlane'> = {},
): Promise<Mesh> {
  const plane = new TestControlPlane();
  const mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 100, ...options });
  await plane.deliver([
    allTo('orders', 'orders'),
    staticCluster(
      'orders',
      addresses.map((address) => endpointAt(address)),
      more,
    ),
  ]);
  return mesh;
}

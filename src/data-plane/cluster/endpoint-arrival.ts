import { MeshError } from '../../base/errors.ts';
import { afterReading, type Clock } from '../../base/runtime.ts';
import { EndpointWaiters } from './endpoint-waiters.ts';

/** An aggregate looks past a member for so long when its endpoints did not come. */
const askAgainAfterMs = 10_000;

/** To build so many hosts for the first time, and the pickers for them, takes milliseconds, as the first request of a process does. */
const manyHosts = 100;

/** What a cluster whose endpoints are delivered on demand knows of their coming. */
export interface AwaitedCluster {
  readonly name: string;
  readonly source: string;
  readonly hasEndpoints: boolean;
}

/** What asks for endpoints. */
interface ArrivalDependencies {
  readonly clock: Clock;
  demandEndpoints(source: string, cluster: string): string | undefined;
}

/** The coming of the endpoints of one cluster: who waits for it, and whether it was waited for in vain. */
export class EndpointArrival {
  private readonly cluster: AwaitedCluster;
  private readonly dependencies: ArrivalDependencies;
  private readonly waiters = new EndpointWaiters();
  /** Until then an aggregate looks past the cluster: its endpoints did not come when they were waited for. */
  private askAgainMs = 0.1;

  constructor(cluster: AwaitedCluster, dependencies: ArrivalDependencies) {
    this.cluster = cluster;
    this.dependencies = dependencies;
  }

  /** Whether they have not been waited for in vain just now. */
  isWorthAsking(nowMs: number): boolean {
    return nowMs >= this.askAgainMs;
  }

  /** They are there, so many: those who wait go on, after a turn of the event loop where building them was the work of this one. */
  came(hosts: number): void {
    if (hosts > manyHosts && this.waiters.areSome) afterReading(this.dependencies.clock, () => this.waiters.wake());
    else this.waiters.wake();
  }

  /** Their source said that there are none: those who wait ask once more, and hear the reason. */
  wake(): void {
    this.waiters.wake();
  }

  /** The work, by which they come; that it failed is remembered unless the caller gave up. */
  async expect(work: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
    try {
      await work;
    } catch (error) {
      if (signal?.aborted !== true) this.askAgainMs = this.dependencies.clock.now() + askAgainAfterMs;
      throw error;
    }
  }

  /** Asks for them and waits. Rejects with the reason when there are none, with MESH_CONFIG_TIMEOUT, or when the signal aborts. */
  async whenDelivered(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    const { clock } = this.dependencies;
    const { name, source } = this.cluster;
    const absence = this.dependencies.demandEndpoints(source, name);
    if (absence !== undefined) {
      const what = `cluster "${name}" has no endpoints: ${absence}`;
      throw new MeshError('MESH_NO_HEALTHY_ENDPOINT', what, { cluster: name });
    }
    await this.waiters.wait(clock, timeoutMs, signal, () => {
      const what = `the endpoints of cluster "${name}" did not arrive from ${source} within ${timeoutMs} ms`;
      return new MeshError('MESH_CONFIG_TIMEOUT', `${what}; see mesh.status()`, { cluster: name });
    });
    // Woken without endpoints: the source said that there are none.
    if (!this.cluster.hasEndpoints) await this.whenDelivered(timeoutMs, signal);
  }
}

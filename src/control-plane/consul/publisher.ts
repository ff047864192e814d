/**
 * Turns the state of all watches into updates. Changes that come while the sink is busy are put into one update, so that a hundred
 * first answers rebuild the route table a few times and not a hundred; a change of instances alone is an update of endpoints alone.
 */
import type { ConfigSink, ConfigUpdate, HostDefaults } from '../../model/contracts.ts';
import type { Resource, ResourceKey } from '../../model/snapshot.ts';
import { clusterNameOf, type ServiceTarget } from './service-target.ts';
import { clusterOf, routeTableOf, type TranslatedInstances } from './translate.ts';

interface Published {
  readonly target: ServiceTarget;
  readonly instances: TranslatedInstances;
  readonly version: string;
}

export class Publisher {
  readonly #source: string;
  readonly #domain: string;
  readonly #sink: ConfigSink;
  readonly #defaults: () => HostDefaults | undefined;
  readonly #services = new Map<string, Published>();
  /** Clusters whose endpoints are to be delivered. */
  readonly #changed = new Set<string>();
  /** Clusters to be delivered or removed, with the route table. */
  readonly #added = new Set<string>();
  readonly #removed = new Set<string>();
  #version = 0n;
  #flushing: Promise<void> | undefined;

  /** `defaults` are read again for every update. */
  constructor(source: string, domain: string, sink: ConfigSink, defaults: () => HostDefaults | undefined = () => undefined) {
    this.#source = source;
    this.#domain = domain;
    this.#sink = sink;
    this.#defaults = defaults;
  }

  /** Delivers the instances of a service; resolves when the sink has taken them. */
  put(target: ServiceTarget, instances: TranslatedInstances, index: bigint): Promise<void> {
    const cluster = clusterNameOf(target, this.#domain);
    if (!this.#services.has(cluster)) {
      this.#added.add(cluster);
      this.#removed.delete(cluster);
    }
    this.#services.set(cluster, { target, instances, version: String(index) });
    this.#changed.add(cluster);
    if (index > this.#version) this.#version = index;
    return this.#flush();
  }

  /** Delivers a service once more, with its route: somebody waits for what was delivered before. */
  repeat(target: ServiceTarget): Promise<void> {
    const cluster = clusterNameOf(target, this.#domain);
    if (!this.#services.has(cluster)) return Promise.resolve();
    this.#added.add(cluster);
    this.#changed.add(cluster);
    return this.#flush();
  }

  /** Delivers every service once more: the defaults are others. */
  repeatAll(): Promise<void> {
    for (const cluster of this.#services.keys()) {
      this.#added.add(cluster);
      this.#changed.add(cluster);
    }
    return this.#services.size === 0 ? Promise.resolve() : this.#flush();
  }

  /** Takes a service back that nobody asks for any more. */
  drop(target: ServiceTarget): Promise<void> {
    const cluster = clusterNameOf(target, this.#domain);
    if (!this.#services.delete(cluster)) return Promise.resolve();
    this.#changed.delete(cluster);
    this.#added.delete(cluster);
    this.#removed.add(cluster);
    return this.#flush();
  }

  #flush(): Promise<void> {
    this.#flushing ??= this.#run();
    return this.#flushing;
  }

  async #run(): Promise<void> {
    // First a turn, so that `#flushing` is set before it is cleared.
    await Promise.resolve();
    try {
      while (this.#changed.size > 0 || this.#removed.size > 0) await this.#sink.apply(this.#takeUpdate());
    } finally {
      // In the same turn as the last look, or a change that comes in between would wait for the next one.
      this.#flushing = undefined;
    }
  }

  #takeUpdate(): ConfigUpdate {
    const set: Resource[] = [];
    const routesChanged = this.#added.size > 0 || this.#removed.size > 0;
    if (routesChanged) set.push(...this.#routing());
    const unhonoured = [];
    for (const name of this.#changed) {
      const published = this.#services.get(name);
      if (published === undefined) continue;
      const { target, instances, version } = published;
      if (this.#added.has(name))
        set.push({ kind: 'cluster', name, version, value: clusterOf(target, this.#domain, this.#defaults()) });
      set.push({ kind: 'endpoints', name, version, value: instances.endpoints });
      unhonoured.push(...instances.problems);
    }
    const remove = [...this.#removed].flatMap((name): ResourceKey[] => [
      { kind: 'cluster', name },
      { kind: 'endpoints', name },
    ]);
    this.#changed.clear();
    this.#added.clear();
    this.#removed.clear();
    return { version: String(this.#version), set, remove, ...(unhonoured.length > 0 && { unhonoured }) };
  }

  #routing(): Resource[] {
    const name = this.#source;
    const targets = [...this.#services.values()].map(({ target }) => target);
    return [
      { kind: 'listener', name, value: { direction: 'outbound', name, routes: name } },
      {
        kind: 'route-table',
        name,
        version: String(this.#version),
        value: routeTableOf(name, targets, this.#domain, this.#defaults()),
      },
    ];
  }
}

import type { ApplyResult, ConfigSink, ConfigUpdate, ControlPlaneStatus, Demand } from '../../src/model/contracts.ts';
import type { EndpointConfig } from '../../src/model/cluster.ts';

/** A sink that accepts everything and remembers it; tests wait for what they expect. */
export class RecordingSink implements ConfigSink {
  readonly updates: ConfigUpdate[] = [];
  readonly absents: { readonly want: Demand; readonly reason: string }[] = [];
  readonly statuses: ControlPlaneStatus[] = [];
  readonly #listeners = new Set<() => void>();

  apply(update: ConfigUpdate): Promise<ApplyResult> {
    this.updates.push(update);
    this.#changed();
    return Promise.resolve({ accepted: update.set.map(({ kind, name }) => ({ kind, name })), rejected: [], unhonoured: [] });
  }

  absent(want: Demand, reason: string): void {
    this.absents.push({ want, reason });
    this.#changed();
  }

  status(status: ControlPlaneStatus): void {
    this.statuses.push(status);
    this.#changed();
  }

  /** The endpoints of a cluster as they are now; undefined before the first ones and after removal. */
  endpoints(cluster: string): readonly EndpointConfig[] | undefined {
    for (const update of this.updates.toReversed()) {
      if (update.remove.some(({ kind, name }) => kind === 'endpoints' && name === cluster)) return undefined;
      for (const { kind, name, value } of update.set) {
        if (kind === 'endpoints' && name === cluster) return value.localities.flatMap(({ endpoints }) => endpoints);
      }
    }
    return undefined;
  }

  /** Resolves with the first value that is not undefined or false, asked again at each change. */
  until<T>(read: (sink: this) => T | undefined | false): Promise<T> {
    return new Promise((resolve) => {
      const look = (): void => {
        const value = read(this);
        if (value === undefined || value === false) return;
        this.#listeners.delete(look);
        resolve(value);
      };
      this.#listeners.add(look);
      look();
    });
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** Ways in: which of them were asked for by name, and which of those that were read are complete. */
import type { InboundListenerConfig } from '../../../model/listener.ts';
import type { KeptKind } from './kept-resources.ts';

export class WaysIn {
  private readonly absences: Readonly<Record<KeptKind, ReadonlyMap<string, string>>>;
  /** How many ports that are listened on need the listener of this name. */
  private readonly wanted = new Map<string, number>();
  private last: ReadonlyMap<string, InboundListenerConfig> = new Map();

  constructor(absences: Readonly<Record<KeptKind, ReadonlyMap<string, string>>>) {
    this.absences = absences;
  }

  /** Adds one until the signal aborts; calls back when it does. */
  add(name: string, until: AbortSignal, onEnd: () => void): void {
    this.wanted.set(name, (this.wanted.get(name) ?? 0) + 1);
    const end = (): void => {
      const left = (this.wanted.get(name) ?? 1) - 1;
      if (left > 0) this.wanted.set(name, left);
      else this.wanted.delete(name);
      onEnd();
    };
    until.addEventListener('abort', end, { once: true });
  }

  has(name: string): boolean {
    return this.wanted.has(name);
  }

  names(): readonly string[] {
    return [...this.wanted.keys()];
  }

  /**
   * Those that may be in force. One whose route table has yet to come keeps its last version (Envoy warms a listener so), and without
   * one it is not there: the table may have rules that refuse.
   */
  ready(read: readonly InboundListenerConfig[]): readonly InboundListenerConfig[] {
    const ready = read.flatMap((way) => (this.isAwaited(way) ? (this.last.get(way.name) ?? []) : way));
    this.last = new Map(ready.map((way) => [way.name, way]));
    return ready;
  }

  private isAwaited({ filterChains }: InboundListenerConfig): boolean {
    return filterChains.some(({ routes }) => typeof routes === 'string' && !this.absences['route-table'].has(routes));
  }
}

/** Clusters that the way in asks: authorizers, and where keys of tokens are. */
export function clustersOfWaysIn(waysIn: readonly InboundListenerConfig[]): readonly string[] {
  return waysIn.flatMap(({ filterChains }) =>
    filterChains.flatMap(({ externalAuthorizers = [], jwt = [] }) => [
      ...externalAuthorizers.map(({ cluster }) => cluster),
      ...jwt.flatMap(({ jwks }) => (jwks.kind === 'remote' && jwks.cluster !== undefined ? [jwks.cluster] : [])),
    ]),
  );
}

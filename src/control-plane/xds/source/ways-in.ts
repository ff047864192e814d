/** Ways in: which of them are asked for by name, and which of those that were read are complete. */
import type { InboundListenerConfig, ListenedPort } from '../../../model/listener.ts';
import type { XdsSourceOptions } from '../source.ts';
import type { KeptKind } from './kept-resources.ts';
import type { Listeners } from './listeners.ts';

/** What they are found by. */
export interface WaysInParts {
  readonly options: Pick<XdsSourceOptions, 'mode' | 'serverListenerName'>;
  readonly listeners: Listeners;
  readonly absences: Readonly<Record<KeptKind, ReadonlyMap<string, string>>>;
}

export class WaysIn {
  private readonly parts: WaysInParts;
  private readonly onChange: () => void;
  /** How many ports that are listened on need the listener of this name. */
  private readonly wanted = new Map<string, number>();
  private last: ReadonlyMap<string, InboundListenerConfig> = new Map();

  /** `onChange` is called when other names are wanted. */
  constructor(parts: WaysInParts, onChange: () => void) {
    this.parts = parts;
    this.onChange = onChange;
  }

  /** A port is listened on, until the signal aborts. */
  listening(at: ListenedPort, until: AbortSignal): void {
    const name = this.parts.options.serverListenerName?.(at);
    if (name === undefined || until.aborted) return;
    this.wanted.set(name, (this.wanted.get(name) ?? 0) + 1);
    const end = (): void => {
      const left = (this.wanted.get(name) ?? 1) - 1;
      if (left > 0) this.wanted.set(name, left);
      else this.wanted.delete(name);
      this.onChange();
    };
    until.addEventListener('abort', end, { once: true });
    this.onChange();
  }

  /** Whether what may come in is this source's business: a server that has told all of its listeners and no way in says nothing of it. */
  get isGuarding(): boolean {
    const { options, listeners } = this.parts;
    if (options.mode === 'proxyless') return options.serverListenerName !== undefined;
    return !listeners.isComplete || listeners.inbound().length > 0;
  }

  /** Whether a listener of this name was asked for. */
  has(name: string): boolean {
    return this.wanted.has(name);
  }

  /** Names of the listeners that are, or may be, ways in. */
  names(): readonly string[] {
    return this.parts.options.mode === 'sidecar' ? this.parts.listeners.inbound() : [...this.wanted.keys()];
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
    return filterChains.some(({ routes }) => typeof routes === 'string' && !this.parts.absences['route-table'].has(routes));
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

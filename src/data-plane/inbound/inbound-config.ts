/**
 * The ways in of all sources, compiled: which listener holds for a port, and whether one is still to come. What did not change keeps its
 * compiled chain; endpoints that come and go on the way out change nothing here.
 */
import type { Problem } from '../../model/contracts.ts';
import type { FilterChainConfig, InboundListenerConfig, ListenedPort } from '../../model/listener.ts';
import type { RouteTableConfig } from '../../model/route.ts';
import type { Snapshot, SourceSnapshot } from '../../model/snapshot.ts';
import { compileChain, type CompiledChain } from './compile-chain.ts';
import type { InboundParts } from './inbound-parts.ts';

/** A listener with its chains ready. */
export interface CompiledListener {
  readonly config: InboundListenerConfig;
  readonly source: string;
  readonly version: string;
  readonly chains: readonly CompiledChain[];
}

/** What is known of a source beside its resources. */
export interface InboundSources {
  /** Whether it says what may come in: until it has a way in, nothing does. */
  guards(source: string): boolean;
  /** Whether it is asked for each port by itself: one that it has not spoken of is still to come, whatever it said of others. */
  isAskedByPort(source: string): boolean;
  /** This process listens on a port: sources that are asked by port say what may come in there, until what it returns is called. */
  listening(at: ListenedPort): () => void;
  /** What was refused of it: a way in that is among them is still to come. */
  rejected(source: string): readonly Problem[];
}

interface CompiledSource {
  readonly name: string;
  readonly snapshot: SourceSnapshot;
  /** By port; `0` = those that have none of their own. */
  readonly listeners: ReadonlyMap<number, CompiledListener>;
  /** What no listener of it holds for is refused. */
  readonly isAwaited: boolean;
}

/** The ways in that are in force. */
export class InboundConfig {
  private readonly parts: InboundParts;
  private readonly known: InboundSources;
  private sources: readonly CompiledSource[] = [];
  private readonly listeners = new Set<() => void>();
  /** Counts the changes: whoever keeps what it found here looks again when this is another number. */
  generation = 1;
  /** See {@link shut}. */
  isShut = false;

  constructor(parts: InboundParts, known: InboundSources) {
    this.parts = parts;
    this.known = known;
  }

  /** Puts a snapshot in force. Never throws: a chain that cannot be compiled refuses everything. */
  apply(snapshot: Snapshot): void {
    const before = new Map(this.sources.map((source) => [source.name, source]));
    const sources = snapshot.sources.map((source) => this.compileSource(source, before.get(source.source)));
    const isSame =
      sources.length === this.sources.length &&
      sources.every(({ listeners, isAwaited }, index) => {
        const old = this.sources[index]!;
        return old.listeners === listeners && old.isAwaited === isAwaited;
      });
    this.sources = sources;
    if (isSame) return;
    this.generation += 1;
    for (const listener of this.listeners) listener();
  }

  /**
   * What holds for a port: of the first source that has a listener for it, the one of this very port or else the one of all ports.
   * `'awaited'` = a source that guards ports has yet to say; `'missing'` = nobody says anything.
   */
  chainsOf(port: number): CompiledListener | 'missing' | 'awaited' {
    for (const { listeners, isAwaited } of this.sources) {
      const exact = listeners.get(port);
      if (exact !== undefined) return exact;
      if (isAwaited) return 'awaited';
      const all = listeners.get(0);
      if (all !== undefined) return all;
    }
    return 'missing';
  }

  /** Whether any source says what may come in: a port that it leaves out was hardly meant to be open to everybody. */
  get isGuarded(): boolean {
    return this.sources.some(({ name }) => this.known.guards(name));
  }

  /** The mesh is closed: servers that somebody else owns get nothing more through it. */
  shut(): void {
    this.isShut = true;
    this.generation += 1;
    for (const listener of this.listeners) listener();
  }

  /** Calls back after each change; returns what ends that. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Every listener, for `mesh.status()`. */
  all(): readonly CompiledListener[] {
    return this.sources.flatMap(({ listeners }) => [...listeners.values()]);
  }

  private compileSource(source: SourceSnapshot, before: CompiledSource | undefined): CompiledSource {
    const { source: name } = source;
    const configs = [...source.listeners.values()].filter((listener) => listener.direction === 'inbound');
    const { known } = this;
    const isAwaited = known.guards(name) && (known.isAskedByPort(name) || configs.length === 0 || this.lacksOne(source));
    const isSame = before !== undefined && isSameInbound(before, configs, source.routeTables);
    const listeners = isSame ? before.listeners : this.compileListeners(configs, source, before);
    return { name, snapshot: source, listeners, isAwaited };
  }

  /** A listener was refused of which there is no earlier version: it may be a way in, and what it says is not known. */
  private lacksOne({ source, listeners }: SourceSnapshot): boolean {
    return this.known.rejected(source).some(({ key }) => key.kind === 'listener' && !listeners.has(key.name));
  }

  private compileListeners(
    configs: readonly InboundListenerConfig[],
    source: SourceSnapshot,
    before: CompiledSource | undefined,
  ): ReadonlyMap<number, CompiledListener> {
    const compiled = new Map<number, CompiledListener>();
    for (const config of configs) {
      const port = config.port ?? 0;
      // The first of two counts, as on the way out.
      if (compiled.has(port)) continue;
      const old = before?.listeners.get(port);
      const chains = config.filterChains.map((chain, index) =>
        this.compile(chain, config.name, index, source, old?.chains[index]),
      );
      compiled.set(port, { config, source: source.source, version: source.version, chains });
    }
    return compiled;
  }

  private compile(
    chain: FilterChainConfig,
    listener: string,
    index: number,
    { source, version, routeTables }: SourceSnapshot,
    before: CompiledChain | undefined,
  ): CompiledChain {
    const table = namedTable(chain, routeTables);
    if (before !== undefined && before.config === chain && before.place.table === table) return before;
    return compileChain(chain, { source, version, listener, index, table }, this.parts);
  }
}

function namedTable({ routes }: FilterChainConfig, tables: ReadonlyMap<string, RouteTableConfig>): RouteTableConfig | undefined {
  return typeof routes === 'string' ? tables.get(routes) : undefined;
}

/** The store keeps the object of what did not change. */
function isSameInbound(
  before: CompiledSource,
  configs: readonly InboundListenerConfig[],
  tables: ReadonlyMap<string, RouteTableConfig>,
): boolean {
  const old = [...before.snapshot.listeners.values()].filter((listener) => listener.direction === 'inbound');
  return (
    old.length === configs.length &&
    configs.every(
      (config, index) =>
        config === old[index] &&
        config.filterChains.every((chain) => namedTable(chain, tables) === namedTable(chain, before.snapshot.routeTables)),
    )
  );
}

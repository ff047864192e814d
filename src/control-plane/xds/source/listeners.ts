/** The listeners that are kept: of each, where it is bound and which route tables it names; read anew when somebody needs it. */
import { readListener, type ReadListener, type ReadOptions } from '../translate/received.ts';
import type { KeptResources } from './kept-resources.ts';
import { boundAddresses } from './route-table-bytes.ts';

/** What a listener is found by. */
interface Digest {
  readonly bytes: Uint8Array;
  readonly addresses: readonly string[];
  readonly ways: readonly { readonly port: number | undefined; readonly table: string | undefined }[];
  readonly isInbound: boolean;
  /** Cluster of the connections that no other listener takes. */
  readonly catchAll: string | undefined;
  /** Of one of raw TCP: its port. */
  readonly rawPort: number | undefined;
  readonly extensionNames: readonly string[];
  readonly inboundTableNames: readonly string[];
}

/** What is looked up again and again. */
interface Index {
  readonly revision: number;
  readonly ports: ReadonlyMap<number, readonly BoundWay[]>;
  readonly inbound: readonly string[];
  readonly catchAll: { readonly resource: string; readonly cluster: string } | undefined;
  readonly raw: ReadonlyMap<number, string>;
}

/** A listener that is kept, and names what is delivered apart. */
export interface NamingListener {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** A way out through a listener. */
export interface BoundWay {
  /** Name of the resource. */
  readonly resource: string;
  /** Which of its ways out. */
  readonly index: number;
  /** Where it is bound; empty or unspecified = every address. */
  readonly addresses: readonly string[];
  /** Name of its route table; undefined = it brings its own. */
  readonly table: string | undefined;
}

export class Listeners {
  private readonly kept: KeptResources;
  private readonly options: ReadOptions;
  private readonly digests = new Map<string, Digest>();
  private lastIndex: Index | undefined = undefined;
  private readonly reads = new Map<string, { readonly bytes: Uint8Array; readonly read: ReadListener }>();

  constructor(kept: KeptResources, options: ReadOptions) {
    this.kept = kept;
    this.options = options;
  }

  /** Whether the server has said which there are. */
  get isComplete(): boolean {
    return this.kept.isComplete;
  }

  /** The ways out to a port. */
  ofPort(port: number): readonly BoundWay[] {
    return this.index.ports.get(port) ?? [];
  }

  /** Ports that there are ways out to, in order. */
  ports(): readonly number[] {
    return [...this.index.ports.keys()].toSorted((a, b) => a - b);
  }

  /** Names of those that are ways in. */
  inbound(): readonly string[] {
    return this.index.inbound;
  }

  /** Where connections go that no listener takes (`use_original_dst` in Envoy), by what the server says of them. */
  catchAll(): { readonly resource: string; readonly cluster: string } | undefined {
    return this.index.catchAll;
  }

  /** Name of a listener that leads raw connections to this port on. */
  rawOfPort(port: number): string | undefined {
    return this.index.raw.get(port);
  }

  /** The ways out of one listener. */
  ofName(name: string): readonly BoundWay[] | undefined {
    const bytes = this.kept.bytesOf(name);
    if (bytes === undefined) return undefined;
    const { ways, addresses } = this.digest(name, bytes);
    return ways.map(({ table }, index) => ({ resource: name, index, addresses, table }));
  }

  /** The listener itself. What is read stays until {@link retain}. */
  read(name: string): ReadListener | undefined {
    const bytes = this.kept.bytesOf(name);
    if (bytes === undefined) return undefined;
    const known = this.reads.get(name);
    if (known?.bytes === bytes) return known.read;
    const read = readListener(bytes, this.options);
    this.reads.set(name, { bytes, read });
    return read;
  }

  /** Drops what was read of all others. */
  retain(names: ReadonlySet<string>): void {
    for (const name of this.reads.keys()) if (!names.has(name)) this.reads.delete(name);
    for (const name of this.digests.keys()) if (!this.kept.has(name)) this.digests.delete(name);
  }

  /** A filter that is delivered apart changed: whoever names it is read anew. */
  extensionChanged(extension: string): void {
    for (const [name, { extensionNames }] of this.digests) if (extensionNames.includes(extension)) this.reads.delete(name);
  }

  /** A route table changed: the ways in that name it are read anew, since it is a part of their chains. */
  tableChanged(table: string): void {
    for (const [name, { inboundTableNames }] of this.digests) if (inboundTableNames.includes(table)) this.reads.delete(name);
  }

  /** Those that name a filter that is delivered apart. */
  naming(extension: string): readonly NamingListener[] {
    return this.those(({ extensionNames }) => extensionNames.includes(extension));
  }

  /** The ways in that name a route table. */
  namingTable(table: string): readonly NamingListener[] {
    return this.those(({ inboundTableNames }) => inboundTableNames.includes(table));
  }

  private those(test: (digest: Digest) => boolean): readonly NamingListener[] {
    const found: NamingListener[] = [];
    for (const [name, digest] of this.digests)
      if (test(digest) && this.kept.bytesOf(name) === digest.bytes) found.push({ name, bytes: digest.bytes });
    return found;
  }

  /** Notes what was read when the bytes were checked, so that it is not read again for its digest. */
  note(name: string, bytes: Uint8Array, read: ReadListener): void {
    this.digests.set(name, digestOf(bytes, read));
    if (this.reads.has(name)) this.reads.set(name, { bytes, read });
  }

  /** Made anew when any listener changed. */
  private get index(): Index {
    if (this.lastIndex?.revision !== this.kept.revision) this.lastIndex = this.makeIndex();
    return this.lastIndex;
  }

  private makeIndex(): Index {
    const ports = new Map<number, BoundWay[]>();
    const inbound: string[] = [];
    const raw = new Map<number, string>();
    let catchAll: Index['catchAll'];
    for (const { name, bytes } of this.kept.all()) {
      if (bytes === undefined) continue;
      const { ways, addresses, isInbound, catchAll: cluster, rawPort } = this.digest(name, bytes);
      if (rawPort !== undefined) raw.set(rawPort, name);
      if (isInbound) inbound.push(name);
      if (cluster !== undefined) catchAll ??= { resource: name, cluster };
      for (const [index, { port, table }] of ways.entries()) {
        if (port === undefined) continue;
        const list = ports.get(port) ?? [];
        list.push({ resource: name, index, addresses, table });
        ports.set(port, list);
      }
    }
    return { revision: this.kept.revision, ports, inbound, catchAll, raw };
  }

  private digest(name: string, bytes: Uint8Array): Digest {
    let digest = this.digests.get(name);
    if (digest?.bytes !== bytes) {
      digest = digestOf(bytes, readListener(bytes, this.options));
      this.digests.set(name, digest);
    }
    return digest;
  }
}

function digestOf(bytes: Uint8Array, read: ReadListener): Digest {
  const { outbound, inbound, extensionNames, inboundTableNames, catchAllCluster, rawPort } = read;
  return {
    bytes,
    addresses: boundAddresses(bytes),
    ways: outbound.map(({ port, routes }) => ({ port, table: typeof routes === 'string' ? routes : undefined })),
    isInbound: inbound.length > 0,
    catchAll: catchAllCluster,
    rawPort,
    extensionNames,
    inboundTableNames,
  };
}

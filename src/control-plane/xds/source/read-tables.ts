/** Route tables as far as they are read: what stands around the virtual hosts, and the virtual hosts that somebody needs. */
import type { RouteTableConfig, VirtualHostConfig } from '../../../model/route.ts';
import { readRouteTable, type ReadOptions } from '../translate/received.ts';
import type { KeptResources } from './kept-resources.ts';
import { nameOfVirtualHost, routeTableParts, tableOfOne } from './route-table-bytes.ts';

/** A version of a table. */
export interface ReadTable {
  readonly bytes: Uint8Array;
  readonly headBytes: Uint8Array;
  /** The table without its virtual hosts. */
  readonly head: RouteTableConfig;
  readonly hosts: readonly Uint8Array[];
  /** By name, with the bytes that they were read from. */
  readonly built: Map<string, { readonly bytes: Uint8Array; readonly value: VirtualHostConfig }>;
}

export class ReadTables {
  private readonly kept: KeptResources;
  private readonly options: ReadOptions;
  private readonly tables = new Map<string, ReadTable>();

  constructor(kept: KeptResources, options: ReadOptions) {
    this.kept = kept;
    this.options = options;
  }

  /** A table; what was built of an earlier version stays where its bytes are the same. Undefined while it is not there. */
  get(name: string): ReadTable | undefined {
    const bytes = this.kept.bytesOf(name);
    const before = this.tables.get(name);
    if (bytes === undefined) return undefined;
    if (before?.bytes === bytes) return before;
    const parts = routeTableParts(bytes);
    if (parts === undefined) return undefined;
    const isSameHead = before !== undefined && Buffer.compare(before.headBytes, parts.head) === 0;
    const head = isSameHead ? before.head : readRouteTable(parts.head, this.options).value;
    if (head === undefined) return undefined;
    const built: ReadTable['built'] = isSameHead ? before.built : new Map();
    const table: ReadTable = { bytes, headBytes: parts.head, head, hosts: parts.hosts, built };
    this.tables.set(name, table);
    return table;
  }

  /** A virtual host of the table: the same object as before where its bytes are the same. */
  virtualHost(table: ReadTable, bytes: Uint8Array): VirtualHostConfig | undefined {
    const name = nameOfVirtualHost(bytes) ?? '';
    const known = table.built.get(name);
    if (known !== undefined && Buffer.compare(known.bytes, bytes) === 0) {
      // The bytes of now: those of before would keep the whole table that they were in.
      if (known.bytes !== bytes) table.built.set(name, { bytes, value: known.value });
      return known.value;
    }
    const value = readRouteTable(tableOfOne(table.headBytes, bytes), this.options).value?.virtualHosts[0];
    if (value !== undefined) table.built.set(name, { bytes, value });
    return value;
  }

  /** Drops what was read of all others: tables, and virtual hosts of those. */
  retain(used: ReadonlyMap<string, ReadonlySet<VirtualHostConfig>>): void {
    for (const [name, { built }] of this.tables) {
      const hosts = used.get(name);
      if (hosts === undefined) this.tables.delete(name);
      else for (const [host, { value }] of built) if (!hosts.has(value)) built.delete(host);
    }
  }
}

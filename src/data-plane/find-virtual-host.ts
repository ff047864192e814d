import type { DemandBook } from './demand-book.ts';
import { parseOrigin, writtenHost, type OriginEntry } from './origin.ts';
import { isPassedOn } from './passed-on.ts';
import type { CompiledVirtualHost } from './routing/compiled-route.ts';
import type { VirtualHostTable } from './routing/virtual-hosts.ts';

/** What a source routes. */
export interface RoutedSource {
  readonly name: string;
  /** By port; `0` = all ports. */
  readonly tables: ReadonlyMap<number, VirtualHostTable<CompiledVirtualHost>>;
}

/**
 * Asks the sources in order for the host of an origin, and the last resort at the end where `takesLastResort`. Undefined while one has
 * yet to answer; an entry without a virtual host when none has it. Throws MESH_REQUEST_INVALID for what is no HTTP origin.
 */
export function findVirtualHost(
  sources: readonly RoutedSource[],
  book: DemandBook,
  origin: string,
  takesLastResort: boolean,
): OriginEntry | undefined {
  const url = parseOrigin(origin);
  let failedSource: string | undefined;
  for (const { name, tables } of sources) {
    const isLastResort = name === book.lastResort;
    // What a source that failed would have secured must not go out in plaintext.
    if (isLastResort && (failedSource !== undefined || !takesLastResort || !book.usesLastResort())) continue;
    const host = isLastResort ? writtenHost(url) : url.host;
    const { port, authority } = url;
    const virtualHost = tables.get(port)?.find(host, port, authority) ?? tables.get(0)?.find(host, port, authority);
    if (virtualHost !== undefined) {
      const only = virtualHost.onlySlot?.cluster?.config;
      if (only !== undefined && isPassedOn(only)) continue;
      return { ...url, virtualHost, isLastResort };
    }
    const answer = book.ask(name, { kind: 'authority', host, port });
    if (answer === 'pending') return undefined;
    if (answer === 'failed') failedSource ??= name;
  }
  return { ...url, virtualHost: undefined, isLastResort: false, ...(failedSource !== undefined && { failedSource }) };
}

/**
 * Which virtual host serves an authority. Order of Envoy's route configuration: exact, then the longest suffix (`*.example.org`),
 * then the longest prefix (`orders.*`), then `*`. A domain without a port serves every port; one with a port is asked first.
 */
interface DomainTable<V> {
  readonly exact: Map<string, V>;
  readonly suffixes: { readonly text: string; readonly value: V }[];
  readonly prefixes: { readonly text: string; readonly value: V }[];
  catchAll: V | undefined;
}

/** A table from authority to `V`. */
export interface VirtualHostTable<V> {
  find(host: string, port: number): V | undefined;
}

/** Builds the table. The first of two equal domains wins. */
export function createVirtualHostTable<V>(
  entries: Iterable<{ readonly domains: readonly string[]; readonly value: V }>,
): VirtualHostTable<V> {
  const table: DomainTable<V> = { exact: new Map(), suffixes: [], prefixes: [], catchAll: undefined };
  for (const { domains, value } of entries) for (const domain of domains) addDomain(table, domain.toLowerCase(), value);
  const longestFirst = (a: { text: string }, b: { text: string }): number => b.text.length - a.text.length;
  table.suffixes.sort(longestFirst);
  table.prefixes.sort(longestFirst);
  return {
    find(host, port) {
      const withPort = `${host}:${port}`;
      return (
        table.exact.get(withPort) ??
        table.exact.get(host) ??
        table.suffixes.find(({ text }) => withPort.endsWith(text) && withPort.length > text.length)?.value ??
        table.suffixes.find(({ text }) => host.endsWith(text) && host.length > text.length)?.value ??
        table.prefixes.find(({ text }) => host.startsWith(text) && host.length > text.length)?.value ??
        table.catchAll
      );
    },
  };
}

function addDomain<V>(table: DomainTable<V>, written: string, value: V): void {
  const domain = written.endsWith(':*') ? written.slice(0, -2) : written;
  if (domain === '*') table.catchAll ??= value;
  else if (domain.startsWith('*')) table.suffixes.push({ text: domain.slice(1), value });
  else if (domain.endsWith('*')) table.prefixes.push({ text: domain.slice(0, -1), value });
  else if (!table.exact.has(domain)) table.exact.set(domain, value);
}

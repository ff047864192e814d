/**
 * Which virtual host serves an authority. Order of Envoy's route configuration: exact, then the longest suffix (`*.example.org`),
 * then the longest prefix (`orders.*`), then `*`. A domain without a port serves every port, and one with a port is asked first;
 * unless the domains are meant as Envoy means them: compared with the authority as it is sent, port and all.
 */
export interface VirtualHostEntry<V> {
  readonly domains: readonly string[];
  readonly value: V;
  /** Domains are compared with the authority as it is sent. Default false. */
  readonly arePortsExact?: boolean;
}

/** A table from authority to `V`. */
export interface VirtualHostTable<V> {
  /** `authority` as in the Host header; default is the host with its port. Host and authority are lower case. */
  find(host: string, port: number, authority?: string): V | undefined;
}

/** Builds the table. The first of two equal domains wins. */
export function createVirtualHostTable<V>(entries: Iterable<VirtualHostEntry<V>>): VirtualHostTable<V> {
  const anyPort = new DomainTable<V>();
  const exactPort = new DomainTable<V>();
  for (const { domains, value, arePortsExact = false } of entries) {
    for (const domain of domains) {
      const written = domain.toLowerCase();
      if (arePortsExact) exactPort.add(written, value);
      else anyPort.add(written.endsWith(':*') ? written.slice(0, -2) : written, value);
    }
  }
  return {
    find(host, port, authority) {
      const withPort = `${host}:${port}`;
      const sent = authority ?? withPort;
      return (
        exactPort.exact.get(sent) ??
        anyPort.exact.get(withPort) ??
        anyPort.exact.get(host) ??
        exactPort.bySuffix(sent) ??
        anyPort.bySuffix(withPort) ??
        anyPort.bySuffix(host) ??
        exactPort.byPrefix(sent) ??
        anyPort.byPrefix(host) ??
        exactPort.catchAll ??
        anyPort.catchAll
      );
    },
  };
}

class DomainTable<V> {
  readonly exact = new Map<string, V>();
  private readonly suffixes = new TextsByLength<V>();
  private readonly prefixes = new TextsByLength<V>();
  catchAll: V | undefined = undefined;

  add(domain: string, value: V): void {
    if (domain === '*') this.catchAll ??= value;
    else if (domain.startsWith('*')) this.suffixes.add(domain.slice(1), value);
    else if (domain.endsWith('*')) this.prefixes.add(domain.slice(0, -1), value);
    else if (!this.exact.has(domain)) this.exact.set(domain, value);
  }

  /** What stands for `*` is never empty. */
  bySuffix(text: string): V | undefined {
    for (const length of this.suffixes.lengths) {
      if (length >= text.length) continue;
      const value = this.suffixes.values.get(text.slice(text.length - length));
      if (value !== undefined) return value;
    }
    return undefined;
  }

  byPrefix(text: string): V | undefined {
    for (const length of this.prefixes.lengths) {
      if (length >= text.length) continue;
      const value = this.prefixes.values.get(text.slice(0, length));
      if (value !== undefined) return value;
    }
    return undefined;
  }
}

/** Texts with the lengths that they have, so that a look-up takes as many steps as there are lengths, however many texts. */
class TextsByLength<V> {
  readonly values = new Map<string, V>();
  /** The longest first. */
  lengths: number[] = [];

  add(text: string, value: V): void {
    if (this.values.has(text)) return;
    this.values.set(text, value);
    if (!this.lengths.includes(text.length)) this.lengths = [...this.lengths, text.length].sort((a, b) => b - a);
  }
}

import { isDeepStrictEqual } from 'node:util';
import type { Discovery, LocalityEndpoints } from '../../model/cluster.ts';
import type { DnsAddress, DnsAnswer, DnsQuestion, DnsResolver } from '../../wire/dns.ts';

type DnsDiscovery = Extract<Discovery, { kind: 'dns' }>;

/** The endpoints of a cluster that are the addresses of a name. */
export interface DnsEndpoints {
  isFor(discovery: DnsDiscovery): boolean;
  /** Whether an answer is there, fresh or stale; a stale one is refreshed behind the request's back. */
  isKnown(nowMs: number): boolean;
  whenKnown(): Promise<void>;
  close(): void;
}

/** An answer that is staler than this is waited for rather than used: the pod behind it is most likely gone. */
const maxStaleMs = 60_000;

/** Follows a name: delivers its addresses whenever they change. Weights of SRV records are kept. */
export function createDnsEndpoints(
  discovery: DnsDiscovery,
  resolver: DnsResolver,
  deliver: (localities: readonly LocalityEndpoints[]) => void,
): DnsEndpoints {
  const question: DnsQuestion = {
    hostname: discovery.hostname,
    ...(discovery.port === undefined ? {} : { port: discovery.port }),
  };
  const family = { both: undefined, ipv4: 4, ipv6: 6 }[discovery.family ?? 'both'];
  const isOfFamily = (address: DnsAddress): boolean => address.family === family;
  let answer: DnsAnswer | undefined;
  let version = -1;
  let freshUntilMs = -1;
  const accept = (next: DnsAnswer): void => {
    answer = next;
    freshUntilMs = next.freshUntilMs;
    if (next.version === version) return;
    version = next.version;
    const wanted = family === undefined ? next.addresses : [...next.addresses, ...next.alternates].filter(isOfFamily);
    const addresses = discovery.use === 'one' ? wanted.slice(0, 1) : wanted;
    const lowest = Math.min(...addresses.map(({ priority }) => priority ?? 0));
    deliver([
      {
        locality: {},
        priority: 0,
        // SRV: only the targets of the lowest priority are used, a weight of 0 means "rarely" (RFC 2782).
        endpoints: addresses
          .filter(({ priority }) => (priority ?? 0) === lowest)
          .map(({ address, port, weight }) => ({
            address,
            port,
            ...(weight === undefined ? {} : { weight: Math.max(1, weight) }),
            ...(discovery.metadata === undefined ? {} : { metadata: discovery.metadata }),
          })),
      },
    ]);
  };
  const unwatch = resolver.watch(question, (next) => {
    if (next !== undefined) accept(next);
    else answer = undefined;
  });
  return {
    isFor: (other) =>
      other.hostname === discovery.hostname &&
      other.port === discovery.port &&
      other.use === discovery.use &&
      other.family === discovery.family &&
      isDeepStrictEqual(other.metadata, discovery.metadata),
    isKnown(nowMs) {
      if (answer !== undefined && nowMs < freshUntilMs) return true;
      const known = resolver.peek(question);
      if (known === undefined) return false;
      accept(known);
      return nowMs < known.freshUntilMs + maxStaleMs;
    },
    async whenKnown() {
      accept(await resolver.resolve(question));
    },
    close: unwatch,
  };
}

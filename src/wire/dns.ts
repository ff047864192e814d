/**
 * The DNS resolver of the mesh. What `fetch` gets from `dns.lookup` and this does not do: one look-up per connection, no TTL, a pool of
 * four threads. What it gets from there and this does too: hosts file, `localhost`, search list, `ndots` (in a Kubernetes pod
 * `http://orders` is `orders.<namespace>.svc.cluster.local`).
 *
 *   question ─> name-entry.ts (cache, single flight, refresh) ─> lookup.ts (hosts file, search list) ─> address-pair.ts (A + AAAA)
 *                                                                lookup-services.ts (SRV)             ─> name-server-client.ts
 *
 * Names come from outside, so those that nobody watches are bounded by an LRU; an address must pass address-policy.ts.
 */
import { LRUCache } from 'lru-cache';
import type { Clock, Random } from '../base/runtime.ts';
import { localAddresses } from './dns/address-family.ts';
import { refusalReason } from './dns/address-policy.ts';
import type { DnsQuestion, DnsResolver } from './dns/contract.ts';
import { hostNameFrom, literalFrom } from './dns/host-name.ts';
import { parseHostsFile } from './dns/hosts-file.ts';
import { lookupServices } from './dns/lookup-services.ts';
import { lookupHost, type Found, type LookupContext } from './dns/lookup.ts';
import { NameEntry, type EntryContext, type Inquiry } from './dns/name-entry.ts';
import { createNameServerClient, type NameServerClient } from './dns/name-server-client.ts';
import { createParsedFile } from './dns/parsed-file.ts';
import { badName, resolutionFailure, resolverClosed } from './dns/resolution-failure.ts';
import { parseResolvConf, type ResolvConf } from './dns/resolv-conf.ts';

export { refusalReason } from './dns/address-policy.ts';
export type { DnsAddress, DnsAnswer, DnsListener, DnsQuestion, DnsResolver } from './dns/contract.ts';

/** Where answers come from and how long they are believed. */
export interface DnsResolverOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Default `/etc/resolv.conf`; read again when it changes. */
  readonly resolvConfPath?: string;
  /** Default `/etc/hosts`; read again when it changes. */
  readonly hostsPath?: string;
  /** `address` or `address:port`; default those of resolv.conf, else of the system. */
  readonly servers?: readonly string[];
  /** Default those of resolv.conf. */
  readonly searchDomains?: readonly string[];
  /** Default that of resolv.conf, else 1. */
  readonly ndots?: number;
  /** Default 1000: a TTL of 0 must not mean a look-up per request. */
  readonly minTtlMs?: number;
  /** Default 300 000: how long a TTL that was set wrong can hurt. */
  readonly maxTtlMs?: number;
  /** How long after its end an answer is still returned without waiting. Default 60 000. */
  readonly staleMs?: number;
  /** How long "no such name" is believed. Default 5000, as a name may be about to appear (CoreDNS: 5 s as well). */
  readonly negativeTtlMs?: number;
  /** The whole question, all names of the search list included. Default 5000. */
  readonly timeoutMs?: number;
  /** How long the second address family is waited for once the first is there. Default 50 (RFC 8305, section 8). */
  readonly resolutionDelayMs?: number;
  /** How often SRV records are asked for again, as Node does not give their TTL. Default 30 000. */
  readonly srvRefreshMs?: number;
  /** Names kept beside those that are watched. Default 1000. */
  readonly maxNames?: number;
  /** Which addresses a name server may send us to. Default: all that {@link refusalReason} has no objection to. */
  readonly allowAddress?: (address: string) => boolean;
  /** Lets name servers send us to loopback addresses: for tests. Default false. */
  readonly allowLoopback?: boolean;
  /** Addresses of this machine, which decide the address family. Default those of its interfaces. */
  readonly localAddresses?: () => readonly string[];
}

/** Makes a resolver. Nothing is read or asked until the first question. Throws what `setServers` throws for a bad `servers`. */
export function createDnsResolver(options: DnsResolverOptions): DnsResolver {
  const { clock, random, negativeTtlMs = 5000, staleMs = 60_000, resolutionDelayMs = 50, srvRefreshMs = 30_000 } = options;
  const hosts = createParsedFile(options.hostsPath ?? '/etc/hosts', parseHostsFile, clock);
  const conf = createParsedFile(options.resolvConfPath ?? '/etc/resolv.conf', parseResolvConf, clock);
  if (options.servers !== undefined) createNameServerClient(options.servers, parseResolvConf(''));
  const watched = new Map<string, NameEntry>();
  const unwatched = new LRUCache<string, NameEntry>({ max: options.maxNames ?? 1000 });
  const closing = new AbortController();
  let isClosed = false;
  let version = 0;
  let client: NameServerClient | undefined;
  let clientConf: ResolvConf | undefined;

  const shared: EntryContext = {
    clock,
    random,
    staleMs,
    negativeTtlMs,
    minTtlMs: options.minTtlMs ?? 1000,
    maxTtlMs: options.maxTtlMs ?? 300_000,
    timeoutMs: options.timeoutMs ?? 5000,
    nextVersion: () => (version += 1),
    isClosed: () => isClosed,
  };
  const { allowAddress, allowLoopback = false } = options;
  const refuse = (address: string): string | undefined => {
    if (allowAddress === undefined) return refusalReason(address, { allowLoopback });
    return allowAddress(address) ? undefined : 'refused by allowAddress';
  };

  const contextNow = async (): Promise<LookupContext> => {
    const [table, now] = await Promise.all([hosts.current(), conf.current()]);
    if (client === undefined || clientConf !== now) {
      // Servers of a resolver cannot be changed while it has questions under way, so a changed file means another resolver.
      client = createNameServerClient(options.servers ?? now.servers, now);
      clientConf = now;
    }
    return {
      client,
      searchDomains: options.searchDomains ?? now.searchDomains,
      ndots: options.ndots ?? now.ndots,
      hosts: table,
      clock,
      resolutionDelayMs,
      staleMs,
      refusalReason: refuse,
      localAddresses: options.localAddresses ?? localAddresses,
    };
  };

  const createEntry = (question: DnsQuestion): NameEntry => {
    const { hostname, port } = question;
    const failure: Inquiry['failure'] = (outcome, tried) => resolutionFailure(hostname, outcome, tried, client?.servers ?? []);
    const literal = literalFrom(hostname);
    const name = literal === undefined ? hostNameFrom(hostname) : undefined;
    if (literal !== undefined && port !== undefined) {
      return new NameEntry(shared, { lookup: async () => foundLiteral(literal), failure }, foundLiteral(literal));
    }
    if (name === undefined) {
      const why = literal === undefined ? 'it is not a host name' : 'an address has no SRV records; give a port';
      return new NameEntry(shared, {
        lookup: async () => ({ kind: 'none', code: 'EBADNAME' }),
        failure: () => badName(hostname, why),
      });
    }
    return new NameEntry(shared, {
      failure,
      lookup: async (tried, previous) => {
        const context = await contextNow();
        if (port !== undefined) return lookupHost(name, context, tried, previous);
        return lookupServices(name, context, { srvRefreshMs, retryMs: negativeTtlMs }, tried, previous);
      },
    });
  };

  const known = (key: string): NameEntry | undefined => watched.get(key) ?? unwatched.get(key);
  const entryOf = (question: DnsQuestion, key: string): NameEntry => {
    let entry = known(key);
    if (entry === undefined) {
      entry = createEntry(question);
      unwatched.set(key, entry);
    }
    return entry;
  };

  return {
    peek(question) {
      const entry = known(keyOf(question));
      if (entry === undefined || isClosed) return undefined;
      entry.use();
      return entry.answer(question.port);
    },
    async resolve(question, signal) {
      if (isClosed) throw resolverClosed(question.hostname);
      signal?.throwIfAborted();
      const entry = entryOf(question, keyOf(question));
      entry.use();
      if (entry.mustWait()) await untilAborted(entry.refresh(), closing.signal, signal);
      if (isClosed) throw resolverClosed(question.hostname);
      const answer = entry.answer(question.port);
      if (answer !== undefined) return answer;
      throw entry.error ?? badName(question.hostname, 'the look-up had no outcome');
    },
    watch(question, listener) {
      if (isClosed) throw resolverClosed(question.hostname);
      const key = keyOf(question);
      const entry = entryOf(question, key);
      unwatched.delete(key);
      watched.set(key, entry);
      const unwatch = entry.watch(question.port, listener);
      return () => {
        unwatch();
        if (entry.isWatched || watched.get(key) !== entry) return;
        watched.delete(key);
        if (!isClosed) unwatched.set(key, entry);
      };
    },
    close() {
      isClosed = true;
      closing.abort();
      for (const entry of watched.values()) entry.stop();
      watched.clear();
      unwatched.clear();
      client?.cancel();
    },
  };
}

/** One entry per name for all ports, and one for its SRV records. */
function keyOf({ hostname, port }: DnsQuestion): string {
  return `${port === undefined ? 'SRV' : 'host'} ${hostname.toLowerCase()}`;
}

function foundLiteral(literal: { readonly address: string; readonly family: 4 | 6 }): Found {
  return {
    kind: 'found',
    addresses: [literal],
    alternates: [],
    refused: [],
    ttlMs: Number.POSITIVE_INFINITY,
    memory: { pairs: new Map() },
  };
}

/** Waits until the promise settles or a signal aborts; rejects with the reason of the caller's own signal only. */
function untilAborted(settled: Promise<void>, closing: AbortSignal, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onClose = (): void => finish(resolve);
    const onAbort = (): void => finish(() => reject(signal!.reason as Error));
    const finish = (then: () => void): void => {
      closing.removeEventListener('abort', onClose);
      signal?.removeEventListener('abort', onAbort);
      then();
    };
    closing.addEventListener('abort', onClose, { once: true });
    signal?.addEventListener('abort', onAbort, { once: true });
    void settled.then(onClose);
  });
}

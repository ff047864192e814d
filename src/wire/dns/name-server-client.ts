/**
 * Questions to the name servers, by Node's c-ares resolver: it speaks UDP and TCP itself, gives TTLs, and does not use the four threads
 * of `dns.lookup`, which a few slow look-ups fill. It does not know search lists, hosts files or caches: those are above.
 */
import { Resolver } from 'node:dns/promises';
import type { ResolvConf } from './resolv-conf.ts';

/** The answer to one question of one type. */
export type RecordAnswer<R> =
  | { readonly kind: 'records'; readonly records: readonly R[]; readonly ttlMs: number }
  /** The name server knows that there are none: ENOTFOUND = no such name, ENODATA = none of this type. */
  | { readonly kind: 'none'; readonly code: 'ENOTFOUND' | 'ENODATA' }
  /** Nothing is known: the answer may be another one next time. */
  | { readonly kind: 'failed'; readonly code: string; readonly cause: unknown };

/** An SRV record; `target` is absolute, and empty where the service is decidedly not there (RFC 2782, target "."). */
export interface ServiceRecord {
  readonly target: string;
  readonly port: number;
  readonly weight: number;
  readonly priority: number;
}

/** Asks name servers. Names are absolute, without the trailing dot. */
export interface NameServerClient {
  readonly servers: readonly string[];
  addresses(name: string, family: 4 | 6): Promise<RecordAnswer<string>>;
  /** `ttlMs` is `Infinity`: Node does not give the TTL of SRV records. */
  services(name: string): Promise<RecordAnswer<ServiceRecord>>;
  /** Ends the questions under way with ECANCELLED. */
  cancel(): void;
}

/** Wait for the first try when resolv.conf does not say: glibc's 5 s is longer than most callers wait for their whole request. */
const tryTimeoutMs = 1000;
/** Tries of each server when resolv.conf does not say; glibc's value. */
const attempts = 2;

/** A client for these servers; none = those of the system. Throws what `Resolver.setServers` throws for text that is no address. */
export function createNameServerClient(
  servers: readonly string[],
  conf: Pick<ResolvConf, 'tryTimeoutMs' | 'attempts'>,
): NameServerClient {
  const resolver = new Resolver({ timeout: conf.tryTimeoutMs ?? tryTimeoutMs, tries: conf.attempts ?? attempts });
  if (servers.length > 0) resolver.setServers(servers);
  return {
    servers: resolver.getServers(),
    addresses: (name, family) =>
      answerOf(async () => {
        // The final dot keeps the name as it is on platforms whose resolver would apply a search list of its own.
        const found = await (family === 4
          ? resolver.resolve4(`${name}.`, { ttl: true })
          : resolver.resolve6(`${name}.`, { ttl: true }));
        // Large answers may come with fewer TTLs than addresses.
        const ttlSeconds = found.reduce(
          (least, { ttl }) => Math.min(least, ttl ?? Number.POSITIVE_INFINITY),
          Number.POSITIVE_INFINITY,
        );
        return { records: found.map(({ address }) => address), ttlMs: ttlSeconds * 1000 };
      }),
    services: (name) =>
      answerOf(async () => {
        const found = await resolver.resolveSrv(`${name}.`);
        const records = found.map(({ name: target, port, weight, priority }) => ({ target, port, weight, priority }));
        return { records, ttlMs: Number.POSITIVE_INFINITY };
      }),
    cancel: () => resolver.cancel(),
  };
}

async function answerOf<R>(ask: () => Promise<{ records: readonly R[]; ttlMs: number }>): Promise<RecordAnswer<R>> {
  try {
    const { records, ttlMs } = await ask();
    // A chain of aliases that ends nowhere comes as success without records.
    return records.length === 0 ? { kind: 'none', code: 'ENODATA' } : { kind: 'records', records, ttlMs };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'EUNKNOWN';
    return code === 'ENOTFOUND' || code === 'ENODATA' ? { kind: 'none', code } : { kind: 'failed', code, cause: error };
  }
}

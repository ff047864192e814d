import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { seededRandom, yieldToLoop } from '../../../../src/base/runtime.ts';
import { createVirtualClock, type VirtualClock } from '../../../../src/testing/virtual-clock.ts';
import { createDnsResolver, type DnsResolver, type DnsResolverOptions } from '../../../../src/wire/dns.ts';
import { startDnsServer, type DnsRecord, type DnsServer } from '../../../support/dns-server.ts';

export interface Fixture {
  readonly server: DnsServer;
  readonly clock: VirtualClock;
  readonly resolver: DnsResolver;
  readonly hostsPath: string;
  readonly resolvConfPath: string;
  /** Waits, in real time, until no look-up is under way. */
  readonly idle: () => Promise<void>;
}

export interface FixtureOptions extends Omit<Partial<DnsResolverOptions>, 'servers'> {
  /** Text of the hosts file. */
  readonly hosts?: string;
  /** Text of resolv.conf. */
  readonly resolvConf?: string;
  /** Default the test's server; undefined = those of resolv.conf. */
  readonly servers?: readonly string[] | undefined;
}

/** A resolver in virtual time against a real DNS server, with a hosts file and a resolv.conf of its own. */
export async function startFixture(t: TestContext, options: FixtureOptions = {}): Promise<Fixture> {
  const { hosts = '', resolvConf = '', servers, ...resolverOptions } = options;
  const directory = await mkdtemp(join(tmpdir(), 'meshfetch-dns-'));
  const hostsPath = join(directory, 'hosts');
  const resolvConfPath = join(directory, 'resolv.conf');
  await Promise.all([writeFile(hostsPath, hosts), writeFile(resolvConfPath, resolvConf)]);
  const server = await startDnsServer();
  const clock = createVirtualClock();
  const underWay = { count: 0 };
  const resolver = createDnsResolver({
    clock: {
      ...clock,
      setTimer(callback, delayMs) {
        // Each look-up runs under a timer of `timeoutMs`, which ends with it.
        if (delayMs !== (options.timeoutMs ?? 5000)) return clock.setTimer(callback, delayMs);
        underWay.count += 1;
        const end = (): number => (underWay.count -= 1);
        const timer = clock.setTimer(() => {
          end();
          callback();
        }, delayMs);
        return { cancel: () => void (timer.cancel(), end()) };
      },
    },
    random: seededRandom(1),
    hostsPath,
    resolvConfPath,
    localAddresses: () => ['192.0.2.10'],
    ...resolverOptions,
    ...('servers' in options ? servers !== undefined && { servers } : { servers: [server.address] }),
  });
  t.after(async () => {
    resolver.close();
    await server.close();
    await rm(directory, { recursive: true });
  });
  return { server, clock, resolver, hostsPath, resolvConfPath, idle: () => until(() => underWay.count === 0) };
}

/** Records of type A with one TTL, in seconds. */
export function a(ttl: number, ...addresses: readonly string[]): readonly DnsRecord[] {
  return addresses.map((address) => ({ type: 'A', address, ttl }));
}

/** Records of type AAAA with one TTL, in seconds. */
export function aaaa(ttl: number, ...addresses: readonly string[]): readonly DnsRecord[] {
  return addresses.map((address) => ({ type: 'AAAA', address, ttl }));
}

/** The plain addresses of an answer. */
export function plain(
  answer: { readonly addresses: readonly { readonly address: string }[] } | undefined,
): readonly string[] | undefined {
  return answer?.addresses.map(({ address }) => address);
}

/** Lets sockets and promises go on, in real time, until the condition holds; the test's own time limit ends a wait in vain. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await yieldToLoop();
}

/** Goes on in virtual time, a millisecond a turn of the event loop, until the promise settles. */
export async function advanceUntil<T>(promise: Promise<T>, clock: VirtualClock): Promise<T> {
  const state = { isSettled: false };
  const settle = (): void => void (state.isSettled = true);
  promise.then(settle, settle);
  while (!state.isSettled) await clock.advance(1);
  return promise;
}

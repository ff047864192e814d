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
}

/** A resolver in virtual time against a real DNS server, with a hosts file and a resolv.conf of its own. */
export async function startFixture(
  t: TestContext,
  options: Partial<DnsResolverOptions> & { readonly hosts?: string; readonly resolvConf?: string } = {},
): Promise<Fixture> {
  const { hosts = '', resolvConf = '', ...resolverOptions } = options;
  const directory = await mkdtemp(join(tmpdir(), 'meshfetch-dns-'));
  const hostsPath = join(directory, 'hosts');
  const resolvConfPath = join(directory, 'resolv.conf');
  await Promise.all([writeFile(hostsPath, hosts), writeFile(resolvConfPath, resolvConf)]);
  const server = await startDnsServer();
  const clock = createVirtualClock();
  const resolver = createDnsResolver({
    clock,
    random: seededRandom(1),
    hostsPath,
    resolvConfPath,
    servers: [server.address],
    localAddresses: () => ['192.0.2.10'],
    ...resolverOptions,
  });
  t.after(async () => {
    resolver.close();
    await server.close();
    await rm(directory, { recursive: true });
  });
  return { server, clock, resolver, hostsPath, resolvConfPath };
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

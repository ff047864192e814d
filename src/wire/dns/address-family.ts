/**
 * Which address family of a name is used. A name with both is common on machines that have no way to the IPv6 internet: then every
 * connection to an AAAA address waits for a time-out. Races per connection (RFC 8305) do not suit a balancer, which needs one
 * address per instance, so the choice is made per answer, by what addresses this machine has itself: source and destination must be
 * of one kind (RFC 6724, rules 1 and 5). A family in use is kept while it has addresses, since changing it drops every connection.
 */
import { networkInterfaces } from 'node:os';
import { BlockList, isIPv6 } from 'node:net';

/** One answer's addresses, parted. */
export interface FamilyChoice {
  readonly family: 4 | 6;
  readonly addresses: readonly string[];
  readonly alternates: readonly string[];
}

const uniqueLocal = new BlockList();
uniqueLocal.addSubnet('fc00::', 7, 'ipv6');
const globalUnicast = new BlockList();
globalUnicast.addSubnet('2000::', 3, 'ipv6');

/** The addresses of this machine's interfaces, for {@link chooseFamily}. */
export function localAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((interfaces) => interfaces?.map(({ address }) => address) ?? []);
}

/**
 * Parts the addresses of a name into those to use and the rest. IPv6 comes first when this machine has an address of the same kind
 * (global for global, unique-local for unique-local; or the very address, as `::1`), unless `inUse` is IPv4 and still there. IPv6 of another kind is used only
 * where there is nothing else.
 */
export function chooseFamily(
  ipv4: readonly string[],
  ipv6: readonly string[],
  local: readonly string[],
  inUse?: 4 | 6,
): FamilyChoice {
  const own = {
    global: local.some((address) => isKind(globalUnicast, address)),
    unique: local.some((address) => isKind(uniqueLocal, address)),
  };
  const reachable = ipv6.filter(
    (address) =>
      (own.global && isKind(globalUnicast, address)) || (own.unique && isKind(uniqueLocal, address)) || local.includes(address),
  );
  const useIpv6 = ipv4.length === 0 || (reachable.length > 0 && inUse !== 4);
  if (!useIpv6) return { family: 4, addresses: ipv4, alternates: ipv6 };
  if (reachable.length === 0) return { family: 6, addresses: ipv6, alternates: [] };
  return { family: 6, addresses: reachable, alternates: [...ipv4, ...ipv6.filter((address) => !reachable.includes(address))] };
}

function isKind(kind: BlockList, address: string): boolean {
  return isIPv6(address) && kind.check(address, 'ipv6');
}

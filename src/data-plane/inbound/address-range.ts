import { BlockList, isIP } from 'node:net';
import { unmapped } from './ip-address.ts';

/**
 * Compiles a CIDR (`10.0.0.0/8`, `fd00::/8`) or a single address to a test of addresses. An IPv4 range holds no IPv6 addresses and the
 * other way round, but for the IPv6 form of an IPv4 address, which is that address. Throws a TypeError for what is no CIDR.
 */
export function compileAddressRange(cidr: string): (address: string) => boolean {
  const { net, family, bits } = rangeOf(cidr);
  const list = new BlockList();
  const familyName = family === 4 ? 'ipv4' : 'ipv6';
  list.addSubnet(net, bits, familyName);
  let lastAddress = '';
  let lastAnswer = false;
  return (address) => {
    // The requests of a connection come from one address, and often those of many: the look-up costs ten times this comparison.
    if (address === lastAddress) return lastAnswer;
    const plain = unmapped(address);
    lastAnswer = isIP(plain) === family && list.check(plain, familyName);
    lastAddress = address;
    return lastAnswer;
  };
}

/**
 * Compiles CIDRs to the length of the longest prefix among them that an address is within; -1 = it is in none. Throws a TypeError for
 * what is no CIDR.
 */
export function compileLongestPrefix(cidrs: readonly string[]): (address: string) => number {
  const ranges = cidrs
    .map((cidr) => ({ bits: rangeOf(cidr).bits, isWithin: compileAddressRange(cidr) }))
    .toSorted((one, other) => other.bits - one.bits);
  return (address) => ranges.find(({ isWithin }) => isWithin(address))?.bits ?? -1;
}

function rangeOf(cidr: string): { readonly net: string; readonly family: number; readonly bits: number } {
  const slash = cidr.lastIndexOf('/');
  const written = slash === -1 ? cidr : cidr.slice(0, slash);
  const net = unmapped(written);
  const family = isIP(net);
  const length = family === 4 ? 32 : 128;
  const prefix = slash === -1 ? undefined : cidr.slice(slash + 1);
  // `::ffff:10.0.0.0/104` is 10.0.0.0/8.
  const bits = prefix === undefined ? length : Number(prefix) - (net === written || family === 6 ? 0 : 96);
  const isNumber = prefix === undefined || /^\d{1,3}$/.test(prefix);
  if (family === 0 || !isNumber || bits < 0 || bits > length) throw new TypeError(`${JSON.stringify(cidr)} is no CIDR`);
  return { net, family, bits };
}

/**
 * Which addresses a name from outside may lead to. A name server that an attacker can influence must not turn a request for
 * `http://orders` into one for the machine's metadata service or for a port that listens on loopback only (server-side request
 * forgery, DNS rebinding). The address that is checked is the one that is dialled. Literals, `localhost` and the hosts file are the
 * caller's own words and are not checked.
 */
import { BlockList, isIP } from 'node:net';

interface Range {
  readonly network: string;
  readonly prefix: number;
  readonly reason: string;
}

const loopback: readonly Range[] = [
  { network: '127.0.0.0', prefix: 8, reason: 'loopback' },
  { network: '::1', prefix: 128, reason: 'loopback' },
];

const refused: readonly Range[] = [
  { network: '0.0.0.0', prefix: 8, reason: 'unspecified' }, // RFC 1122, section 3.2.1.3: "this host on this network"
  { network: '::', prefix: 128, reason: 'unspecified' },
  { network: '169.254.0.0', prefix: 16, reason: 'link-local' }, // RFC 3927; 169.254.169.254 is the metadata service of most clouds
  { network: 'fe80::', prefix: 10, reason: 'link-local' }, // RFC 4291, section 2.5.6
  { network: 'fd00:ec2::254', prefix: 128, reason: 'metadata service' }, // AWS
  { network: 'fd20:ce::254', prefix: 128, reason: 'metadata service' }, // Google Cloud
  { network: '100.100.100.200', prefix: 32, reason: 'metadata service' }, // Alibaba Cloud
  { network: '224.0.0.0', prefix: 4, reason: 'multicast' }, // RFC 5771
  { network: 'ff00::', prefix: 8, reason: 'multicast' }, // RFC 4291, section 2.7
  { network: '255.255.255.255', prefix: 32, reason: 'broadcast' },
];

interface Check {
  readonly list: BlockList;
  readonly reason: string;
}

const refusedChecks = refused.map((range) => checkOf(range));
const loopbackChecks = loopback.map((range) => checkOf(range));

/** Why an address from the network must not be dialled, or undefined when it may be. Text that is no address is refused too. */
export function refusalReason(address: string, options: { readonly allowLoopback?: boolean } = {}): string | undefined {
  const family = isIP(address);
  if (family === 0) return 'not an IP address';
  const checks = options.allowLoopback === true ? refusedChecks : [...refusedChecks, ...loopbackChecks];
  // A BlockList tests IPv4-mapped addresses (::ffff:0:0/96) against its IPv4 rules by itself.
  return checks.find(({ list }) => list.check(address, family === 4 ? 'ipv4' : 'ipv6'))?.reason;
}

function checkOf({ network, prefix, reason }: Range): Check {
  const list = new BlockList();
  if (isIP(network) === 6) list.addSubnet(network, prefix, 'ipv6');
  else {
    list.addSubnet(network, prefix, 'ipv4');
    // The other forms in which IPv6 carries an IPv4 address: compatible (RFC 4291), NAT64 (RFC 6052), 6to4 (RFC 3056).
    const hex = network.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0'));
    const [high, low] = [`${hex[0]}${hex[1]}`, `${hex[2]}${hex[3]}`];
    // Compatible 0.0.0.0/8 would hold ::1, which has a row of its own.
    if (network !== '0.0.0.0') list.addSubnet(`::${high}:${low}`, 96 + prefix, 'ipv6');
    list.addSubnet(`64:ff9b::${high}:${low}`, 96 + prefix, 'ipv6');
    list.addSubnet(`2002:${high}:${low}::`, 16 + prefix, 'ipv6');
  }
  return { list, reason };
}

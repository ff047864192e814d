import { isIP } from 'node:net';
import type { ControlPlane } from '../model/contracts.ts';
import { refusalReason } from '../wire/dns.ts';

/**
 * Addresses of a source that others can write to must pass the address policy; files and objects of this program are its own words.
 * A host name passes no policy, since what it leads to shows only when it is dialled: it is refused, `localhost` excepted where
 * loopback is allowed.
 */
export function refusalOf(plane: ControlPlane | undefined, address: string): string | undefined {
  if (plane?.remoteAddresses === undefined) return undefined;
  if (address.startsWith('/')) return 'a unix socket';
  if (isIP(address) !== 0) return refusalReason(address, plane.remoteAddresses);
  if (address.toLowerCase() === 'localhost' && plane.remoteAddresses.allowLoopback) return undefined;
  return 'a host name, whose addresses would not be checked; register an IP address';
}

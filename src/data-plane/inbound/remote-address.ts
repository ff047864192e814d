/**
 * The address of the client, over the trusted proxies in front: each of them has put whom it saw at the end of `x-forwarded-for`, so
 * that the client stands as many places from the right as there are proxies. What stands before that anybody may have written. A place
 * that is missing or no address leaves the other end of the connection. Source: Envoy, "HTTP header manipulation", x-forwarded-for.
 */
import { isIP } from 'node:net';
import type { InboundRequest } from '../../model/inbound.ts';
import type { InboundConnection } from './inbound-connection.ts';

/** The address of the client of a request. */
export type RemoteAddress = (request: InboundRequest, connection: InboundConnection) => string;

/** Compiles it for a number of proxies; 0 = whoever connects is the client. */
export function compileRemoteAddress(trustedHops = 0): RemoteAddress {
  if (trustedHops <= 0) return (_request, connection) => connection.peerAddress;
  return ({ headers }, connection) => {
    const forwarded = headers['x-forwarded-for'];
    if (typeof forwarded !== 'string') return connection.peerAddress;
    return addressFromRight(forwarded, trustedHops) ?? connection.peerAddress;
  };
}

function addressFromRight(list: string, place: number): string | undefined {
  let end = list.length;
  for (let left = place; ; left--) {
    const comma = end === 0 ? -1 : list.lastIndexOf(',', end - 1);
    if (left === 1) {
      const text = list.slice(comma + 1, end).trim();
      return isIP(text) === 0 ? undefined : text;
    }
    if (comma === -1) return undefined;
    end = comma;
  }
}

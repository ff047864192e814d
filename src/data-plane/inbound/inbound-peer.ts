import type { InboundPeer } from '../../model/inbound.ts';
import type { PeerIdentity } from '../../security/peer-identity.ts';

const noNames: readonly string[] = Object.freeze([]);
const workload = /^spiffe:\/\/[^/]+\/ns\/([^/]+)\/sa\/([^/]+)$/;

/**
 * The peer as handlers see it. Without a verified certificate it has an address and no names; the URIs of a certificate that is no
 * proper X.509-SVID although it has a `spiffe:` URI prove nothing, and are left out.
 */
export function inboundPeer(identity: PeerIdentity | undefined, address: string): InboundPeer {
  if (identity === undefined) return { isAuthenticated: false, dnsNames: noNames, uris: noNames, address };
  const { spiffeId, trustDomain, svidProblem, dnsNames } = identity;
  const names = spiffeId === undefined ? null : workload.exec(spiffeId);
  return {
    isAuthenticated: true,
    ...(spiffeId !== undefined && { spiffeId }),
    ...(trustDomain !== undefined && { trustDomain }),
    ...(names !== null && { namespace: names[1]!, serviceAccount: names[2]! }),
    dnsNames,
    uris: svidProblem === undefined ? identity.uris : noNames,
    address,
  };
}

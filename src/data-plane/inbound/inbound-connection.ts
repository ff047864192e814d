/** What is known of a connection that came in; one object for its whole life, and for all requests on it. */
import type { X509Certificate } from 'node:crypto';
import type { InboundPeer } from '../../model/inbound.ts';
import type { PeerIdentity } from '../../security/peer-identity.ts';

/** A connection after its first bytes were looked at and its TLS handshake, if any, is over. */
export interface InboundConnection {
  readonly isTls: boolean;
  /** What was agreed on (ALPN), or found in the first bytes. */
  readonly protocol: 'http/1.1' | 'h2';
  /** SNI. */
  readonly serverName: string | undefined;
  /** Names of the TLS application protocols that the client offered. */
  readonly offeredAlpn: readonly string[];
  /** Address of the socket's other end. */
  readonly directAddress: string;
  /** The client's, where a PROXY protocol header named it; else `directAddress`. */
  readonly peerAddress: string;
  readonly peerPort?: number | undefined;
  readonly localAddress: string;
  readonly localPort: number;
  readonly peer: InboundPeer;
  /** Names of the verified certificate; undefined = none was shown, or it was not verified. */
  readonly identity: PeerIdentity | undefined;
  readonly certificate: X509Certificate | undefined;
  /** A verified certificate was shown whose names cannot be read: nobody can tell whom a policy would refuse. */
  readonly isUnreadable?: boolean | undefined;
  /** The client had left before anybody asked for its address: nobody can tell whom a policy would refuse. */
  readonly isGone?: boolean | undefined;
}

/**
 * The connection of a request: what the mesh's own listener introduced, or what can be seen of a socket that somebody else owns. One
 * object for each socket, so that a request costs one look-up.
 */
import type { X509Certificate } from 'node:crypto';
import type { InboundRequest } from '../../model/inbound.ts';
import { identityOfPeer, type PeerIdentity } from '../../security/peer-identity.ts';
import type { ConnectionFacts } from './choose-chain.ts';
import type { InboundConnection } from './inbound-connection.ts';
import { inboundPeer } from './inbound-peer.ts';
import { unmapped } from './ip-address.ts';
import type { PolicyInForce } from './inbound-port.ts';
import { socketBelow } from './socket-below.ts';

/** A connection with the policy that its requests meet, which is looked up again when another configuration is in force. */
export class KnownConnection {
  readonly connection: InboundConnection;
  readonly facts: ConnectionFacts;
  /** Set by the first request, and again after each change. */
  policy: PolicyInForce | undefined = undefined;
  /**
   * When the certificate of the peer expires, milliseconds since 1970; each request asks. A listener of the mesh ends such connections
   * too, but half a request may have come by then, and a server of somebody else's resumes its sessions.
   */
  readonly notAfterMs: number;

  constructor(connection: InboundConnection) {
    this.connection = connection;
    this.facts = factsOf(connection);
    this.notAfterMs = connection.certificate?.validToDate.getTime() ?? Number.POSITIVE_INFINITY;
  }
}

/** What a filter chain for this connection is chosen by. */
function factsOf(connection: InboundConnection): ConnectionFacts {
  const { isTls, protocol, serverName, offeredAlpn, peerAddress, localAddress } = connection;
  const found = protocol === 'h2' ? 'h2c' : 'http/1.1';
  return {
    isTls,
    serverName,
    applicationProtocols: isTls ? offeredAlpn : [found],
    sourceAddress: peerAddress,
    localAddress,
  };
}

/** The connections of one mesh. */
export class Connections {
  private readonly bySocket = new WeakMap<object, KnownConnection>();

  /** Requests whose `socket` (or HTTP/2 session) is this object come over this connection. */
  introduce(socket: object, connection: InboundConnection): KnownConnection {
    return this.know(socket, new KnownConnection(connection));
  }

  /** The connection that a request came over. */
  of(request: InboundRequest): KnownConnection {
    const key = socketOf(request);
    return this.bySocket.get(key) ?? this.know(key, knownOf(request));
  }

  private know(socket: object, known: KnownConnection): KnownConnection {
    this.bySocket.set(socket, known);
    return known;
  }
}

/** Node's HTTP/2 requests have a proxy of their own as `socket`; they share their session. */
interface OverHttp2 {
  readonly stream?: { readonly session?: (object & { readonly socket?: object; readonly destroyed?: boolean }) | undefined };
}

function socketOf(request: InboundRequest): object {
  return socketBelow((request.httpVersionMajor < 2 ? undefined : (request as OverHttp2).stream?.session) ?? request.socket);
}

/** What Node's sockets have; each may be missing in an object that stands for one. */
interface Seen {
  readonly encrypted?: boolean;
  readonly authorized?: boolean;
  readonly alpnProtocol?: string | false | null;
  readonly servername?: string | false | null;
  readonly remoteAddress?: string | undefined;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  getPeerX509Certificate?(): X509Certificate | undefined;
}

function knownOf(request: InboundRequest): KnownConnection {
  return new KnownConnection(connectionOf(request));
}

/** What can be seen of a connection that somebody else accepted. A certificate counts when that server has verified it. */
function connectionOf(request: InboundRequest): InboundConnection {
  const session = request.httpVersionMajor < 2 ? undefined : (request as OverHttp2).stream?.session;
  // A session that is over has no socket to ask.
  const socket = ((session?.destroyed === true ? undefined : session?.socket) ?? request.socket) as Seen;
  const isTls = socket.encrypted === true;
  const certificate = isTls && socket.authorized === true ? socket.getPeerX509Certificate?.() : undefined;
  const identity = certificate && identityFrom(certificate);
  const address = addressOf(socket);
  return {
    isTls,
    protocol: request.httpVersionMajor === 2 ? 'h2' : 'http/1.1',
    serverName: typeof socket.servername === 'string' ? socket.servername : undefined,
    offeredAlpn: typeof socket.alpnProtocol === 'string' ? [socket.alpnProtocol] : [],
    directAddress: address,
    peerAddress: address,
    localAddress: unmapped(socket.localAddress ?? ''),
    localPort: socket.localPort ?? 0,
    peer: inboundPeer(identity, address),
    identity,
    certificate: identity && certificate,
    ...(certificate !== undefined && identity === undefined && { isUnreadable: true }),
    ...(address === '' && !isUnixSocket(socket) && { isGone: true }),
  };
}

/** The proxy of a session of HTTP/2 that is over throws. */
function addressOf(socket: Seen): string {
  try {
    return unmapped(socket.remoteAddress ?? '');
  } catch {
    return '';
  }
}

/** Whoever comes over a Unix domain socket has no address. Node tells the two kinds apart by their handles alone. */
function isUnixSocket(socket: Seen): boolean {
  return (socket as { readonly _handle?: object | null })._handle?.constructor.name === 'Pipe';
}

/** A certificate that cannot be read names nobody, and its connection is refused. */
function identityFrom(certificate: X509Certificate): PeerIdentity | undefined {
  try {
    return identityOfPeer(certificate);
  } catch {
    return undefined;
  }
}

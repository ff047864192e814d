/**
 * Makes the sockets of undici Clients. undici has a connector of its own; it overwrites ALPN (Istio tells mesh traffic by it),
 * builds a TLS context for each connection, resumes sessions across identities, and dials the host of the URL, which in a mesh is
 * a name of a service. This one dials the endpoint it was made for, with the identity in force at that moment.
 *
 * Verification has no switch: the chain is verified against the trust bundle by OpenSSL, then the name against `tls.peers` (or
 * the host) by us, on every connection, resumed ones included (Node leaves out its check on those). Nothing of a request is
 * written before both have passed.
 *
 * A TLS 1.3 server judges our certificate when we are done and have begun to send. If it refuses us, that shows on the first
 * request of the connection as a {@link RefusedAfterHandshakeError}: caused by an alert, which is certain ({@link isTlsAlert}), or
 * guessed, where the server says nothing and closes (Node). When the close comes as a TCP reset it cannot be told from any other.
 */
import type { X509Certificate } from 'node:crypto';
import { connect as netConnect, isIP, type NetConnectOpts, type Socket } from 'node:net';
import { connect as tlsConnect, type TLSSocket } from 'node:tls';

import type { buildConnector } from 'undici';

import type { Clock } from '../../base/runtime.ts';
import type { UpstreamTls } from '../../model/tls.ts';
import type { IdentityStore } from '../../security/identity-store.ts';
import { compilePeerCheck, identityOfPeer, type PeerCheck, type PeerIdentity } from '../../security/peer-identity.ts';
import { tlsContextOf, type TlsContext } from '../../security/tls-context.ts';
import { offeredProtocols, speaksHttp2, type Http2Use } from './application-protocols.ts';
import { awaitIdentity } from './await-identity.ts';
import { ConnectAttempt, watchForRefusal, type ConnectLimits } from './connect-attempt.ts';
import { ConnectError } from './connect-error.ts';
import { SessionSlot } from './session-slot.ts';

/** Where to, how secured, how long. */
export interface ConnectTarget extends ConnectLimits {
  /** IP address, or a name for the system's resolver. */
  readonly host: string;
  readonly port: number;
  /** Unix domain socket; `host` and `port` are then not dialled. */
  readonly socketPath?: string;
  readonly tls?: UpstreamTls;
  readonly identities: IdentityStore;
  /** Default `never`. */
  readonly h2?: Http2Use;
  /** Its sockets never keep the process alive. */
  readonly isBackground?: boolean;
}

/** The function that undici's Client takes as `connect`. */
export type Connector = buildConnector.connector;

/** What is known of a connection that was made. */
export interface ConnectedPeer {
  /** Number of the identity and trust bundle it was made with. */
  readonly generation: number;
  readonly identity: PeerIdentity;
  readonly certificate: X509Certificate;
  /** SPIFFE ID that we showed; undefined = none. */
  readonly ownId: string | undefined;
  /** When the peer's certificate or ours expires, milliseconds since 1970: no request begins on the connection after that. */
  readonly notAfterMs: number;
}

const peers = new WeakMap<Socket, ConnectedPeer>();

/** Who is at the other end of a socket that a {@link Connector} made; undefined for plaintext. */
export function peerOf(socket: Socket): ConnectedPeer | undefined {
  return peers.get(socket);
}

/** Source: undici's default for plaintext. Node hands it on to the stream; its types do not know it. */
const streamOptions: object = { highWaterMark: 65_536 };
/** Makes the connector of one endpoint. Throws a TypeError or RangeError for settings that can never work. */
export function createConnector(target: ConnectTarget): Connector {
  const { port, socketPath, identities, clock } = target;
  const host = target.host.startsWith('[') ? target.host.slice(1, -1) : target.host;
  if (socketPath === undefined && !(Number.isInteger(port) && port > 0 && port < 65_536)) {
    throw new RangeError(`port must be 1…65535, not ${port}`);
  }
  if (!(target.connectTimeoutMs > 0)) throw new RangeError(`connectTimeoutMs must be above 0, not ${target.connectTimeoutMs}`);
  const tls = target.tls?.mode === 'disabled' ? undefined : target.tls;
  const h2 = target.h2 ?? 'never';
  const endpoint = socketPath ?? (isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`);
  const where: NetConnectOpts =
    socketPath === undefined ? { host, port, ...(isIP(host) !== 0 && { autoSelectFamily: false }) } : { path: socketPath };

  if (tls === undefined) {
    return (_options, callback) => {
      const socket = netConnect({ ...where, ...streamOptions });
      if (target.isBackground === true) letProcessEnd(socket);
      const attempt = new ConnectAttempt(socket, endpoint, target, callback);
      socket.once('connect', () => {
        if (h2 === 'prior-knowledge') setApplicationProtocol(socket, 'h2');
        attempt.succeed();
      });
    };
  }

  const check = compilePeerCheck(tls.peers);
  const alpn = offeredProtocols(tls.alpn, h2);
  const sessions = new SessionSlot();
  const contextNow = (): TlsContext | string => tlsContextOf(identities, tls);

  const secure = (context: TlsContext, options: buildConnector.Options, callback: buildConnector.Callback): void => {
    const name = tls.sni ?? options.servername ?? options.hostname;
    const resumable = sessions.take(context, name, clock.wallNow());
    const socket = tlsConnect({
      ...where,
      secureContext: context.secureContext,
      ALPNProtocols: alpn,
      // RFC 6066 section 3: an IP address is no server name.
      ...(isIP(bareHost(name)) === 0 && { servername: name }),
      ...(resumable && { session: resumable.session }),
      rejectUnauthorized: true,
      // Not left out: done in `secureConnect` below, where it also runs for resumed sessions.
      checkServerIdentity: () => undefined,
    });
    if (target.isBackground === true) letProcessEnd(socket);
    const attempt = new ConnectAttempt(socket, endpoint, target, callback);
    let ticket: Buffer | undefined;
    let verified: X509Certificate | undefined;
    const keepSession = (): void => {
      if (ticket !== undefined && verified !== undefined) sessions.put({ context, name, session: ticket, certificate: verified });
    };
    socket.once('connect', () => (attempt.isInTls = true));
    socket.on('session', (session: Buffer) => {
      ticket = session;
      keepSession();
    });
    socket.once('secureConnect', () => {
      const certificate = socket.isSessionReused() ? resumable?.certificate : socket.getPeerX509Certificate();
      const problem = peerProblem(socket, certificate, check, name, context, clock);
      if (problem !== undefined) {
        attempt.fail(new ConnectError(problem.kind, `${endpoint}: ${problem.text}`));
        return;
      }
      verified = certificate;
      keepSession();
      if (speaksHttp2(socket.alpnProtocol, h2)) setApplicationProtocol(socket, 'h2');
      // A server that resumes a session has accepted our certificate before.
      if (socket.getProtocol() === 'TLSv1.3' && !socket.isSessionReused()) {
        watchForRefusal(socket, endpoint, context, clock);
      }
      attempt.succeed();
    });
  };

  return (options, callback) => {
    const context = contextNow();
    if (typeof context !== 'string') {
      secure(context, options, callback);
      return;
    }
    const refuse = (reason: string): void =>
      callback(new ConnectError('no-identity', `${endpoint} was not asked: ${reason}`), null);
    const limits = { clock, timeoutMs: target.connectTimeoutMs };
    const isAwaited = awaitIdentity(identities, contextNow, limits, (late) =>
      typeof late === 'string' ? refuse(late) : secure(late, options, callback),
    );
    // undici must not be answered before the connector has returned.
    if (!isAwaited) queueMicrotask(() => refuse(context));
  };
}

function peerProblem(
  socket: TLSSocket,
  certificate: X509Certificate | undefined,
  check: PeerCheck,
  host: string,
  context: TlsContext,
  clock: Clock,
): { readonly kind: 'tls' | 'identity'; readonly text: string } | undefined {
  if (!socket.authorized || certificate === undefined)
    return { kind: 'tls', text: 'the endpoint showed no verified certificate' };
  const notAfterMs = certificate.validToDate.getTime();
  // OpenSSL looks at the dates in a full handshake only.
  if (socket.isSessionReused() && clock.wallNow() > notAfterMs) {
    return { kind: 'tls', text: `the endpoint's certificate has expired ${certificate.validToDate.toISOString()}` };
  }
  const problem = check(certificate, host, context.trustDomain);
  if (problem !== undefined) return { kind: 'identity', text: problem };
  const identity = identityOfPeer(certificate);
  // A resumed session is of this context, whose full handshake had passed: the server shows no chain a second time.
  if (context.federation !== undefined && !socket.isSessionReused()) {
    const doubt = context.federation(certificate, identity.trustDomain, clock.wallNow());
    if (doubt !== undefined) return { kind: 'identity', text: doubt };
  }
  // Ours may have expired already, where the peer does not mind: then each request would make a connection.
  const ownNotAfterMs = context.svid?.notAfterMs ?? Infinity;
  peers.set(socket, {
    generation: context.generation,
    identity,
    certificate,
    ownId: context.svid?.spiffeId,
    notAfterMs: ownNotAfterMs > clock.wallNow() ? Math.min(notAfterMs, ownNotAfterMs) : notAfterMs,
  });
  return undefined;
}

/** undici reads the protocol from here, as it does for its own h2c sockets. */
function setApplicationProtocol(socket: Socket, protocol: string): void {
  (socket as { alpnProtocol?: string }).alpnProtocol = protocol;
}

/** For good: undici refs a socket again with each request. */
function letProcessEnd(socket: Socket): void {
  socket.unref();
  socket.ref = () => socket;
}

function bareHost(name: string): string {
  return name.startsWith('[') ? name.slice(1, -1) : name;
}

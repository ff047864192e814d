/**
 * TLS at a port: one server of Node's for each set of TLS settings, which never listens and is handed sockets whose ClientHello chose
 * it. Its OpenSSL context is renewed when the identity or the trust bundle was, at the next handshake; connections that are open keep
 * theirs.
 *
 * Node verifies the chain of the client; the rest of who it is, is judged here, when the handshake is over and before a byte of a
 * request is looked at. Node refuses nobody by itself (`rejectUnauthorized` asks OpenSSL for an alert to clients without a
 * certificate, and closes for the others), and each refusal has a reason. With TLS 1.3 the client may have sent its request by then:
 * it is not read.
 */
import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import type { Deadlines, DeadlineTarget } from '../../base/deadlines.ts';
import type { Clock } from '../../base/runtime.ts';
import type { FilterChainConfig } from '../../model/listener.ts';
import type { CurrentTrustBundle, IdentityStore } from '../../security/identity-store.ts';
import type { PeerIdentity } from '../../security/peer-identity.ts';
import { generationsOf, serverTlsMaterial, type ServerTlsMaterial } from '../../security/server-tls-context.ts';
import type { ConnectionRefusalReason } from '../../telemetry/inbound-events.ts';
import { chooseApplicationProtocol } from './application-protocol.ts';
import { judgeClient, refusalOfVerification } from './judge-client.ts';
import { keepShownChain } from './shown-chain.ts';

/** TLS settings of a filter chain. */
export type ChainTls = NonNullable<FilterChainConfig['tls']>;

/** How a handshake ended. */
export type Handshake =
  | {
      readonly kind: 'done';
      readonly socket: TLSSocket;
      readonly certificate: X509Certificate | undefined;
      readonly identity: PeerIdentity | undefined;
      /** What the certificate was verified against. */
      readonly trust: CurrentTrustBundle | undefined;
    }
  | {
      readonly kind: 'refused';
      readonly reason: ConnectionRefusalReason;
      readonly detail: string;
      readonly peer?: string | undefined;
    };

/** What the servers are made with. */
export interface TlsServersContext {
  readonly identities: IdentityStore;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
}

/** The TLS servers of a port. */
export class TlsServers {
  private readonly context: TlsServersContext;
  /** A chain that did not change keeps its object, and one that is gone takes its server with it. */
  private readonly bySettings = new WeakMap<ChainTls, TlsServer>();

  constructor(context: TlsServersContext) {
    this.context = context;
  }

  /** Shakes hands on a socket that has its ClientHello still to be read. `done` is called once; when it was refused, the socket is gone. */
  accept(socket: Socket, settings: ChainTls, timeoutMs: number, done: (result: Handshake) => void): void {
    let server = this.bySettings.get(settings);
    if (server === undefined) this.bySettings.set(settings, (server = new TlsServer(settings, this.context)));
    server.accept(socket, timeoutMs, done);
  }
}

class TlsServer {
  private readonly settings: ChainTls;
  private readonly context: TlsServersContext;
  private server: Server | undefined;
  private material: ServerTlsMaterial | undefined;
  private readonly underway = new WeakMap<object, PendingHandshake>();

  constructor(settings: ChainTls, context: TlsServersContext) {
    this.settings = settings;
    this.context = context;
  }

  accept(socket: Socket, timeoutMs: number, done: (result: Handshake) => void): void {
    const problem = this.renew();
    if (problem !== undefined) {
      socket.destroy();
      done({ kind: 'refused', reason: 'identity_missing', detail: problem });
      return;
    }
    this.underway.set(socket, new PendingHandshake(socket, this.material!, timeoutMs, this.context, done));
    this.server!.emit('connection', socket);
  }

  /** Makes the context anew when the identity or the bundle was renewed; says why it cannot, where there is none yet. */
  private renew(): string | undefined {
    const { settings, material, context } = this;
    const now = generationsOf(context.identities, settings);
    if (material !== undefined && material.svid.generation === now.svid && (material.trust?.generation ?? 0) === now.trust)
      return undefined;
    const found = serverTlsMaterial(context.identities, settings);
    if (typeof found === 'string') return found;
    // Whether clients are asked for a certificate is a matter of the server, not of its context.
    const isSameKind = (material?.trust === undefined) === (found.trust === undefined);
    if (this.server === undefined || !isSameKind) this.server = this.create(found);
    else this.server.setSecureContext(found.options);
    this.material = found;
    return undefined;
  }

  private create({ options, trust }: ServerTlsMaterial): Server {
    const { settings, underway, context } = this;
    const server = createServer({
      ...options,
      // Without a bundle there is nothing to verify a certificate against, and it would prove nothing.
      requestCert: trust !== undefined,
      rejectUnauthorized: settings.requireClientCertificate,
      ALPNCallback(this: unknown, { protocols }) {
        keepShownChain(this);
        return chooseApplicationProtocol(protocols, settings.alpn);
      },
    });
    server.on('secureConnection', (socket) => {
      const pending = pendingOf(socket, underway);
      if (pending === undefined) socket.on('error', ignore).destroy();
      else pending.secured(socket, settings, context);
    });
    server.on('tlsClientError', (error, socket) => pendingOf(socket, underway)?.failed(error, socket));
    return server;
  }
}

/** Node keeps the socket below a TLS socket there. Without it the connection is refused: fails closed. */
function pendingOf(socket: TLSSocket, underway: WeakMap<object, PendingHandshake>): PendingHandshake | undefined {
  const below = (socket as { _parent?: object })._parent;
  return below && underway.get(below);
}

/** One handshake: it ends once, and leaves no timer behind. */
class PendingHandshake implements DeadlineTarget {
  private readonly socket: Socket;
  private readonly material: ServerTlsMaterial;
  private readonly timeoutMs: number;
  private readonly deadline;
  private done: ((result: Handshake) => void) | undefined;

  constructor(
    socket: Socket,
    material: ServerTlsMaterial,
    timeoutMs: number,
    { deadlines, clock }: TlsServersContext,
    done: (result: Handshake) => void,
  ) {
    this.socket = socket;
    this.material = material;
    this.timeoutMs = timeoutMs;
    this.done = done;
    // Node's own handshake timeout begins again with each byte.
    this.deadline = deadlines.arm(this, timeoutMs, clock.now());
  }

  onDeadline(): void {
    this.refuse('handshake_timeout', `the handshake did not end within ${this.timeoutMs} ms`, this.socket);
  }

  secured(socket: TLSSocket, settings: ChainTls, { clock }: TlsServersContext): void {
    if (this.done === undefined) {
      socket.destroy();
      return;
    }
    socket.on('error', ignore);
    const judged = judgeClient(socket, this.material, settings, clock.wallNow());
    if ('reason' in judged) this.refuse(judged.reason, judged.detail, socket, judged.peer);
    else this.finish({ kind: 'done', socket, ...judged, trust: this.material.trust });
  }

  failed(error: Error & { readonly code?: string }, socket: TLSSocket): void {
    const { authorizationError } = socket;
    const refusal =
      authorizationError === null || authorizationError === undefined
        ? refusalOfHandshake(error)
        : refusalOfVerification(String(authorizationError), socket.getPeerX509Certificate());
    this.refuse(refusal.reason, refusal.detail, socket, refusal.peer);
  }

  /**
   * Closes the connection from above: a socket that is destroyed below TLS while OpenSSL is calling back takes the process with it
   * (Node 24.21). Where no TLS socket is known nothing is calling back.
   */
  private refuse(reason: ConnectionRefusalReason, detail: string, socket: Socket, peer?: string): void {
    socket.destroy();
    if (this.done !== undefined) this.finish({ kind: 'refused', reason, detail, peer });
  }

  private finish(result: Handshake): void {
    const { done } = this;
    this.done = undefined;
    this.deadline.cancel();
    done?.(result);
  }
}

/** What OpenSSL says of a handshake that failed, by its own codes. */
function refusalOfHandshake(error: Error & { readonly code?: string }): {
  readonly reason: ConnectionRefusalReason;
  readonly detail: string;
  readonly peer?: string;
} {
  switch (error.code) {
    case 'ERR_SSL_NO_APPLICATION_PROTOCOL':
      return {
        reason: 'no_application_protocol',
        detail: 'the client offers no application protocol (ALPN) that is spoken here',
      };
    case 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE':
      return { reason: 'certificate_missing', detail: 'the client showed no certificate, and mutual TLS is required' };
    case 'ECONNRESET':
      return { reason: 'handshake_failed', detail: 'the client closed the connection during the handshake' };
    default:
      return { reason: 'handshake_failed', detail: `the handshake failed: ${error.code ?? error.message}` };
  }
}

function ignore(): void {
  // A peer that breaks off is told by `close`.
}

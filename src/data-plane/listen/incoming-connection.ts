/**
 * A connection on its way to the HTTP servers: first bytes, PROXY header, filter chain, handshake, who the client is. It is closed at
 * the first of these that goes wrong, with one event that says which; nothing waits, and a time limit runs from step to step.
 *
 * A client that talks plaintext where that is not taken is answered over HTTP (403), since it can be read there; a client of TLS is
 * closed, since by then it knows why: an alert, or a certificate that was shown.
 */
import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { chooseChain } from '../inbound/choose-chain.ts';
import type { KnownConnection } from '../inbound/connection-of.ts';
import type { InboundConnection } from '../inbound/inbound-connection.ts';
import { inboundPeer } from '../inbound/inbound-peer.ts';
import { unmapped } from '../inbound/ip-address.ts';
import type { SecretRef } from '../../model/tls.ts';
import type { CurrentTrustBundle } from '../../security/identity-store.ts';
import type { PeerIdentity } from '../../security/peer-identity.ts';
import type { ConnectionRefusalReason } from '../../telemetry/inbound-events.ts';
import { spokenUnder } from './application-protocol.ts';
import { readFirstBytes, type FirstBytes } from './first-bytes.ts';
import type { ListeningPort } from './listening-port.ts';
import type { ChainTls } from './tls-servers.ts';

/** Time for the first bytes, and again for the handshake, where the policy says nothing. Source: Envoy's is 15 s for the first. */
const defaultDetectTimeoutMs = 10_000;

/** Refusals that are answered over HTTP rather than by closing the connection. */
const answered: ReadonlySet<ConnectionRefusalReason> = new Set(['policy_missing', 'plaintext_not_taken']);

const badRequest = 'HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n';
const requestTimeout = 'HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n';

/** Node's codes for peers that send more of something than a well-meant one does. */
const floods: ReadonlySet<string> = new Set([
  'ERR_HTTP2_TOO_MANY_INVALID_FRAMES',
  'ERR_HTTP2_MAX_PENDING_SETTINGS_ACK',
  'ERR_HTTP2_TOO_MANY_CUSTOM_SETTINGS',
]);

interface Secured {
  readonly certificate: X509Certificate | undefined;
  readonly identity: PeerIdentity | undefined;
}

/** One connection, from its first byte to its end. */
export class IncomingConnection {
  /** As TCP has it. */
  readonly socket: Socket;
  /** What is destroyed to close it: the TLS socket, as soon as there is one. */
  top: Socket;
  /** What requests are read from, once it is served. */
  served: Socket | undefined = undefined;
  known: KnownConnection | undefined = undefined;
  /** What its certificate was verified against; undefined where none was shown. */
  trust: CurrentTrustBundle | undefined = undefined;
  /** It was asked to leave, since it would not be let in again. */
  isSentAway = false;
  /** When its certificate expires, milliseconds since 1970. */
  notAfterMs = Infinity;
  private readonly port: ListeningPort;
  private readonly directAddress: string;
  private readonly localAddress: string;
  private readonly peerPort: number | undefined;
  private peerAddress: string;
  private serverName: string | undefined = undefined;
  private offeredAlpn: readonly string[] = [];
  private isRefused = false;

  constructor(socket: Socket, port: ListeningPort) {
    this.socket = socket;
    this.top = socket;
    this.port = port;
    this.directAddress = unmapped(socket.remoteAddress ?? '');
    this.peerAddress = this.directAddress;
    this.peerPort = socket.remotePort;
    this.localAddress = unmapped(socket.localAddress ?? '');
    socket.on('error', ignore);
  }

  /** Looks at the first bytes. */
  begin(): void {
    const { port, socket } = this;
    const options = {
      deadlines: port.deadlines,
      startMs: port.clock.now(),
      timeoutMs: this.detectTimeoutMs,
      proxyHeader: port.proxyHeaderOf(this.directAddress),
    };
    readFirstBytes(socket, options, (first) => this.take(first));
  }

  /** Whether it would not be let in again: the policy, the trust bundle or the time has moved on. */
  isUnwelcome(wallNowMs: number): boolean {
    const { known, port } = this;
    if (known === undefined) return false;
    if (wallNowMs > this.notAfterMs) return true;
    const { refused } = port.policyOf(known);
    return refused !== undefined && !answered.has(refused.reason);
  }

  /** Whether its requests are refused one by one; what is no request would go on. */
  get isAnsweredNo(): boolean {
    return this.known !== undefined && this.port.policyOf(this.known).refused !== undefined;
  }

  /** The trust bundle by which its certificate would be verified now; undefined = none was shown. */
  get trustName(): SecretRef | undefined {
    const { known, port, trust } = this;
    if (known === undefined || trust === undefined) return undefined;
    const tls = port.policyOf(known).chain.config.tls ?? port.ownTls(port.policy().mode);
    return tls.trust ?? tls.identity;
  }

  /** What came on it was no HTTP, too large or too slow, by Node's code. HTTP has answered, and closes it. */
  broken(code: string): void {
    const { port, peerAddress, serverName, known } = this;
    const peer = known?.connection.identity?.spiffeId;
    port.publishRefused({ port: port.boundPort, peerAddress, reason: reasonOf(code), detail: code, serverName, peer });
  }

  private get detectTimeoutMs(): number {
    return this.port.policy().listener?.config.detectTimeoutMs ?? defaultDetectTimeoutMs;
  }

  private take(first: FirstBytes): void {
    if (first.kind === 'gone') {
      this.socket.destroy();
      return;
    }
    if (first.kind === 'refused') {
      this.refuse(first.reason, first.detail, answerTo(first.reason));
      return;
    }
    if (first.proxy?.sourceAddress !== undefined) this.peerAddress = unmapped(first.proxy.sourceAddress);
    if (first.kind === 'tls') {
      this.serverName = first.hello.serverName;
      this.offeredAlpn = first.hello.applicationProtocols;
      this.secure();
    } else this.serve(this.socket, first.kind === 'h2c' ? 'h2' : 'http/1.1', undefined);
  }

  private secure(): void {
    const { port, socket } = this;
    const settings = this.tlsSettings();
    if (settings === undefined) return;
    // A client that ends its half of TLS has left: nobody shakes hands with half of it.
    socket.allowHalfOpen = false;
    port.tls.accept(socket, settings, this.detectTimeoutMs, (result) => {
      if (result.kind === 'refused') {
        this.tell(result.reason, result.detail, result.peer);
        return;
      }
      this.top = result.socket;
      const { socket: secured, certificate, identity } = result;
      if (certificate !== undefined) {
        this.trust = result.trust;
        this.notAfterMs = certificate.validToDate.getTime();
      }
      const spoken = spokenUnder(secured.alpnProtocol);
      if (spoken !== 'detect') {
        this.serve(secured, spoken, { certificate, identity });
        return;
      }
      const options = {
        deadlines: port.deadlines,
        startMs: port.clock.now(),
        timeoutMs: this.detectTimeoutMs,
        proxyHeader: 'none',
        isSecured: true,
      } as const;
      readFirstBytes(secured, options, (first) => {
        if (first.kind === 'h2c') this.serve(secured, 'h2', { certificate, identity });
        else if (first.kind === 'http/1.1') this.serve(secured, 'http/1.1', { certificate, identity });
        else if (first.kind === 'refused') this.refuse(first.reason, first.detail, answerTo(first.reason));
        else secured.destroy();
      });
    });
  }

  /** Of the chain that takes the connection; undefined = it was refused. */
  private tlsSettings(): ChainTls | undefined {
    const { port, serverName, offeredAlpn, peerAddress, localAddress } = this;
    const { mode, chains, refused } = port.policy();
    const facts = { isTls: true, serverName, applicationProtocols: offeredAlpn, sourceAddress: peerAddress, localAddress };
    const chain = chooseChain(chains, facts);
    const own = chain?.config.tls;
    // What is refused whatever it is, is told so over TLS as it is in plaintext.
    if (refused === undefined) {
      if (own === undefined && mode === 'disabled')
        this.refuse('tls_not_taken', 'TLS is not spoken on this port (mode: disabled)');
      else if (chain === undefined) this.refuse('no_filter_chain', `no filter chain takes TLS with ${offers(offeredAlpn)}`);
      else if (chain.config.protocol === 'tls')
        this.refuse('tls_not_taken', `the filter chain "${chain.config.name}" does not end TLS`);
      if (this.isRefused) return undefined;
    }
    return own ?? port.ownTls(mode);
  }

  private serve(served: Socket, protocol: 'http/1.1' | 'h2', secured: Secured | undefined): void {
    const { port, socket } = this;
    if (served.destroyed || this.isRefused) return;
    const identity = secured?.identity;
    const connection: InboundConnection = {
      isTls: secured !== undefined,
      protocol,
      serverName: this.serverName,
      offeredAlpn: this.offeredAlpn,
      directAddress: this.directAddress,
      peerAddress: this.peerAddress,
      ...(this.peerAddress === this.directAddress && { peerPort: this.peerPort }),
      localAddress: this.localAddress,
      localPort: socket.localPort ?? port.boundPort,
      peer: inboundPeer(identity, this.peerAddress),
      identity,
      certificate: secured?.certificate,
    };
    this.served = served;
    this.known = port.introduce(served, connection);
    const { refused } = port.policyOf(this.known);
    if (refused !== undefined && !answered.has(refused.reason)) {
      this.refuse(refused.reason, refused.answer.details, undefined, identity?.spiffeId ?? identity?.dnsNames[0]);
      return;
    }
    // HTTP/2 has no half of a connection: when the client has ended, nothing more can be asked.
    if (protocol === 'h2') served.allowHalfOpen = false;
    port.serve(this, served, protocol);
  }

  private refuse(reason: ConnectionRefusalReason, detail: string, answer?: string, peer?: string): void {
    if (this.isRefused) return;
    this.tell(reason, detail, peer);
    const { top } = this;
    if (answer === undefined) {
      top.destroy();
      return;
    }
    // What was sent is read and dropped: a reset would take the answer with it.
    top.resume();
    top.end(answer, () => top.destroySoon());
  }

  private tell(reason: ConnectionRefusalReason, detail: string, peer?: string): void {
    this.isRefused = true;
    const { port, peerAddress, serverName } = this;
    port.publishRefused({ port: port.boundPort, peerAddress, reason, detail, serverName, peer });
  }
}

function answerTo(reason: ConnectionRefusalReason): string | undefined {
  if (reason === 'unknown_protocol') return badRequest;
  return reason === 'first_bytes_timeout' ? requestTimeout : undefined;
}

/** Source: Node's error codes, and those of llhttp and nghttp2 which it hands on. */
function reasonOf(code: string): ConnectionRefusalReason {
  if (code === 'HPE_HEADER_OVERFLOW') return 'headers_too_large';
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'request_timeout';
  return floods.has(code) ? 'flood' : 'bad_request';
}

function offers(offered: readonly string[]): string {
  return offered.length === 0 ? 'no application protocol' : `the application protocols ${offered.slice(0, 10).join(', ')}`;
}

function ignore(): void {
  // A peer that breaks off is told by `close`.
}

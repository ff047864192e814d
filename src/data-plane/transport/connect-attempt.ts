import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

import type { buildConnector } from 'undici';

import type { Clock, Timer } from '../../base/runtime.ts';
import type { TlsContext } from '../../security/tls-context.ts';
import { codeOf, ConnectError, connectErrorOf, isTlsAlert, RefusedAfterHandshakeError } from './connect-error.ts';

/** How long an attempt may take. */
export interface ConnectLimits {
  /** For TCP and TLS together. */
  readonly connectTimeoutMs: number;
  readonly clock: Clock;
}

/** Source: undici's default; dead peers of long idle connections are found by it. */
const keepAliveInitialDelayMs = 60_000;
/**
 * The timeout is counted in slices, so that a blocked event loop costs one slice at most: the time in which this process looked
 * away is not the endpoint's. undici counts all of it.
 */
const timeoutSlices = 4;

/** One attempt to connect: answers exactly once, and leaves no timer behind. */
export class ConnectAttempt {
  /** TCP is through. */
  isInTls = false;
  private readonly socket: Socket;
  private readonly endpoint: string;
  private readonly limits: ConnectLimits;
  private callback: buildConnector.Callback | undefined;
  private timer: Timer | undefined;

  constructor(socket: Socket, endpoint: string, limits: ConnectLimits, callback: buildConnector.Callback) {
    this.socket = socket;
    this.endpoint = endpoint;
    this.limits = limits;
    this.callback = callback;
    socket.setNoDelay(true).setKeepAlive(true, keepAliveInitialDelayMs);
    socket.on('error', (error) => {
      if (this.callback !== undefined) this.fail(connectErrorOf(error, endpoint, this.isInTls));
      else if (socket.bytesRead === 0 && isTlsAlert(error)) {
        // Node reports an alert without closing; undici would go on to report the close that follows, and forget why.
        socket.destroy(new RefusedAfterHandshakeError(`${endpoint} refused this process by an alert (${codeOf(error)})`, error));
      }
    });
    this.arm(timeoutSlices);
  }

  succeed(): void {
    const { callback } = this;
    this.settle();
    callback?.(null, this.socket);
  }

  fail(error: ConnectError): void {
    const { callback } = this;
    this.settle();
    if (callback === undefined) return;
    this.socket.destroy();
    callback(error, null);
  }

  private settle(): void {
    this.callback = undefined;
    this.timer?.cancel();
  }

  private arm(slicesLeft: number): void {
    const { clock, connectTimeoutMs } = this.limits;
    this.timer = clock.setTimer(() => {
      if (slicesLeft > 1) {
        this.arm(slicesLeft - 1);
        return;
      }
      const phase = this.isInTls
        ? 'accepted the connection and did not finish the TLS handshake'
        : 'did not accept the connection';
      this.fail(new ConnectError('timeout', `${this.endpoint} ${phase} within ${connectTimeoutMs} ms`));
    }, connectTimeoutMs / timeoutSlices);
  }
}

/** Gives a name to the close of a server that refuses our certificate without a word: it has sent neither data nor a ticket. */
export function watchForRefusal(socket: TLSSocket, endpoint: string, context: TlsContext, clock: Clock): void {
  let hasTicket = false;
  socket.once('session', () => (hasTicket = true));
  socket.once('end', () => {
    if (hasTicket || socket.bytesRead > 0) return;
    const { svid } = context;
    const expired = svid !== undefined && clock.wallNow() > svid.notAfterMs ? ' (it has expired)' : '';
    const guess =
      svid === undefined
        ? 'it may want a certificate of ours (`tls.mode: mutual`)'
        : `it may have refused the certificate of ${svid.spiffeId ?? svid.dnsNames[0] ?? 'this process'}${expired}`;
    const text = `${endpoint} closed the connection right after the TLS handshake; ${guess}`;
    socket.destroy(new RefusedAfterHandshakeError(text));
  });
}

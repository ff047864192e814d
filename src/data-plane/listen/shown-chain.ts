/**
 * The certificates that a client showed beside its own. Node hands them out once for each connection, with the first look at the
 * client's certificate, and its TLS server takes that look itself before it says `secureConnection` (Node 24.21 and 26.8,
 * nodejs/node#65579). So it is taken here, right before Node's own: by then OpenSSL has verified the chain.
 *
 * The socket is not to be had before the handshake but as the `this` of `ALPNCallback`. A client that offers no application protocol
 * shows its own certificate alone, where Node has the fault: whoever needs the rest finds no path to a root, and refuses.
 */
import type { X509Certificate } from 'node:crypto';
import { TLSSocket } from 'node:tls';

const shown = new WeakMap<TLSSocket, X509Certificate>();

/** Keeps what the client of this handshake, which has just begun, will show. */
export function keepShownChain(socket: unknown): void {
  if (!(socket instanceof TLSSocket)) return;
  socket.prependOnceListener('secure', () => {
    const certificate = socket.getPeerX509Certificate();
    if (certificate !== undefined) shown.set(socket, certificate);
  });
}

/** The certificate of the client; each leads to what was shown behind it by `issuerCertificate`, in the order of the handshake. */
export function shownCertificate(socket: TLSSocket): X509Certificate | undefined {
  return shown.get(socket) ?? socket.getPeerX509Certificate();
}

/** Whether certificates that the client showed beside its own would be seen. */
export function isChainShown(socket: TLSSocket): boolean {
  return shown.has(socket);
}

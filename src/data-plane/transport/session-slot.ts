import type { X509Certificate } from 'node:crypto';

import type { TlsContext } from '../../security/tls-context.ts';

/**
 * The latest TLS session of an endpoint, tied to the context and the server name it was made with. It brings the certificate that
 * was verified in the handshake which began it: Node has none for a resumed connection, and only that server can resume it. Given
 * out once: RFC 8446 appendix C.4 asks for single use, and a TLS 1.3 server sends two with each connection.
 */
export class SessionSlot {
  private kept: KeptSession | undefined;

  /** Not once its certificate has expired: the server may have a new one, which only a full handshake shows. */
  take(context: TlsContext, name: string, wallNowMs: number): KeptSession | undefined {
    const { kept } = this;
    this.kept = undefined;
    const isGood = kept?.context === context && kept.name === name && wallNowMs <= kept.certificate.validToDate.getTime();
    return isGood ? kept : undefined;
  }

  put(session: KeptSession): void {
    this.kept = session;
  }
}

/** A session with what it is good for. */
export interface KeptSession {
  readonly context: TlsContext;
  readonly name: string;
  readonly session: Buffer;
  readonly certificate: X509Certificate;
}

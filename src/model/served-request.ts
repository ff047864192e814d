import type { X509Certificate } from 'node:crypto';

/** What the controller of a request (undici's, as the mesh gives it to a handler) knows beside its own part: who serves it. */
export interface ServedRequest {
  /** `address:port` of the endpoint that answers, or is asked now; undefined before one was chosen. */
  readonly endpoint: string | undefined;
  /** The certificate that the endpoint showed; undefined for plaintext, and before there is a connection. */
  readonly peerCertificate: X509Certificate | undefined;
}

import type { SecretRef } from './tls.ts';

/** A private key, PEM. Prints as `[redacted]`; `reveal()` is called where a TLS context is built and nowhere else. */
export class PrivateKey {
  readonly #pem: string;
  constructor(pem: string) {
    this.#pem = pem;
  }
  reveal(): string {
    return this.#pem;
  }
  toString(): string {
    return '[redacted]';
  }
  toJSON(): string {
    return '[redacted]';
  }
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return 'PrivateKey [redacted]';
  }
}

/** Our own certificate: an X.509-SVID (SPIFFE) or any certificate with a DNS SAN. */
export interface Svid {
  readonly name: SecretRef;
  /** PEM, leaf first. */
  readonly certificateChain: string;
  readonly privateKey: PrivateKey;
}

/** Roots that peers are verified against. */
export interface TrustBundle {
  readonly name: SecretRef;
  /** PEM, one or more certificates. */
  readonly certificates: string;
  /** SPIFFE trust domain whose peers it verifies; absent = any. */
  readonly trustDomain?: string;
  /**
   * Roots of other trust domains (SPIFFE federation): a peer is verified against those of its own trust domain and no others. With
   * this, `trustDomain` is set, and `certificates` are the roots of that one.
   */
  readonly federated?: readonly { readonly trustDomain: string; readonly certificates: string }[];
}

/**
 * The stream to istiod, with whatever proves who we are at the moment. It begins with the token alone when there is no certificate yet,
 * and is made again once there is one. A connection that fails with the certificate is tried the next time with the token alone, in
 * turns: an istiod that has another root does not know the certificate, and one whose tokens cannot be verified may. When the token
 * alone gets through, a new certificate is asked for.
 */
import type { CertificateSource } from './certificate-source.ts';
import type { AdsClient, AdsListener } from '../xds/client/contract.ts';
import type { ClientCertificate } from '../xds/client/credentials.ts';

/** What the client's connections are made with. */
export class StreamIdentity {
  private readonly certificates: CertificateSource;
  private isConnected = false;
  /** Whether the connection that is being made, or was made, has our certificate; undefined before the first. */
  private hasCertificate: boolean | undefined = undefined;
  private hasFailedWith = false;

  constructor(certificates: CertificateSource) {
    this.certificates = certificates;
  }

  /** Called for each connection. */
  readonly next = (): ClientCertificate | undefined => {
    const failed = !this.isConnected && this.hasCertificate === true;
    this.hasFailedWith = failed;
    this.isConnected = false;
    const certificate = failed ? undefined : this.certificates.current();
    this.hasCertificate = certificate !== undefined;
    return certificate && { certificateChain: certificate.certificateChain, privateKey: certificate.privateKey.reveal() };
  };

  /** Whether a stream is open that would be better with the certificate that there is now. */
  get isWithoutCertificate(): boolean {
    return this.hasCertificate === false && this.certificates.current() !== undefined;
  }

  connected(): void {
    if (this.isConnected) return;
    this.isConnected = true;
    if (this.hasFailedWith) this.certificates.renewNow();
  }
}

/** The client, begun again when a certificate comes while its stream has none. */
export function restartedByCertificate(client: AdsClient, certificates: CertificateSource, identity: StreamIdentity): AdsClient {
  return {
    subscribe: (typeUrl, name) => client.subscribe(typeUrl, name),
    unsubscribe: (typeUrl, name) => client.unsubscribe(typeUrl, name),
    restored: (typeUrl, names) => client.restored(typeUrl, names),
    async run(listener, signal) {
      let restart: AbortController | undefined;
      certificates.onChange(() => {
        if (identity.isWithoutCertificate) restart?.abort();
      });
      const watching: AdsListener = {
        onResponse: (response) => listener.onResponse(response),
        onAbsent: (typeUrl, name, reason) => listener.onAbsent(typeUrl, name, reason),
        onStatus(status) {
          if (status.state === 'connected') identity.connected();
          // The pause between the two streams is nobody's concern.
          if (restart?.signal.aborted !== true) listener.onStatus(status);
        },
      };
      while (!signal.aborted) {
        restart = new AbortController();
        await client.run(watching, AbortSignal.any([signal, restart.signal]));
        if (!restart.signal.aborted) return;
      }
    },
  };
}

/**
 * What a server secures its connections with. Unlike a client's context this one resumes no sessions: a resumed handshake shows no
 * certificate, so that a peer whose certificate was refused or has expired meanwhile would go on being let in by one that he had.
 */
import { constants } from 'node:crypto';
import type { TlsOptions } from 'node:tls';
import type { SecretRef, TlsVersion } from '../model/tls.ts';
import type { FederationCheck } from './federation.ts';
import type { CurrentSvid, CurrentTrustBundle, IdentityStore } from './identity-store.ts';
import { allRoots, goodCiphers, missing, trustDomainsOf } from './tls-context.ts';

/** The TLS settings of a filter chain that name material or limit it. */
export interface ServerTls {
  readonly identity: SecretRef;
  /** Absent = that of `identity`. */
  readonly trust?: SecretRef;
  readonly requireClientCertificate: boolean;
  readonly minVersion?: TlsVersion;
  readonly maxVersion?: TlsVersion;
  readonly cipherSuites?: readonly string[];
}

/** The identity and the trust bundle of a server, as they are in force now. */
export interface ServerTlsMaterial {
  /** For `setSecureContext` of a TLS server. */
  readonly options: TlsOptions;
  readonly svid: CurrentSvid;
  /** Undefined = none, and clients are not asked for a certificate. */
  readonly trust: CurrentTrustBundle | undefined;
  /** Trust domain of the bundle: peers of others are refused. Absent also where other domains are federated with it. */
  readonly trustDomain?: string;
  readonly federation?: FederationCheck;
}

/** Numbers of what is in force for these settings: while they are the same, so is {@link serverTlsMaterial}. */
export function generationsOf(store: IdentityStore, tls: ServerTls): { readonly svid: number; readonly trust: number } {
  return {
    svid: store.svid(tls.identity)?.generation ?? 0,
    trust: store.trustBundle(tls.trust ?? tls.identity)?.generation ?? 0,
  };
}

/** The material for these settings, or the reason why there is none: a client is never verified against the roots of the system. */
export function serverTlsMaterial(store: IdentityStore, tls: ServerTls): ServerTlsMaterial | string {
  const svid = store.svid(tls.identity);
  if (svid === undefined) return missing('certificate', tls.identity, store);
  const trust = tls.trust ?? tls.identity;
  const bundle = store.trustBundle(trust);
  if (bundle === undefined && (tls.requireClientCertificate || tls.trust !== undefined)) {
    return missing('trust bundle', trust, store);
  }
  return {
    options: {
      cert: svid.certificateChain,
      key: svid.privateKey.reveal(),
      ...(bundle && { ca: allRoots(bundle) }),
      minVersion: tls.minVersion ?? 'TLSv1.2',
      ...(tls.maxVersion && { maxVersion: tls.maxVersion }),
      ciphers: ciphersOf(tls),
      honorCipherOrder: true,
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_TICKET,
    },
    svid,
    trust: bundle,
    ...trustDomainsOf(bundle),
  };
}

/** Those of the configuration that are good ones; TLS 1.3 has good ones only. None of them good = TLS 1.3 alone. */
function ciphersOf({ cipherSuites }: ServerTls): string {
  return goodCiphers.filter((name) => name.startsWith('TLS_') || (cipherSuites?.includes(name) ?? true)).join(':');
}

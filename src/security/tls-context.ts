/**
 * One OpenSSL context per identity, trust bundle and lowest version. Building one costs about 1 ms and 39 KB, so it is built at
 * the first connection that needs it and shared by all others until the identity or the bundle changes.
 *
 * A TLS session belongs to the context it was made with: a session that is resumed carries the client certificate of the
 * handshake that began it, so a server would go on seeing an identity that was replaced. {@link TlsContext} is a new object for
 * every generation; whoever keeps sessions keeps them beside the context and forgets them together.
 */
import { constants } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';

import { suggestion } from '../base/nearest-name.ts';
import type { UpstreamTls } from '../model/tls.ts';
import { createFederationCheck, type FederationCheck } from './federation.ts';
import { rootsOf } from './identity-material.ts';
import type { CurrentSvid, CurrentTrustBundle, IdentityStore } from './identity-store.ts';

/** What a connection is secured with. */
export interface TlsContext {
  readonly secureContext: SecureContext;
  /** Grows with every change of the identity or the trust bundle. */
  readonly generation: number;
  /** The certificate that the peer sees; absent in mode `simple`. */
  readonly svid?: CurrentSvid;
  /** Trust domain of the bundle: peers of others are refused. Absent also where other domains are federated with it. */
  readonly trustDomain?: string;
  /** Asked after the chain of a full handshake was verified: with the roots of several trust domains, each may speak for its own alone. */
  readonly federation?: FederationCheck;
}

/** TLS 1.3, and of TLS 1.2 the suites with forward secrecy and AEAD, by OpenSSL's names. Source: RFC 9325 section 4.2. */
export const goodCiphers: readonly string[] = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
];
const ciphers = goodCiphers.join(':');

interface Built {
  readonly svidGeneration: number;
  readonly trustGeneration: number;
  readonly context: TlsContext;
}

const builtByStore = new WeakMap<IdentityStore, Map<string, Built>>();

/**
 * The context for a cluster's TLS settings with the identity in force now, or the reason why there is none (the identity or the
 * bundle has not been delivered). No bundle named = the roots of this Node process (`NODE_EXTRA_CA_CERTS`, `--use-system-ca`).
 */
export function tlsContextOf(store: IdentityStore, tls: Exclude<UpstreamTls, { mode: 'disabled' }>): TlsContext | string {
  let svid: CurrentSvid | undefined;
  if (tls.mode === 'mutual') {
    if (tls.identity === undefined) return 'mutual TLS is asked for and no identity is named; set `tls.identity`';
    svid = store.svid(tls.identity);
    if (svid === undefined) return missing('certificate', tls.identity, store);
  }
  let trustBundle: CurrentTrustBundle | undefined;
  if (tls.trust !== undefined) {
    trustBundle = store.trustBundle(tls.trust);
    if (trustBundle === undefined) return missing('trust bundle', tls.trust, store);
  }
  let contexts = builtByStore.get(store);
  if (contexts === undefined) builtByStore.set(store, (contexts = new Map()));
  const minVersion = tls.minVersion ?? 'TLSv1.2';
  const key = JSON.stringify([svid?.name ?? null, trustBundle?.name ?? null, minVersion]);
  const svidGeneration = svid?.generation ?? 0;
  const trustGeneration = trustBundle?.generation ?? 0;
  const built = contexts.get(key);
  if (built?.svidGeneration === svidGeneration && built.trustGeneration === trustGeneration) return built.context;
  const context: TlsContext = {
    secureContext: createSecureContext({
      minVersion,
      ciphers,
      // A server that renegotiates could show another certificate after the check.
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
      ...(svid && { cert: svid.certificateChain, key: svid.privateKey.reveal() }),
      ...(trustBundle && { ca: allRoots(trustBundle) }),
    }),
    generation: Math.max(svidGeneration, trustGeneration),
    ...(svid && { svid }),
    ...trustDomainsOf(trustBundle),
  };
  contexts.set(key, { svidGeneration, trustGeneration, context });
  return context;
}

/** Of its own trust domain and of those that are federated with it, PEM. */
export function allRoots({ certificates, federated }: CurrentTrustBundle): string {
  return certificates + federated.map((bundle) => bundle.certificates).join('');
}

/** How a peer's trust domain is checked against the bundle that verified its chain. */
export function trustDomainsOf(bundle: CurrentTrustBundle | undefined): Pick<TlsContext, 'trustDomain' | 'federation'> {
  if (bundle?.trustDomain === undefined) return {};
  const { trustDomain, certificates, federated } = bundle;
  const usable = federated.filter(({ count }) => count > 0);
  if (usable.length === 0) return { trustDomain };
  const domains = [{ trustDomain, certificates }, ...usable];
  return { federation: createFederationCheck(domains.map((domain) => ({ ...domain, roots: rootsOf(domain.certificates) }))) };
}

/** Why there is no such material in force, in the words of its source. */
export function missing(what: 'certificate' | 'trust bundle', name: string, store: IdentityStore): string {
  const status = store.statuses().find((entry) => entry.name === name);
  const awaited = store
    .awaited()
    .map(({ source, state, error }) => `${source} is ${state}${error === undefined ? '' : `: ${error}`}`);
  const why = status?.refused ?? status?.sourceStatus?.error ?? (awaited.length === 0 ? undefined : awaited.join(', '));
  return `no ${what} ${JSON.stringify(name)} is in force${why === undefined ? namesInForce(name, what, store) : `: ${why}`}`;
}

/** What there is, for whoever misspelt a name; where there is nothing, what to do. */
function namesInForce(wanted: string, what: 'certificate' | 'trust bundle', store: IdentityStore): string {
  const names = store
    .statuses()
    .filter(({ svid, trustBundle }) => (what === 'certificate' ? svid : trustBundle) !== undefined)
    .map(({ name }) => name);
  return names.length === 0 ? '; configure `identity`' : `; ${suggestion(wanted, names)}`;
}

/** Whether the client of a TLS connection is let in, and why not: after its handshake, before anything that it sends is read. */
import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { compileSanMatcher, describeSanMatcher } from '../../security/san-matcher.ts';
import { describePeer, identityOfPeer, type PeerIdentity } from '../../security/peer-identity.ts';
import type { ServerTlsMaterial } from '../../security/server-tls-context.ts';
import type { ConnectionRefusalReason } from '../../telemetry/inbound-events.ts';
import { isChainShown, shownCertificate } from './shown-chain.ts';
import type { ChainTls } from './tls-servers.ts';

/** Why a client is not let in. */
export interface ClientRefusal {
  readonly reason: ConnectionRefusalReason;
  readonly detail: string;
  readonly peer?: string | undefined;
}

/** A client that is let in; without a certificate nobody knows who it is. */
export interface JudgedClient {
  readonly certificate: X509Certificate | undefined;
  readonly identity: PeerIdentity | undefined;
}

const anonymous: JudgedClient = { certificate: undefined, identity: undefined };

/** Judges the client of a connection whose handshake is over. Source of the rules for SPIFFE IDs: X509-SVID standard, section 5. */
export function judgeClient(
  socket: TLSSocket,
  material: ServerTlsMaterial,
  settings: ChainTls,
  wallNowMs: number,
): JudgedClient | ClientRefusal {
  const certificate = material.trust === undefined ? undefined : shownCertificate(socket);
  if (certificate === undefined) {
    if (!settings.requireClientCertificate) return anonymous;
    return { reason: 'certificate_missing', detail: 'the client showed no certificate, and mutual TLS is required' };
  }
  if (!socket.authorized) return refusalOfVerification(String(socket.authorizationError), certificate);
  let identity: PeerIdentity;
  try {
    identity = identityOfPeer(certificate);
  } catch (error) {
    return { reason: 'certificate_invalid', detail: (error as Error).message };
  }
  const peer = identity.spiffeId ?? identity.dnsNames[0];
  if (identity.svidProblem !== undefined) {
    return { reason: 'certificate_invalid', detail: describePeer(identity), peer };
  }
  const { trustDomain, federation } = material;
  if (trustDomain !== undefined && identity.trustDomain !== trustDomain) {
    const detail = `${describePeer(identity)}, which is outside the trust domain ${trustDomain} of the trust bundle`;
    return { reason: 'certificate_untrusted', detail, peer };
  }
  const doubt = federation?.(certificate, identity.trustDomain, wallNowMs);
  if (doubt !== undefined) return { reason: 'certificate_untrusted', detail: `${doubt}${unseen(socket, certificate)}`, peer };
  if (!isAccepted(identity, settings)) {
    const wanted = settings.peers.map(describeSanMatcher).join(' or ');
    return { reason: 'peer_not_accepted', detail: `${describePeer(identity)}, expected ${wanted}`, peer };
  }
  return { certificate, identity };
}

/** What may be behind a doubt: see shown-chain.ts. */
function unseen(socket: TLSSocket, { issuerCertificate }: X509Certificate): string {
  if (issuerCertificate !== undefined || isChainShown(socket)) return '';
  return '; this version of Node shows intermediate certificates only of clients that offer application protocols (ALPN)';
}

const compiledPeers = new WeakMap<ChainTls, readonly ((peer: PeerIdentity) => boolean)[]>();

/** Whether these settings take a peer; without matchers, each whose certificate is good. */
function isAccepted(identity: PeerIdentity, settings: ChainTls): boolean {
  if (settings.peers.length === 0) return true;
  let tests = compiledPeers.get(settings);
  if (tests === undefined) compiledPeers.set(settings, (tests = settings.peers.map(compilePeer)));
  return tests.some((test) => test(identity));
}

/** A matcher that cannot be compiled matches nobody. */
function compilePeer(matcher: ChainTls['peers'][number]): (peer: PeerIdentity) => boolean {
  try {
    return compileSanMatcher(matcher);
  } catch {
    return () => false;
  }
}

/** What OpenSSL found wrong with the chain of a certificate, by its code. */
export function refusalOfVerification(code: string, certificate: X509Certificate | undefined): ClientRefusal {
  const peer = certificate && nameOf(certificate);
  switch (code) {
    case 'CERT_HAS_EXPIRED':
      return { reason: 'certificate_expired', detail: `the client's certificate has expired (${code})`, peer };
    case 'CERT_NOT_YET_VALID':
      return { reason: 'certificate_expired', detail: `the client's certificate is not valid yet (${code})`, peer };
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'CERT_SIGNATURE_FAILURE':
    case 'CERT_UNTRUSTED':
      return {
        reason: 'certificate_untrusted',
        detail: `nobody that is trusted signed the client's certificate (${code})`,
        peer,
      };
    default:
      return { reason: 'certificate_invalid', detail: `the client's certificate cannot be used (${code})`, peer };
  }
}

function nameOf(certificate: X509Certificate): string | undefined {
  try {
    const { uris, dnsNames } = identityOfPeer(certificate);
    return uris[0] ?? dnsNames[0];
  } catch {
    return undefined;
  }
}

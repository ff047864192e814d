/**
 * Judges certificates, keys and bundles before they come into force. Every reason says what to do, and none repeats any part of a
 * key. What is kept is rebuilt from the PEM blocks of the right kind, so that a key which shares a file with its certificate
 * never travels with the certificate.
 */
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { createSecureContext, type SecureContextOptions } from 'node:tls';

import type { Svid, TrustBundle } from '../model/identity.ts';
import { readCertificateExtensions, type CertificateExtensions } from './certificate-extensions.ts';
import { svidLeafProblem } from './peer-identity.ts';
import { hasSpiffeScheme, isTrustDomain } from './spiffe-id.ts';

/** What `setSvid` and `setTrustBundle` found wrong. */
export interface MaterialProblem {
  readonly ok: false;
  readonly part: 'certificate' | 'private-key' | 'pair' | 'trust-bundle';
  /** What is wrong and what to do about it. */
  readonly reason: string;
  /** True for what a file that is being replaced looks like for a moment. */
  readonly mayPass: boolean;
}

/** A verdict on material. */
export type Checked<T> = { readonly ok: true; readonly value: T } | MaterialProblem;

/** An SVID that was found good, with what its certificate says. */
export interface CheckedSvid {
  /** PEM, leaf first, certificates only. */
  readonly certificateChain: string;
  readonly spiffeId?: string;
  readonly dnsNames: readonly string[];
  /** Milliseconds since 1970. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** A trust bundle that was found good. */
export interface CheckedTrustBundle {
  /** PEM, certificates only. */
  readonly certificates: string;
  readonly count: number;
  /** When the last of its certificates expires, milliseconds since 1970. */
  readonly notAfterMs: number;
  /** Of other trust domains, in the order of their names; those that cannot be used have no certificates. */
  readonly federated: readonly FederatedBundle[];
}

/** The roots of a trust domain that is federated with ours. */
export interface FederatedBundle {
  readonly trustDomain: string;
  /** PEM, certificates only; empty = peers of the trust domain are refused. */
  readonly certificates: string;
  readonly count: number;
  /** When the last of its certificates expires, milliseconds since 1970; 0 where there is none. */
  readonly notAfterMs: number;
  /** Why it cannot be used. */
  readonly problem?: string;
}

const certificateBlock = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/** Checks a certificate with its key at the time `nowMs`. Source of the rules for SPIFFE IDs: X509-SVID standard. */
export function checkSvid(svid: Svid, nowMs: number): Checked<CheckedSvid> {
  const certificates = readCertificates(svid.certificateChain);
  if (typeof certificates === 'string') return problem('certificate', certificates, true);
  const [leaf, ...intermediates] = certificates;
  if (leaf === undefined) {
    return problem('certificate', 'holds no PEM certificate; it must have a BEGIN CERTIFICATE block, the leaf first', true);
  }
  const key = readPrivateKey(svid.privateKey.reveal());
  if ('reason' in key) return key;
  if (!leaf.checkPrivateKey(key.key)) {
    const isInChain = intermediates.some((certificate) => certificate.checkPrivateKey(key.key));
    return isInChain
      ? problem(
          'certificate',
          'does not begin with the certificate of the private key; put the leaf first, then the intermediates',
        )
      : problem('pair', 'the private key does not belong to the certificate; deploy the two that were issued together', true);
  }
  let extensions: CertificateExtensions;
  try {
    extensions = readCertificateExtensions(leaf.raw);
    for (const certificate of intermediates) {
      const { isAuthority, keyUsage } = readCertificateExtensions(certificate.raw);
      if (!isAuthority || keyUsage?.keyCertSign === false) {
        return problem(
          'certificate',
          'is followed by a certificate that may not issue others; only intermediates may follow the leaf',
        );
      }
    }
  } catch (error) {
    return problem('certificate', `cannot be used: ${(error as Error).message}; issue another`);
  }
  const { uris, dnsNames, ipAddresses, emails } = extensions;
  if (uris.length + dnsNames.length + ipAddresses.length + emails.length === 0) {
    return problem('certificate', 'names nobody: issue it with a SPIFFE ID or a DNS name as subject alternative name');
  }
  const isSvid = uris.some(hasSpiffeScheme);
  const svidProblem = isSvid ? svidLeafProblem(extensions) : undefined;
  if (svidProblem !== undefined) return problem('certificate', `is not an X.509-SVID: ${svidProblem}; issue another`);
  const notBeforeMs = leaf.validFromDate.getTime();
  const notAfterMs = leaf.validToDate.getTime();
  if (nowMs > notAfterMs) {
    return problem(
      'certificate',
      `has expired ${iso(leaf.validToDate)}; issue a new one (or set the clock of this machine right)`,
    );
  }
  if (nowMs < notBeforeMs) {
    return problem('certificate', `is not valid before ${iso(leaf.validFromDate)}; set the clock of this machine right, or wait`);
  }
  const certificateChain = certificates.map((certificate) => certificate.toString()).join('');
  const refusal = opensslRefusal({ cert: certificateChain, key: privateKeyBlock(svid.privateKey.reveal()) });
  if (refusal !== undefined) return problem('certificate', `is refused by OpenSSL (${refusal}); issue one with a stronger key`);
  return { ok: true, value: { certificateChain, ...(isSvid && { spiffeId: uris[0]! }), dnsNames, notBeforeMs, notAfterMs } };
}

/**
 * Checks the roots that peers are verified against at the time `nowMs`. Expired roots beside good ones are kept out, and a federated
 * bundle that is no good does not hold up the others.
 */
export function checkTrustBundle(bundle: TrustBundle, nowMs: number): Checked<CheckedTrustBundle> {
  const { trustDomain, federated = [] } = bundle;
  if (federated.length > 0 && trustDomain === undefined) {
    return problem('trust-bundle', 'has federated trust domains and names none of its own; give it its `trustDomain`');
  }
  if (trustDomain !== undefined && !isTrustDomain(trustDomain)) {
    return problem('trust-bundle', `is for ${JSON.stringify(trustDomain)}, which is not the name of a trust domain`);
  }
  const own = readRoots(bundle.certificates, nowMs);
  if (!own.ok) return own;
  const taken = new Set([trustDomain]);
  const others = federated
    .toSorted((a, b) => (a.trustDomain < b.trustDomain ? -1 : 1))
    .map((other): FederatedBundle => {
      const unusable = { trustDomain: other.trustDomain, certificates: '', count: 0, notAfterMs: 0 };
      if (!isTrustDomain(other.trustDomain)) return { ...unusable, problem: 'is not for the name of a trust domain' };
      if (taken.has(other.trustDomain)) return { ...unusable, problem: 'is the second one for its trust domain' };
      taken.add(other.trustDomain);
      const roots = readRoots(other.certificates, nowMs);
      return roots.ok ? { trustDomain: other.trustDomain, ...roots.value } : { ...unusable, problem: roots.reason };
    });
  return { ok: true, value: { ...own.value, federated: others } };
}

function readRoots(pem: string, nowMs: number): Checked<Omit<CheckedTrustBundle, 'federated'>> {
  const certificates = readCertificates(pem);
  if (typeof certificates === 'string') return problem('trust-bundle', certificates, true);
  if (certificates.length === 0) {
    return problem('trust-bundle', 'holds no PEM certificate; it must have the BEGIN CERTIFICATE blocks of the roots', true);
  }
  const roots = certificates.filter((certificate) => certificate.ca || certificate.checkIssued(certificate));
  if (roots.length === 0) {
    return problem('trust-bundle', 'holds no certificate of a CA; name the file with the roots, not that of a workload');
  }
  const current = roots.filter((root) => root.validToDate.getTime() >= nowMs);
  const last = roots.reduce((a, b) => (a.validToDate > b.validToDate ? a : b));
  if (current.length === 0) {
    return problem(
      'trust-bundle',
      `has only expired certificates, the last since ${iso(last.validToDate)}; deploy the current roots`,
    );
  }
  const text = current.map((certificate) => certificate.toString()).join('');
  return { ok: true, value: { certificates: text, count: current.length, notAfterMs: last.validToDate.getTime() } };
}

/** The certificates of a bundle that was found good. */
export function rootsOf(certificates: string): X509Certificate[] {
  return (certificates.match(certificateBlock) ?? []).map((block) => new X509Certificate(block));
}

/** The private keys of a PEM text, without the rest of the file. */
export function privateKeyBlock(pem: string): string {
  return /-----BEGIN ((?:[A-Z0-9]+ )*PRIVATE KEY)-----[^]+?-----END \1-----/.exec(pem)?.[0] ?? '';
}

function readPrivateKey(pem: string): { readonly key: KeyObject } | MaterialProblem {
  const block = privateKeyBlock(pem);
  if (block === '') {
    return problem(
      'private-key',
      'holds no PEM private key; it must have a BEGIN PRIVATE KEY block (PKCS #8, or RSA or EC)',
      true,
    );
  }
  if (block.includes('ENCRYPTED')) {
    return problem(
      'private-key',
      'is encrypted; decrypt it with `openssl pkey -in KEY -out PLAIN` and keep that readable by this user alone',
    );
  }
  try {
    return { key: createPrivateKey(block) };
  } catch {
    // The error of OpenSSL names its routines, which helps nobody; nor may any of the text be repeated.
    return problem('private-key', 'cannot be parsed: it is damaged or of an unknown type; deploy it again', true);
  }
}

/** The certificates of a PEM text, or what is wrong with it. */
function readCertificates(pem: string): X509Certificate[] | string {
  const blocks = pem.match(certificateBlock) ?? [];
  if (blocks.length !== pem.split('-----BEGIN CERTIFICATE-----').length - 1) {
    return 'has a PEM certificate that is cut off or damaged; deploy it again';
  }
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch {
    return 'has a PEM certificate that cannot be parsed; deploy it again';
  }
}

/** What OpenSSL has against it (key too small, digest too weak): found here rather than at the first connection. */
function opensslRefusal(options: SecureContextOptions): string | undefined {
  try {
    createSecureContext(options);
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code ?? 'unknown error';
  }
}

function problem(part: MaterialProblem['part'], reason: string, mayPass = false): MaterialProblem {
  return { ok: false, part, reason, mayPass };
}

function iso(date: { toISOString(): string }): string {
  return date.toISOString().replace('.000Z', 'Z');
}

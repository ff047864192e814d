/**
 * A certificate authority in memory: the development CA of `meshfetch certs`, and the CA of our tests. ECDSA P-256 throughout.
 * Not for production: its key is in this process, and nothing is revoked. Production identities come from SPIRE, Istio, Consul …
 */
import { createPrivateKey, createPublicKey, randomBytes, webcrypto, X509Certificate } from 'node:crypto';

import type * as x509 from '@peculiar/x509';

import { PrivateKey } from '../model/identity.ts';
import { loadX509Library, type X509Library } from './x509-library.ts';

/** From when to when, milliseconds since 1970. Certificates count in whole seconds. */
export interface Validity {
  readonly fromMs: number;
  readonly untilMs: number;
}

/** The names that a certificate proves. */
export interface SubjectNames {
  readonly uris?: readonly string[];
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
  readonly emails?: readonly string[];
  /** Only for people to read; no peer is ever recognised by it. */
  readonly commonName?: string;
}

/** A certificate with its key. */
export interface IssuedCertificate {
  /** PEM, leaf first, intermediates after it, without the root. */
  readonly certificateChain: string;
  readonly privateKey: PrivateKey;
}

export interface CertificateAuthority {
  /** The CA's own certificate, PEM: of a root, this is the trust bundle. */
  readonly certificate: string;
  readonly privateKey: PrivateKey;
  /** A leaf for TLS servers and clients. `overrides` replace the standard extensions: for tests of what must be refused. */
  issue(names: SubjectNames, validity: Validity, overrides?: LeafOverrides): Promise<IssuedCertificate>;
  /** A CA below this one; its leaves carry its certificate in their chain. */
  issueAuthority(names: SubjectNames, validity: Validity, overrides?: AuthorityOverrides): Promise<CertificateAuthority>;
}

/** What replaces the standard extensions of a leaf: not a CA, `digitalSignature`, signed with SHA-256. */
export interface LeafOverrides {
  readonly isAuthority?: boolean;
  readonly keyUsages?: readonly KeyUsage[];
  readonly hash?: 'SHA-1' | 'SHA-256';
}

/** What replaces the standard extensions of a CA: `keyCertSign` and `cRLSign`. */
export interface AuthorityOverrides {
  readonly isAuthority?: boolean;
  readonly keyUsages?: readonly KeyUsage[];
}

/** Names of RFC 5280 section 4.2.1.3. */
export type KeyUsage = 'digitalSignature' | 'keyEncipherment' | 'keyCertSign' | 'cRLSign';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256' } as const;

interface Signer {
  readonly subject: string;
  readonly publicKey: webcrypto.CryptoKey;
  readonly signingKey: webcrypto.CryptoKey;
}

interface Template {
  readonly names: SubjectNames;
  readonly validity: Validity;
  readonly isAuthority: boolean;
  readonly keyUsages: readonly KeyUsage[];
  readonly hash: 'SHA-1' | 'SHA-256';
}

const leafUsages: readonly KeyUsage[] = ['digitalSignature'];
const authorityUsages: readonly KeyUsage[] = ['keyCertSign', 'cRLSign'];

/** A new self-signed root. `overrides` make a certificate that is none: for tests of what must be refused. */
export async function createCertificateAuthority(
  names: SubjectNames,
  validity: Validity,
  overrides: AuthorityOverrides = {},
): Promise<CertificateAuthority> {
  const keys = await generateKeys();
  const template: Template = { names, validity, isAuthority: true, keyUsages: authorityUsages, hash: 'SHA-256', ...overrides };
  const itself: Signer = { subject: subjectOf(names), publicKey: keys.publicKey, signingKey: keys.privateKey };
  const certificate = await signCertificate(template, keys.publicKey, itself);
  return authority(pemText(certificate), await exportKey(keys.privateKey), undefined);
}

/** A root or intermediate that was made before, from PEM. Throws when the key does not belong to the certificate. */
export function loadCertificateAuthority(certificate: string, privateKey: PrivateKey): CertificateAuthority {
  const parsed = new X509Certificate(certificate);
  if (!parsed.ca) throw new TypeError('this certificate may not issue others (basicConstraints CA is false)');
  if (!parsed.checkPrivateKey(createPrivateKey(privateKey.reveal()))) {
    throw new TypeError('the private key does not belong to the certificate');
  }
  return authority(certificate, privateKey, undefined);
}

function authority(certificate: string, privateKey: PrivateKey, chainBelowRoot: string | undefined): CertificateAuthority {
  let signer: Promise<Signer> | undefined;
  const signerOnce = (): Promise<Signer> => (signer ??= signerFromPem(certificate, privateKey));
  return {
    certificate,
    privateKey,
    async issue(names, validity, overrides = {}) {
      const keys = await generateKeys();
      const template: Template = { names, validity, isAuthority: false, keyUsages: leafUsages, hash: 'SHA-256', ...overrides };
      const leaf = await signCertificate(template, keys.publicKey, await signerOnce());
      return {
        certificateChain: pemText(leaf) + (chainBelowRoot ?? ''),
        privateKey: await exportKey(keys.privateKey),
      };
    },
    async issueAuthority(names, validity, overrides = {}) {
      const keys = await generateKeys();
      const template: Template = {
        names,
        validity,
        isAuthority: true,
        keyUsages: authorityUsages,
        hash: 'SHA-256',
        ...overrides,
      };
      const pem = pemText(await signCertificate(template, keys.publicKey, await signerOnce()));
      return authority(pem, await exportKey(keys.privateKey), pem + (chainBelowRoot ?? ''));
    },
  };
}

async function signCertificate(
  template: Template,
  publicKey: webcrypto.CryptoKey,
  signer: Signer,
): Promise<x509.X509Certificate> {
  const lib = loadX509Library();
  const { names } = template;
  const general: x509.JsonGeneralNames = [
    ...(names.uris ?? []).map((value) => ({ type: 'url' as const, value })),
    ...(names.dnsNames ?? []).map((value) => ({ type: 'dns' as const, value })),
    ...(names.ipAddresses ?? []).map((value) => ({ type: 'ip' as const, value })),
    ...(names.emails ?? []).map((value) => ({ type: 'email' as const, value })),
  ];
  const extensions: x509.Extension[] = [
    new lib.BasicConstraintsExtension(template.isAuthority, undefined, true),
    new lib.KeyUsagesExtension(keyUsageFlags(lib, template.keyUsages), true),
    await lib.SubjectKeyIdentifierExtension.create(publicKey),
    await lib.AuthorityKeyIdentifierExtension.create(signer.publicKey),
  ];
  if (!template.isAuthority) {
    extensions.push(new lib.ExtendedKeyUsageExtension([lib.ExtendedKeyUsage.serverAuth, lib.ExtendedKeyUsage.clientAuth]));
  }
  if (general.length > 0) extensions.push(new lib.SubjectAlternativeNameExtension(general));
  return lib.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: subjectOf(names),
    issuer: signer.subject,
    notBefore: new Date(template.validity.fromMs),
    notAfter: new Date(template.validity.untilMs),
    publicKey,
    signingKey: signer.signingKey,
    signingAlgorithm: { name: 'ECDSA', hash: template.hash },
    extensions,
  });
}

/** 128 random bits, positive. Source: RFC 5280 section 4.1.2.2. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return bytes.toString('hex');
}

function subjectOf(names: SubjectNames): string {
  return names.commonName === undefined ? 'O=meshfetch development' : `O=meshfetch development, CN=${names.commonName}`;
}

function keyUsageFlags(lib: X509Library, usages: readonly KeyUsage[]): x509.KeyUsageFlags {
  const flags = usages.map((usage): number => lib.KeyUsageFlags[usage]).reduce((all, flag) => all | flag, 0);
  // The library's enum is a set of bits: combinations of its members are meant.
  // oxlint-disable-next-line typescript/no-unsafe-enum-assignment, typescript/no-unnecessary-type-assertion
  return flags as x509.KeyUsageFlags;
}

async function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
}

async function signerFromPem(certificate: string, privateKey: PrivateKey): Promise<Signer> {
  const lib = loadX509Library();
  const pkcs8 = createPrivateKey(privateKey.reveal()).export({ type: 'pkcs8', format: 'der' });
  const spki = createPublicKey(certificate).export({ type: 'spki', format: 'der' });
  return {
    subject: new lib.X509Certificate(certificate).subject,
    publicKey: await webcrypto.subtle.importKey('spki', spki, algorithm, true, ['verify']),
    signingKey: await webcrypto.subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign']),
  };
}

async function exportKey(key: webcrypto.CryptoKey): Promise<PrivateKey> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key));
  return new PrivateKey(
    createPrivateKey({ key: der, type: 'pkcs8', format: 'der' }).export({ type: 'pkcs8', format: 'pem' }) as string,
  );
}

function pemText(certificate: x509.X509Certificate): string {
  return `${certificate.toString('pem')}\n`;
}

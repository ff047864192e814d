import { createPrivateKey, createPublicKey, randomBytes, webcrypto } from 'node:crypto';
import type { CertificateAuthority } from '../../src/security/certificate-authority.ts';
import { loadX509Library } from '../../src/security/x509-library.ts';
import { validity } from './certificates.ts';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256' } as const;

/**
 * A second certificate, PEM, for the name and the key of one CA, signed by another. `maxAuthoritiesBelow` and `permittedDns` limit what
 * it may be used for; with `withoutKeyIds` it says who signed it by name alone.
 */
export async function crossSign(
  authority: CertificateAuthority,
  by: CertificateAuthority,
  limits: { readonly maxAuthoritiesBelow?: number; readonly permittedDns?: string; readonly withoutKeyIds?: true } = {},
): Promise<string> {
  const lib = loadX509Library();
  const publicKey = async (pem: string): Promise<webcrypto.CryptoKey> =>
    webcrypto.subtle.importKey('spki', createPublicKey(pem).export({ type: 'spki', format: 'der' }), algorithm, true, ['verify']);
  const signingKey = await webcrypto.subtle.importKey(
    'pkcs8',
    createPrivateKey(by.privateKey.reveal()).export({ type: 'pkcs8', format: 'der' }),
    algorithm,
    false,
    ['sign'],
  );
  const subjectKey = await publicKey(authority.certificate);
  const { fromMs, untilMs } = validity();
  const certificate = await lib.X509CertificateGenerator.create({
    serialNumber: `40${randomBytes(8).toString('hex')}`,
    subject: new lib.X509Certificate(authority.certificate).subject,
    issuer: new lib.X509Certificate(by.certificate).subject,
    notBefore: new Date(fromMs),
    notAfter: new Date(untilMs),
    publicKey: subjectKey,
    signingKey,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    extensions: [
      new lib.BasicConstraintsExtension(true, limits.maxAuthoritiesBelow, true),
      // oxlint-disable-next-line typescript/no-unsafe-enum-assignment
      new lib.KeyUsagesExtension(lib.KeyUsageFlags.keyCertSign, true),
      ...(limits.withoutKeyIds === true
        ? []
        : [
            await lib.SubjectKeyIdentifierExtension.create(subjectKey),
            await lib.AuthorityKeyIdentifierExtension.create(await publicKey(by.certificate)),
          ]),
      ...(limits.permittedDns === undefined ? [] : [permits(limits.permittedDns)]),
    ],
  });
  return `${certificate.toString('pem')}\n`;

  /** nameConstraints with one permitted subtree. Source: RFC 5280 section 4.2.1.10. */
  function permits(dnsName: string): InstanceType<typeof lib.Extension> {
    const element = (tag: number, content: Uint8Array): Buffer => Buffer.from([tag, content.length, ...content]);
    const subtree = element(0x30, element(0x82, Buffer.from(dnsName)));
    return new lib.Extension('2.5.29.30', true, element(0x30, element(0xa0, subtree)));
  }
}

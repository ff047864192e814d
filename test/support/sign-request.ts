import { createPrivateKey, randomBytes, webcrypto } from 'node:crypto';
import type { CertificateAuthority, SubjectNames, Validity } from '../../src/security/certificate-authority.ts';
import { loadX509Library } from '../../src/security/x509-library.ts';

/** Signs the public key of a request as a CA of a mesh does: the names are the CA's own, PEM. Throws for a request that is none. */
export async function signRequest(
  authority: CertificateAuthority,
  csr: string,
  names: SubjectNames,
  validity: Validity,
): Promise<string> {
  const lib = loadX509Library();
  const request = new lib.Pkcs10CertificateRequest(csr);
  if (!(await request.verify())) throw new Error('the request is not signed by its own key');
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const pkcs8 = createPrivateKey(authority.privateKey.reveal()).export({ type: 'pkcs8', format: 'der' });
  const certificate = await lib.X509CertificateGenerator.create({
    serialNumber: `40${randomBytes(8).toString('hex')}`,
    subject: '',
    issuer: new lib.X509Certificate(authority.certificate).subject,
    notBefore: new Date(validity.fromMs),
    notAfter: new Date(validity.untilMs),
    publicKey: await request.publicKey.export(),
    signingKey: await webcrypto.subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign']),
    signingAlgorithm: algorithm,
    extensions: [
      new lib.BasicConstraintsExtension(false, undefined, true),
      new lib.KeyUsagesExtension(lib.KeyUsageFlags.digitalSignature, true),
      new lib.SubjectAlternativeNameExtension(
        (names.uris ?? []).map((value) => ({ type: 'url' as const, value })),
        true,
      ),
    ],
  });
  return `${certificate.toString('pem')}\n`;
}

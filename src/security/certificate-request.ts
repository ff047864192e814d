import { webcrypto } from 'node:crypto';
import { PrivateKey } from '../model/identity.ts';
import { loadX509Library } from './x509-library.ts';

/** A new key, and what a CA needs to certify it. */
export interface CertificateRequest {
  /** PKCS #10. */
  readonly pem: string;
  readonly der: Uint8Array;
  /** Stays in this process. */
  readonly privateKey: PrivateKey;
}

/** The names that are asked for. A CA that knows the caller may put its own in their place (Istio does). */
export interface RequestedNames {
  readonly uris?: readonly string[];
  readonly dnsNames?: readonly string[];
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** Makes a new ECDSA P-256 key and asks for a certificate of these names. */
export async function createCertificateRequest(names: RequestedNames): Promise<CertificateRequest> {
  const lib = loadX509Library();
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const request = await lib.Pkcs10CertificateRequestGenerator.create({
    name: '',
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new lib.SubjectAlternativeNameExtension([
        ...(names.uris ?? []).map((value) => ({ type: 'url' as const, value })),
        ...(names.dnsNames ?? []).map((value) => ({ type: 'dns' as const, value })),
      ]),
    ],
  });
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
  return {
    pem: `${request.toString('pem')}\n`,
    der: new Uint8Array(request.rawData),
    privateKey: new PrivateKey(
      `-----BEGIN PRIVATE KEY-----\n${pkcs8.toString('base64').replace(/.{64}/g, '$&\n').trimEnd()}\n-----END PRIVATE KEY-----\n`,
    ),
  };
}

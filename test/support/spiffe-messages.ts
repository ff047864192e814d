import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { IssuedCertificate } from '../../src/security/certificate-authority.ts';
import { ProtobufWriter } from '../../src/wire/protobuf.ts';

/** An SVID as the Workload API would send it. */
export interface SentSvid {
  readonly spiffeId: string;
  readonly issued: IssuedCertificate;
  /** PEM of the roots. */
  readonly bundle: string;
  readonly hint?: string;
}

/** The bytes of an `X509SVIDResponse`. Federated bundles are PEM, or bytes that go out as they are. */
export function x509SvidResponse(
  svids: readonly SentSvid[],
  federated: Readonly<Record<string, string | Uint8Array>> = {},
  crls: readonly Uint8Array[] = [],
): Uint8Array {
  const writer = new ProtobufWriter();
  for (const { spiffeId, issued, bundle, hint } of svids) {
    const svid = new ProtobufWriter()
      .text(1, spiffeId)
      .bytes(2, derOf(issued.certificateChain))
      .bytes(3, createPrivateKey(issued.privateKey.reveal()).export({ type: 'pkcs8', format: 'der' }))
      .bytes(4, derOf(bundle));
    if (hint !== undefined) svid.text(5, hint);
    writer.message(1, svid);
  }
  for (const crl of crls) writer.bytes(2, crl);
  writeBundles(writer, 3, federated);
  return writer.finish();
}

/** The bytes of an `X509BundlesResponse`. */
export function x509BundlesResponse(bundles: Readonly<Record<string, string | Uint8Array>>): Uint8Array {
  return writeBundles(new ProtobufWriter(), 2, bundles).finish();
}

function writeBundles(
  writer: ProtobufWriter,
  field: number,
  bundles: Readonly<Record<string, string | Uint8Array>>,
): ProtobufWriter {
  for (const [key, bundle] of Object.entries(bundles))
    writer.message(field, new ProtobufWriter().text(1, key).bytes(2, typeof bundle === 'string' ? derOf(bundle) : bundle));
  return writer;
}

/** The certificates of a PEM text in DER, one after another. */
export function derOf(pem: string): Uint8Array {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return Buffer.concat(blocks.map((block) => new X509Certificate(block).raw));
}

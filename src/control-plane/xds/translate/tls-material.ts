/** Certificates with their keys, and roots, that stand in a resource (`TlsCertificate`, `CertificateValidationContext`). */
import { createHash } from 'node:crypto';
import { PrivateKey } from '../../../model/identity.ts';
import type { SecretRef } from '../../../model/tls.ts';
import { dataSourceText } from './data-source.ts';
import type { Message } from './message.ts';
import type { ReceivedSecret } from './tls-secrets.ts';

/** Name of what stood in a resource: the same material has the same name wherever it stands. */
export function inlineName(pem: string): SecretRef {
  return `inline:${createHash('sha256').update(pem).digest('hex').slice(0, 16)}`;
}

/** Reads a `TlsCertificate`. Without a name it gets that of its content. */
export function certificateFrom(message: Message, name?: SecretRef): ReceivedSecret | undefined {
  const certificateChain = dataSourceText(message.message('certificate_chain'));
  const key = dataSourceText(message.message('private_key'));
  message.skip('watched_directory');
  for (const field of ['pkcs12', 'private_key_provider', 'password'])
    if (message.has(field)) {
      message.message(field)?.markRead();
      message.problem(field, 'is not read here; give the certificate and its key in PEM, the key without a password');
    }
  for (const field of ['ocsp_staple', 'signed_certificate_timestamp'])
    if (message.has(field)) message.note(field, 'is not shown to the peer');
  if (certificateChain === undefined && !message.has('certificate_chain'))
    message.problem('certificate_chain', 'must be there, in PEM');
  if (key === undefined && !message.has('private_key')) message.problem('private_key', 'must be there, in PEM');
  if (certificateChain === undefined || key === undefined) return undefined;
  return { svid: { name: name ?? inlineName(certificateChain), certificateChain, privateKey: new PrivateKey(key) } };
}

/**
 * The header `x-forwarded-client-cert`: who the clients before the last one were, by their certificates. Elements are separated by
 * commas, the nearest client's last; each has `Key=value` pairs separated by semicolons. Source: Envoy, "HTTP header manipulation",
 * x-forwarded-client-cert, and its five modes (`forward_client_cert_details`).
 */
import type { X509Certificate } from 'node:crypto';
import type { FilterChainConfig } from '../../model/listener.ts';
import type { InboundConnection } from './inbound-connection.ts';

/** What a policy says of the header. */
export type ClientCertificateConfig = NonNullable<FilterChainConfig['forwardClientCertificate']>;

/** URI names of the certificate that this process shows. */
export type OwnNames = () => readonly string[];

/** The value that a request gets, made of the one that it came with; undefined = none. */
export type ClientCertificateHeader = (forwarded: string | undefined, connection: InboundConnection) => string | undefined;

/** Compiles a mode. What is made of a certificate is made once for each connection. */
export function compileClientCertificateHeader(
  { mode, fields }: ClientCertificateConfig,
  ownNames: OwnNames = noNames,
): ClientCertificateHeader {
  if (mode === 'sanitize') return () => undefined;
  if (mode === 'always-forward-only') return (forwarded) => forwarded;
  if (mode === 'forward-only') return (forwarded, connection) => (connection.certificate === undefined ? undefined : forwarded);
  const made = new WeakMap<InboundConnection, string>();
  return (forwarded, connection) => {
    const { certificate } = connection;
    // Whoever shows no certificate says nothing of anybody.
    if (certificate === undefined) return undefined;
    let own = made.get(connection);
    if (own === undefined) made.set(connection, (own = elementOf(connection, certificate, fields, ownNames())));
    return mode === 'append-forward' && forwarded !== undefined && forwarded !== '' ? `${forwarded},${own}` : own;
  };
}

function noNames(): readonly string[] {
  return [];
}

function elementOf(
  { identity }: InboundConnection,
  certificate: X509Certificate,
  fields: ClientCertificateConfig['fields'],
  ownNames: readonly string[],
): string {
  const pairs = ownNames.map((name) => `By=${name}`);
  pairs.push(`Hash=${certificate.fingerprint256.replaceAll(':', '').toLowerCase()}`);
  if (fields.includes('cert')) pairs.push(`Cert="${encodeURIComponent(pemOf(certificate))}"`);
  if (fields.includes('chain')) pairs.push(`Chain="${encodeURIComponent(chainOf(certificate).map(pemOf).join(''))}"`);
  if (fields.includes('subject')) pairs.push(`Subject="${subjectOf(certificate)}"`);
  if (fields.includes('uri')) pairs.push(...(identity?.uris ?? []).map((uri) => `URI=${uri}`));
  if (fields.includes('dns')) pairs.push(...(identity?.dnsNames ?? []).map((name) => `DNS=${name}`));
  return pairs.join(';');
}

function pemOf(certificate: X509Certificate): string {
  return certificate.toString();
}

/** What the peer showed, leaf first; its root is ours. */
function chainOf(leaf: X509Certificate): X509Certificate[] {
  const chain: X509Certificate[] = [];
  for (let each: X509Certificate | undefined = leaf; each !== undefined && chain.length < 10; each = issuerOf(each)) {
    if (each !== leaf && each.subject === each.issuer) break;
    chain.push(each);
  }
  return chain;
}

function issuerOf(certificate: X509Certificate): X509Certificate | undefined {
  return (certificate as X509Certificate & { readonly issuerCertificate?: X509Certificate }).issuerCertificate;
}

function subjectOf(certificate: X509Certificate): string {
  return certificate.subject ?? '';
}

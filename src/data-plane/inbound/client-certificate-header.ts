/**
 * The header `x-forwarded-client-cert`: who the clients before the last one were, by their certificates. Elements are separated by
 * commas, the nearest client's last; each has `Key=value` pairs separated by semicolons. Source: Envoy, "HTTP header manipulation",
 * x-forwarded-client-cert, and its five modes (`forward_client_cert_details`).
 *
 * `Chain` is left out: Node's servers do not show the certificates that a client sent beside its own.
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
  const { uris = [], dnsNames = [] } = identity ?? {};
  const pairs = ownNames.map((name) => `By=${plain(name)}`);
  pairs.push(`Hash=${certificate.fingerprint256.replaceAll(':', '').toLowerCase()}`);
  if (fields.includes('cert')) pairs.push(`Cert="${encodeURIComponent(certificate.toString())}"`);
  if (fields.includes('subject')) pairs.push(`Subject="${subjectOf(certificate)}"`);
  // The key is there even where there is no such name, as in Envoy.
  if (fields.includes('uri')) pairs.push(...(uris.length === 0 ? ['URI='] : uris.map((uri) => `URI=${plain(uri)}`)));
  if (fields.includes('dns')) pairs.push(...dnsNames.map((name) => `DNS=${plain(name)}`));
  return pairs.join(';');
}

/**
 * The subject as RFC 2253 writes it. Node writes its parts in the order of the certificate, one a line, escaped alike but for
 * characters beyond ASCII.
 */
function subjectOf({ subject }: X509Certificate): string {
  const parts = (subject as string | undefined)?.split('\n').toReversed() ?? [];
  const text = parts.map((part) => part.split(' + ').toReversed().join('+')).join(',');
  return text.replaceAll(/[^\u0020-\u007E]/gu, escapeBytes);
}

/** A name that ends no pair and no element: whoever signed it may have let anything into it. */
function plain(name: string): string {
  return name.replaceAll(/[^\u0021-\u007E]|[,;"\\]/gu, (character) =>
    [...Buffer.from(character)].map((byte) => `%${hexOf(byte)}`).join(''),
  );
}

function escapeBytes(character: string): string {
  return [...Buffer.from(character)].map((byte) => `\\${hexOf(byte)}`).join('');
}

function hexOf(byte: number): string {
  return byte.toString(16).toUpperCase().padStart(2, '0');
}

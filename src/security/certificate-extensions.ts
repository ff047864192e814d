/**
 * Reads the extensions of a certificate that identity depends on, from its DER. Node gives the subject alternative names as one
 * text, in which a name with a comma can pass for two names, and does not give the key usage at all; here every name keeps its
 * type and its exact bytes. Names with bytes that have no business in a name (NUL, control, non-ASCII) make the whole
 * certificate unreadable. Source: RFC 5280 sections 4.1 and 4.2.1.
 */

/** What a certificate says about its subject and what it may be used for. */
export interface CertificateExtensions {
  readonly uris: readonly string[];
  /** As written in the certificate. */
  readonly dnsNames: readonly string[];
  /** IPv4 dotted, IPv6 as eight groups without leading zeros. */
  readonly ipAddresses: readonly string[];
  readonly emails: readonly string[];
  /** basicConstraints: may issue certificates. */
  readonly isAuthority: boolean;
  /** pathLenConstraint: so many CAs may stand between it and a leaf. Absent = any number. */
  readonly maxAuthoritiesBelow?: number;
  /** Names that it may issue certificates for are limited. */
  readonly hasNameConstraints?: true;
  /** Absent when the certificate has no keyUsage extension. */
  readonly keyUsage?: { readonly digitalSignature: boolean; readonly keyCertSign: boolean; readonly cRLSign: boolean };
}

interface Element {
  readonly tag: number;
  readonly content: Uint8Array;
}

const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectId: 0x06,
  sequence: 0x30,
  extensions: 0xa3,
} as const;
const generalNames = { email: 0x81, dns: 0x82, uri: 0x86, ip: 0x87 } as const;
const objectIds = {
  keyUsage: '551d0f',
  subjectAltName: '551d11',
  basicConstraints: '551d13',
  nameConstraints: '551d1e',
} as const;

/** Reads a DER certificate. Throws a TypeError when it is not one, or has a name that cannot be trusted to be what it seems. */
export function readCertificateExtensions(der: Uint8Array): CertificateExtensions {
  const certificate = only(der, tags.sequence);
  const toBeSigned = children(certificate)[0];
  if (toBeSigned?.tag !== tags.sequence) throw malformed();
  const wrapper = children(toBeSigned.content).find((element) => element.tag === tags.extensions);
  const values = new Map<string, Uint8Array>();
  for (const extension of wrapper ? children(only(wrapper.content, tags.sequence)) : []) {
    const [id, ...rest] = children(extension.content);
    const value = rest.at(-1);
    if (id?.tag !== tags.objectId || value?.tag !== tags.octetString) throw malformed();
    const key = Buffer.from(id.content).toString('hex');
    if (values.has(key)) throw new TypeError('the certificate has the same extension twice');
    values.set(key, value.content);
  }
  const keyUsage = readKeyUsage(values.get(objectIds.keyUsage));
  return {
    ...readNames(values.get(objectIds.subjectAltName)),
    ...readBasicConstraints(values.get(objectIds.basicConstraints)),
    ...(values.has(objectIds.nameConstraints) && { hasNameConstraints: true }),
    ...(keyUsage && { keyUsage }),
  };
}

type Names = Pick<CertificateExtensions, 'uris' | 'dnsNames' | 'ipAddresses' | 'emails'>;

function readNames(value: Uint8Array | undefined): Names {
  const uris: string[] = [];
  const dnsNames: string[] = [];
  const ipAddresses: string[] = [];
  const emails: string[] = [];
  for (const name of value ? children(only(value, tags.sequence)) : []) {
    if (name.tag === generalNames.uri) uris.push(text(name.content));
    else if (name.tag === generalNames.dns) dnsNames.push(text(name.content));
    else if (name.tag === generalNames.email) emails.push(text(name.content));
    else if (name.tag === generalNames.ip) ipAddresses.push(ipText(name.content));
  }
  return { uris, dnsNames, ipAddresses, emails };
}

function readKeyUsage(value: Uint8Array | undefined): CertificateExtensions['keyUsage'] {
  if (value === undefined) return undefined;
  // First byte: number of unused bits; then bit 0 (digitalSignature) is the highest bit of the next byte.
  const first = only(value, tags.bitString)[1] ?? 0;
  return { digitalSignature: (first & 0x80) !== 0, keyCertSign: (first & 0x04) !== 0, cRLSign: (first & 0x02) !== 0 };
}

function readBasicConstraints(value: Uint8Array | undefined): Pick<CertificateExtensions, 'isAuthority' | 'maxAuthoritiesBelow'> {
  if (value === undefined) return { isAuthority: false };
  const [flag, length] = children(only(value, tags.sequence));
  if (flag?.tag !== tags.boolean || flag.content[0] === 0) return { isAuthority: false };
  if (length === undefined) return { isAuthority: true };
  // Longer or negative ones are not met; such a certificate may have no CA below it.
  const isPlain = length.tag === tags.integer && length.content.length === 1 && length.content[0]! < 0x80;
  return { isAuthority: true, maxAuthoritiesBelow: isPlain ? length.content[0]! : 0 };
}

function text(bytes: Uint8Array): string {
  for (const byte of bytes) {
    if (byte < 0x20 || byte > 0x7e) throw new TypeError('the certificate has a name with a byte that is not printable ASCII');
  }
  return Buffer.from(bytes).toString('latin1');
}

/** One spelling for each address, so that addresses can be compared as text. */
function ipText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) throw new TypeError('the certificate has an IP address that is neither IPv4 nor IPv6');
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(((bytes[i]! << 8) | bytes[i + 1]!).toString(16));
  return groups.join(':');
}

function only(der: Uint8Array, tag: number): Uint8Array {
  const elements = children(der);
  if (elements.length !== 1 || elements[0]!.tag !== tag) throw malformed();
  return elements[0]!.content;
}

/** The elements that follow one another in `der`. DER: definite lengths, one-byte tags. */
function children(der: Uint8Array): Element[] {
  const elements: Element[] = [];
  let at = 0;
  while (at < der.length) {
    const tag = der[at]!;
    let length = der[at + 1] ?? Number.NaN;
    at += 2;
    if ((tag & 0x1f) === 0x1f) throw malformed();
    if (length > 0x80) {
      const lengthBytes = length & 0x7f;
      if (lengthBytes > 4) throw malformed();
      length = 0;
      for (let i = 0; i < lengthBytes; i += 1) length = length * 256 + (der[at + i] ?? Number.NaN);
      at += lengthBytes;
    } else if (length === 0x80) {
      throw malformed();
    }
    if (Number.isNaN(length) || at + length > der.length) throw malformed();
    elements.push({ tag, content: der.subarray(at, at + length) });
    at += length;
  }
  return elements;
}

function malformed(): TypeError {
  return new TypeError('the certificate is malformed');
}

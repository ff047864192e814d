/**
 * Why a connection of gRPC was not made, in words with a remedy: what OpenSSL and HTTP/2 say of a TLS that does not fit is for those
 * who know it already. Messages are those of Node and OpenSSL 3, and of the alerts of RFC 8446, section 6.
 */
import { X509Certificate } from 'node:crypto';
import type { GrpcTls } from './grpc-credentials.ts';

/** How the connection was tried. */
export interface TriedConnection {
  /** Absent = plaintext. */
  readonly tls: GrpcTls | undefined;
  /** Name that the certificate of the server had to have. */
  readonly serverName: string;
  readonly isUnixSocket: boolean;
}

/** `raw` is what the library says; it comes back without line breaks and addresses of threads where no row fits. */
export function connectionFailure(raw: string, tried: TriedConnection): string {
  const text = raw.trim();
  const row = (tried.tls === undefined ? plaintextRows : tlsRows).find(({ says }) => says.test(text));
  return row?.words(tried, text) ?? reasonOf(text);
}

interface Row {
  readonly says: RegExp;
  readonly words: (tried: TriedConnection, text: string) => string | undefined;
}

const takesNoCertificate = ({ tls }: TriedConnection, text: string): string =>
  tls?.certificateChain === undefined
    ? 'the server asks for a certificate of ours, and none is set: set the certificate and its key'
    : `the server does not take our certificate (${reasonOf(text)}): its roots must hold the authority that has issued it`;

const plaintextRows: readonly Row[] = [
  {
    // The first bytes were no greeting of TLS, and the server hung up or sent an alert where HTTP/2 was due.
    says: /^(?:Failed to connect|Protocol error)$/,
    words: ({ isUnixSocket }) =>
      isUnixSocket
        ? undefined
        : 'the server hung up before it spoke HTTP/2: where it speaks TLS, turn `tls` on; else check the port',
  },
];

const tlsRows: readonly Row[] = [
  {
    says: /wrong version number|packet length too long|http request|record layer failure/,
    words: () => 'the server does not speak TLS there: leave `tls` out where it speaks plaintext, or check the port',
  },
  { says: /alert certificate required/, words: takesNoCertificate },
  // TLS 1.2 has no alert of its own for a certificate that is missing.
  {
    says: /alert (?:handshake failure|bad certificate|unknown ca|certificate unknown|unsupported certificate|certificate (?:expired|revoked))/,
    words: takesNoCertificate,
  },
  {
    says: /^Failed to connect$/,
    words: ({ tls }) =>
      `the server hung up after the TLS handshake: it does not speak HTTP/2 (ALPN h2)${tls?.certificateChain === undefined ? '' : ', or does not take our certificate'}`,
  },
  { says: /alert protocol version|unsupported protocol/, words: () => 'the server speaks neither TLS 1.2 nor TLS 1.3' },
  { says: /alert no application protocol/, words: () => 'the server does not speak HTTP/2 there (ALPN h2): check the port' },
  {
    says: /unable to verify the first certificate|self[- ]signed certificate|unable to get (?:local )?issuer certificate/,
    words: ({ tls }) => {
      const roots =
        tls?.roots === undefined ? 'that Node trusts' : tls.rootsFile === undefined ? 'that are given' : `in ${tls.rootsFile}`;
      return `the certificate of the server is of no authority among the roots ${roots}: name the file with the root of its authority`;
    },
  },
  {
    says: /ERR_TLS_CERT_ALTNAME_INVALID|does not match certificate's altnames/,
    words: ({ serverName }, text) => {
      const list = /.*(?:altnames|list): ?(.*)$/s.exec(text)?.[1]?.trim() ?? '';
      return `the certificate of the server is not for ${JSON.stringify(serverName)}, but for ${list === '' ? 'other names' : list}: set \`serverName\` to the name that it has`;
    },
  },
  {
    says: /certificate has expired/,
    words: () => 'the certificate of the server has expired: renew it, or set the clock of this machine',
  },
  {
    says: /certificate is not yet valid/,
    words: () => 'the certificate of the server is not valid yet: set the clock of this machine, or wait',
  },
  { says: /key values mismatch/, words: () => 'our certificate and our key do not belong together' },
  { says: /PEM routines|no start line/, words: () => 'our certificate or our key is no PEM' },
];

/** `tlsv1 alert x` of `401DC2B9947F0000:error:0A00042E:SSL routines:ssl3_read_bytes:tlsv1 alert x:../deps/…:918:SSL alert number 70`. */
function reasonOf(text: string): string {
  const reason = /(?:^|:)error:[0-9A-F]+:[^:]*:[^:]*:([^:]+)/.exec(text)?.[1];
  return (reason ?? text).replaceAll(/\s*[\r\n]+\s*/g, '; ');
}

/** Why a text cannot serve as roots; undefined where it can. OpenSSL takes what is none for an empty list. */
export function rootsProblem(pem: string): string | undefined {
  const blocks = pem.match(/-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]*-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g);
  if (blocks === null) return 'holds no PEM certificate';
  for (const [index, block] of blocks.entries()) {
    try {
      void new X509Certificate(block);
    } catch {
      return `holds a certificate that cannot be read, number ${index + 1}`;
    }
  }
  return undefined;
}

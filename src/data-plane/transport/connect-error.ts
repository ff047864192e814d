import { isError } from '../../base/is-error.ts';

/** Why a connection could not be made, for the data plane to turn into a MeshError. */
export type ConnectFailure =
  /** Nobody listens there. */
  | 'refused'
  /** TCP and TLS together took longer than the connect timeout. */
  | 'timeout'
  /** The TLS handshake failed: no TLS there, no common version or cipher, a chain that does not verify, or the peer refused us. */
  | 'tls'
  /** The peer's chain is good and its name is not the expected one. */
  | 'identity'
  /** We have no certificate or trust bundle to connect with; nothing was sent. */
  | 'no-identity'
  /** No route, reset, name not found. */
  | 'network'
  /** This process or machine ran out of sockets, ports or memory: not the endpoint's fault, and never to be counted against it. */
  | 'local-resource';

/** A connection that was not made: nothing of a request has left this process. */
export class ConnectError extends Error {
  override readonly name = 'ConnectError';
  readonly kind: ConnectFailure;
  /** Of the system or of OpenSSL: `ECONNREFUSED`, `CERT_HAS_EXPIRED`, … */
  readonly code: string | undefined;

  constructor(kind: ConnectFailure, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.kind = kind;
    this.code = codeOf(cause);
  }
}

/**
 * The peer refused this process after our side of the TLS handshake: a TLS 1.3 server judges our certificate when a request may be
 * on its way already. With {@link isTlsAlert} it said so, and has certainly processed nothing; without, it closed before it sent
 * anything, and the refusal is a guess: retry as for a reset.
 */
export class RefusedAfterHandshakeError extends Error {
  override readonly name = 'RefusedAfterHandshakeError';
  /** The alert as OpenSSL spells it, or `ERR_TLS_CLOSED_AFTER_HANDSHAKE`. */
  readonly code: string;

  constructor(message: string, alert?: Error) {
    super(message, alert === undefined ? undefined : { cause: alert });
    this.code = codeOf(alert) ?? 'ERR_TLS_CLOSED_AFTER_HANDSHAKE';
  }
}

const localResourceCodes = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EADDRNOTAVAIL', 'EAGAIN']);
const refusedCodes = new Set(['ECONNREFUSED', 'ENOENT']);

/** Classifies what a socket reported while it was connecting. `inTls` = TCP was through. */
export function connectErrorOf(error: unknown, endpoint: string, inTls: boolean): ConnectError {
  const code = codeOf(error);
  const text = messageOf(error);
  if (code !== undefined && localResourceCodes.has(code)) {
    return new ConnectError(
      'local-resource',
      `this process cannot open another connection (${code}); ${endpoint} was not asked`,
      error,
    );
  }
  if (inTls) return new ConnectError('tls', `TLS with ${endpoint} failed: ${tlsHint(code) ?? openSslText(code) ?? text}`, error);
  if (code === 'ETIMEDOUT') return new ConnectError('timeout', `${endpoint} did not answer in time`, error);
  if (code !== undefined && refusedCodes.has(code)) {
    return new ConnectError('refused', `${endpoint} refused the connection (${code})`, error);
  }
  return new ConnectError('network', `no connection to ${endpoint}: ${text}`, error);
}

/**
 * Alerts by which a server refuses our certificate or the handshake, as OpenSSL and BoringSSL spell them. In TLS 1.3 they arrive
 * after `secureConnect`, as the error of the first request on the connection. Source: RFC 8446 section 6.2.
 */
const handshakeAlert =
  /^ERR_SSL_(?:.*_)?ALERT_(?:BAD_CERTIFICATE(?:_HASH_VALUE)?|UNSUPPORTED_CERTIFICATE|CERTIFICATE_(?:REVOKED|EXPIRED|UNKNOWN|REQUIRED)|UNKNOWN_CA|ACCESS_DENIED|HANDSHAKE_FAILURE|INSUFFICIENT_SECURITY|PROTOCOL_VERSION|NO_APPLICATION_PROTOCOL|UNRECOGNIZED_NAME)$/;

/**
 * Whether the peer refused the handshake by a TLS alert (looked for along `cause`): `ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED`,
 * `ERR_SSL_TLSV1_ALERT_UNKNOWN_CA`, `ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE`, … The peer has then processed no request, since
 * only alerts before its first answer are passed on in a {@link RefusedAfterHandshakeError}.
 */
export function isTlsAlert(error: unknown): boolean {
  for (let depth = 0, at = error; depth < 8 && isError(at); depth += 1, at = at.cause) {
    const code = codeOf(at);
    if (code !== undefined && handshakeAlert.test(code)) return true;
  }
  return false;
}

/** The first system or OpenSSL code of an error; of the first attempt when several addresses were tried. */
export function codeOf(error: unknown): string | undefined {
  if (!isError(error)) return undefined;
  if ('code' in error && typeof error.code === 'string') return error.code;
  return isSeveral(error) ? codeOf(error.errors[0]) : undefined;
}

function messageOf(error: unknown): string {
  if (isSeveral(error) && error.message === '') return messageOf(error.errors[0]);
  return isError(error) ? error.message : 'unknown error';
}

/** An AggregateError of any realm: that of several addresses that were tried. */
function isSeveral(error: unknown): error is AggregateError {
  return isError(error) && 'errors' in error && Array.isArray(error.errors);
}

/** OpenSSL's own text names its source files; the code says as much. */
function openSslText(code: string | undefined): string | undefined {
  if (code === undefined || !code.startsWith('ERR_SSL_')) return undefined;
  return handshakeAlert.test(code)
    ? `the endpoint refused the handshake, for our certificate or for want of a common cipher (${code})`
    : code;
}

/** What the usual codes of OpenSSL mean for the reader. */
function tlsHint(code: string | undefined): string | undefined {
  switch (code) {
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
    case 'ERR_SSL_HTTP_REQUEST':
      return `the endpoint does not speak TLS on this port (${code})`;
    case 'ERR_SSL_UNSUPPORTED_PROTOCOL':
    case 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION':
      return `the endpoint speaks no TLS version that is allowed; TLS 1.2 is the least (${code})`;
    case 'CERT_HAS_EXPIRED':
      return `the endpoint's certificate (or one of its chain) has expired (${code})`;
    case 'CERT_NOT_YET_VALID':
      return `the endpoint's certificate is not valid yet; compare the clocks (${code})`;
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
      return `the endpoint's certificate is self-signed and not in the trust bundle (${code})`;
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
      return `the endpoint's certificate was issued by a CA that is not in the trust bundle (${code})`;
    case 'ECONNRESET':
      return `the endpoint closed the connection during the handshake: it may not speak TLS here, or refuse our certificate (${code})`;
    default:
      return undefined;
  }
}

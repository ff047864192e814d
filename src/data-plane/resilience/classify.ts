/**
 * What an error of the transport means: which of our codes it is, whether the peer may have acted on the request, and whose fault
 * it was. Every row was seen on a real socket against undici 8.12 (test/unit/data-plane/resilience/classify.test.ts), because the
 * text of an error and the moment at which undici raises it do not follow from its name.
 *
 * The rule for "may have been processed": undici calls `onRequestStart` when a connection is there and it is about to write. An
 * error before that means that not a byte left this process. After it, only HTTP/2 can prove that the peer did not act: a
 * REFUSED_STREAM, or a GOAWAY whose last stream is below ours (RFC 9113, section 8.7); undici reports the second only then, and has
 * by then tried both once more by itself where the body allowed it.
 */
import { isError } from '../../base/is-error.ts';
import type { MeshErrorCode } from '../../base/errors.ts';
import type { Failure } from './outcome.ts';

/** How far the attempt had come. */
export interface AttemptPhase {
  /** undici called `onRequestStart`: bytes may have been written. */
  readonly requestStarted: boolean;
  /** The response head (not a 1xx) had arrived. */
  readonly responseStarted: boolean;
}

/** Turns an error of undici, of the connector or of the request's own body into a failure. */
export function classifyError(error: unknown, phase: AttemptPhase): Failure {
  const { name, code, message, kind } = read(error);
  if (name === 'ConnectError') return connectFailure(error, kind, message);
  const fixed = fixedCodes[code];
  if (fixed !== undefined)
    return failure(error, phase, fixed.code, `${fixed.reason}${message === '' ? '' : `: ${message}`}`, fixed.ours);
  if (isOurResource(code))
    return failure(error, phase, 'MESH_CONNECT_FAILED', `this process is out of a resource (${code}): ${message}`, true);
  if (/GOAWAY|NGHTTP2_REFUSED_STREAM/.test(message) && !phase.responseStarted) {
    return {
      ...failure(error, phase, 'MESH_REFUSED_STREAM', `the endpoint refused the stream: ${message}`, false),
      mayHaveBeenProcessed: false,
    };
  }
  if (isTls(code)) return failure(error, phase, 'MESH_TLS_FAILED', `TLS with the endpoint failed: ${firstLine(message)}`, false);
  if (name === 'HTTPParserError' || isProtocolError(code, message)) {
    return failure(
      error,
      phase,
      phase.responseStarted ? 'MESH_BODY_ABORTED' : 'MESH_PROTOCOL_ERROR',
      `the endpoint broke the protocol: ${message}`,
      false,
    );
  }
  if (code === 'UND_ERR_DESTROYED' || code === 'UND_ERR_CLOSED') {
    return failure(
      error,
      phase,
      phase.responseStarted ? 'MESH_BODY_ABORTED' : 'MESH_RESET',
      'this process closed the connection',
      true,
    );
  }
  // Errors of sockets and of undici carry a code; one without is the program's own: its body stream, its handler, its abort.
  if (code === '')
    return failure(error, phase, 'MESH_REQUEST_INVALID', `the request was broken off by its own side: ${message}`, true);
  if (phase.responseStarted)
    return failure(error, phase, 'MESH_BODY_ABORTED', `the connection broke in the middle of the response: ${message}`, false);
  if (connectCodes.has(code) && !phase.requestStarted)
    return failure(error, phase, connectCode(code), `no connection: ${message}`, false);
  return failure(error, phase, 'MESH_RESET', `the connection broke before a response: ${message}`, false);
}

interface FixedRow {
  readonly code: MeshErrorCode;
  readonly reason: string;
  readonly ours: boolean;
}

/** Codes that mean the same whatever the phase. */
const fixedCodes: Readonly<Record<string, FixedRow>> = {
  __proto__: null as never,
  UND_ERR_CONNECT_TIMEOUT: {
    code: 'MESH_CONNECT_TIMEOUT',
    reason: 'the endpoint did not accept the connection in time',
    ours: false,
  },
  UND_ERR_HEADERS_TIMEOUT: { code: 'MESH_PER_TRY_TIMEOUT', reason: 'the endpoint sent no response in time', ours: false },
  UND_ERR_BODY_TIMEOUT: { code: 'MESH_IDLE_TIMEOUT', reason: 'the response stood still', ours: false },
  UND_ERR_INVALID_ARG: { code: 'MESH_REQUEST_INVALID', reason: 'the request cannot be sent', ours: true },
  UND_ERR_NOT_SUPPORTED: { code: 'MESH_REQUEST_INVALID', reason: 'the request cannot be sent', ours: true },
  UND_ERR_REQ_CONTENT_LENGTH_MISMATCH: {
    code: 'MESH_REQUEST_INVALID',
    reason: 'the body is not as long as the request says',
    ours: true,
  },
  UND_ERR_ABORTED: { code: 'MESH_REQUEST_INVALID', reason: 'the request was aborted by its own side', ours: true },
  UND_ERR_ABORT: { code: 'MESH_REQUEST_INVALID', reason: 'the request was aborted by its own side', ours: true },
  UND_ERR_RES_EXCEEDED_MAX_SIZE: {
    code: 'MESH_BODY_ABORTED',
    reason: 'the response is longer than this process allows',
    ours: true,
  },
};

/** Errors of connect(2) and of the name that mean: no connection. */
const connectCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTDOWN',
  'ENETDOWN',
  'ECONNABORTED',
  'EACCES',
  'EPERM',
  'ENOENT',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

function connectCode(code: string): MeshErrorCode {
  return code === 'ETIMEDOUT' ? 'MESH_CONNECT_TIMEOUT' : 'MESH_CONNECT_FAILED';
}

/** Sockets, buffers and ports of this machine: the endpoint has nothing to do with it. */
function isOurResource(code: string): boolean {
  return (
    code === 'EMFILE' ||
    code === 'ENFILE' ||
    code === 'ENOBUFS' ||
    code === 'ENOMEM' ||
    code === 'EADDRNOTAVAIL' ||
    code === 'EAGAIN'
  );
}

/** Codes of OpenSSL, of Node's hostname check, and of X.509 verification. */
function isTls(code: string): boolean {
  return /^(?:ERR_SSL_|ERR_TLS_|CERT_|CRL_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_|ERROR_IN_CERT_|EPROTO$)/.test(
    code,
  );
}

function isProtocolError(code: string, message: string): boolean {
  return (
    code === 'UND_ERR_HEADERS_OVERFLOW' ||
    code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH' ||
    code === 'ERR_HTTP2_ERROR' ||
    message === 'bad response' ||
    message === 'bad upgrade' ||
    /NGHTTP2_(?:PROTOCOL_ERROR|FRAME_SIZE_ERROR|FLOW_CONTROL_ERROR|COMPRESSION_ERROR)/.test(message)
  );
}

/** What the mesh's own connector found; nothing was sent. */
function connectFailure(error: unknown, kind: string, message: string): Failure {
  const phase = { requestStarted: false, responseStarted: false };
  switch (kind) {
    case 'timeout':
      return failure(error, phase, 'MESH_CONNECT_TIMEOUT', message, false);
    case 'tls':
      return failure(error, phase, 'MESH_TLS_FAILED', message, false);
    case 'identity':
      return failure(error, phase, 'MESH_PEER_IDENTITY', message, false);
    case 'no-identity':
      return failure(error, phase, 'MESH_NO_IDENTITY', message, true);
    case 'local-resource':
      return failure(error, phase, 'MESH_CONNECT_FAILED', message, true);
    default:
      return failure(error, phase, 'MESH_CONNECT_FAILED', message, false);
  }
}

function failure(cause: unknown, phase: AttemptPhase, code: MeshErrorCode, reason: string, ours: boolean): Failure {
  return {
    kind: 'failure',
    code,
    mayHaveBeenProcessed: phase.requestStarted,
    localOrigin: true,
    ours,
    reason,
    cause,
  };
}

function read(error: unknown): { name: string; code: string; message: string; kind: string } {
  if (!isError(error)) return { name: '', code: '', message: String(error), kind: '' };
  const { code, kind } = error as { code?: unknown; kind?: unknown };
  return {
    name: error.name,
    code: typeof code === 'string' ? code : '',
    message: error.message,
    kind: typeof kind === 'string' ? kind : '',
  };
}

function firstLine(message: string): string {
  return message.trim().split('\n', 1)[0]!;
}

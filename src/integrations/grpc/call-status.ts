/**
 * The status that a gRPC call ends with: of trailers, of an HTTP answer without any, of a failure of the mesh. Sources: gRPC over HTTP/2
 * ("Responses", "HTTP to gRPC Status Code Mapping", "Errors") and, where it leaves room, what grpc-js 1.14 does (subchannel-call.js).
 */
import type { Metadata } from '@grpc/grpc-js';
import { isMeshError, MeshError, type MeshErrorCode } from '../../base/errors.ts';
import { grpcStatusFromHttp } from '../../base/grpc-status.ts';
import { resetCodeOf, statusOfReset } from '../http2-reset.ts';
import type { CallStatus, Grpc } from './grpc-js.ts';

type Headers = Readonly<Record<string, string | string[] | undefined>>;

const errors = new WeakMap<Metadata, MeshError>();

/**
 * The mesh's own error behind a failed call: its attempts, endpoint, flags and remedy. Takes the error that grpc-js gives, or its status;
 * undefined where the call did not fail in the mesh but was answered, or ended by the program.
 */
export function meshErrorOf(error: unknown): MeshError | undefined {
  const metadata = (error as Partial<CallStatus> | null | undefined)?.metadata;
  return typeof metadata === 'object' ? errors.get(metadata) : undefined;
}

/** Of an answer that says nothing of gRPC. */
export function statusOfHttp(grpc: Grpc, http: number, metadata = new grpc.Metadata()): CallStatus {
  return { code: grpcStatusFromHttp(http), details: `Received HTTP status code ${http}`, metadata };
}

/** Of the headers or trailers that a response ends with. */
export function statusOfTrailers(grpc: Grpc, trailers: Headers, http: number): CallStatus {
  const metadata = grpc.Metadata.fromHttp2Headers(trailers);
  const code = trailers['grpc-status'];
  if (typeof code !== 'string') {
    if (Object.keys(trailers).length > 0 || http !== 200) return statusOfHttp(grpc, http, metadata);
    return { code: 13, details: 'Received RST_STREAM with code 0 (Call ended without gRPC status)', metadata };
  }
  metadata.remove('grpc-status');
  const message = trailers['grpc-message'];
  if (message === undefined) return { code: Number(code), details: '', metadata };
  metadata.remove('grpc-message');
  return { code: Number(code), details: decoded(String(message)), metadata };
}

function decoded(message: string): string {
  if (!message.includes('%')) return message;
  try {
    return decodeURI(message);
  } catch {
    return message;
  }
}

/** Of a call that failed without an answer, or whose answer broke off. {@link meshErrorOf} finds the error again. */
export function statusOfError(grpc: Grpc, error: Error): CallStatus {
  const metadata = new grpc.Metadata();
  if (!isMeshError(error)) return { code: 14, details: error.message, metadata };
  errors.set(metadata, error);
  // Source: gRPC core and grpc-go, of call credentials on a connection that is not secure.
  if (error.details['requiresTls'] === true) return { code: grpc.status.UNAUTHENTICATED, details: error.message, metadata };
  const reset = resetCodeOf(error);
  const named = grpc.status[error.grpcStatus as keyof typeof grpc.status];
  return { code: reset === undefined ? named : statusOfReset(reset), details: error.message, metadata };
}

const awaited: ReadonlySet<MeshErrorCode> = new Set([
  'MESH_NO_CLUSTER',
  'MESH_NO_HEALTHY_ENDPOINT',
  'MESH_CONNECT_FAILED',
  'MESH_CONNECT_TIMEOUT',
  'MESH_TLS_FAILED',
  'MESH_PEER_IDENTITY',
  'MESH_NO_IDENTITY',
  'MESH_CIRCUIT_OPEN',
  'MESH_CONFIG_TIMEOUT',
  'MESH_DNS_FAILED',
  'MESH_UNKNOWN_HOST',
]);

/** Whether a failure lasts as long as nobody can take a call: with `waitForReady` it waits for the end. Source: gRPC, "Wait for Ready". */
export function isAwaited({ code }: MeshError): boolean {
  return awaited.has(code);
}

/** Why a call is broken off. Whom it was sent to hears CANCEL in any case; what watches the mesh tells a deadline that has passed from a caller that left. */
export function reasonOf({ code, details }: CallStatus): Error {
  return code === 4 ? new MeshError('MESH_TIMEOUT', details) : new Error(details);
}

import { constants } from 'node:http2';
import { Code, ConnectError } from '@connectrpc/connect';
import { isMeshError, type MeshError } from '../../base/errors.ts';
import { resetCodeOf } from '../http2-reset.ts';

/** Codes of Connect by the names of gRPC, which are the same codes. Source: connectrpc.com/docs/protocol, "Error codes". */
const codes: Readonly<Record<string, Code>> = {
  CANCELLED: Code.Canceled,
  UNKNOWN: Code.Unknown,
  INVALID_ARGUMENT: Code.InvalidArgument,
  DEADLINE_EXCEEDED: Code.DeadlineExceeded,
  NOT_FOUND: Code.NotFound,
  ALREADY_EXISTS: Code.AlreadyExists,
  PERMISSION_DENIED: Code.PermissionDenied,
  RESOURCE_EXHAUSTED: Code.ResourceExhausted,
  FAILED_PRECONDITION: Code.FailedPrecondition,
  ABORTED: Code.Aborted,
  OUT_OF_RANGE: Code.OutOfRange,
  UNIMPLEMENTED: Code.Unimplemented,
  INTERNAL: Code.Internal,
  UNAVAILABLE: Code.Unavailable,
  DATA_LOSS: Code.DataLoss,
  UNAUTHENTICATED: Code.Unauthenticated,
};

/** Of a stream that the endpoint reset; INTERNAL for all others. Source: gRPC over HTTP/2, "Errors", which connect-node has too. */
const codesOfReset: Readonly<Record<number, Code>> = {
  [constants.NGHTTP2_REFUSED_STREAM]: Code.Unavailable,
  [constants.NGHTTP2_CANCEL]: Code.Canceled,
  [constants.NGHTTP2_ENHANCE_YOUR_CALM]: Code.ResourceExhausted,
  [constants.NGHTTP2_INADEQUATE_SECURITY]: Code.PermissionDenied,
  [constants.NGHTTP2_HTTP_1_1_REQUIRED]: Code.PermissionDenied,
};

/**
 * What a client of Connect is told of a failure. Its code is what the endpoint said by resetting the stream, or the gRPC status of the
 * mesh's error, which stays its `cause`. Errors that are not the mesh's pass untouched; connect-node reads them itself.
 */
export function connectErrorFromFailure(error: Error): Error {
  if (!isMeshError(error)) return error;
  return new ConnectError(error.message, codeOf(error), undefined, undefined, error);
}

function codeOf(error: MeshError): Code {
  const reset = resetCodeOf(error);
  return reset === undefined ? (codes[error.grpcStatus] ?? Code.Unknown) : (codesOfReset[reset] ?? Code.Internal);
}

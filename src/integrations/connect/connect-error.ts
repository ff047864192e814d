import { Code, ConnectError } from '@connectrpc/connect';
import { isMeshError } from '../../base/errors.ts';

/** Codes of Connect by the names of gRPC. Source: connectrpc.com/docs/protocol, "Error codes"; they are gRPC's, number for number. */
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

/**
 * What a client of Connect is told of a failure: the code is the gRPC status of the mesh's error, which stays its `cause`. Errors that
 * are not the mesh's pass untouched; connect-node reads them itself.
 */
export function connectErrorFromFailure(error: Error): Error {
  if (!isMeshError(error)) return error;
  return new ConnectError(error.message, codes[error.grpcStatus] ?? Code.Unknown, undefined, undefined, error);
}

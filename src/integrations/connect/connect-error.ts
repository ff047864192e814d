import { constants } from 'node:http2';
import { Code, ConnectError } from '@connectrpc/connect';
import { isMeshError, type MeshError } from '../../base/errors.ts';
import { grpcStatusNumber } from '../../base/grpc-status.ts';
import { resetCodeOf, statusOfReset } from '../http2-reset.ts';

/** By their numbers, which are those of gRPC. Source: connectrpc.com/docs/protocol, "Error codes". */
const codes = new Map<number, Code>(
  Object.values(Code).flatMap((code) => (typeof code === 'number' ? [[code, code] as const] : [])),
);

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
  // connect-node has it so.
  if (reset === constants.NGHTTP2_HTTP_1_1_REQUIRED) return Code.PermissionDenied;
  const status = reset === undefined ? grpcStatusNumber(error.grpcStatus) : statusOfReset(reset);
  return codes.get(status) ?? Code.Unknown;
}

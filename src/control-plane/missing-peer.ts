import { isError } from '../base/is-error.ts';
import { MeshError } from '../base/errors.ts';

/** The package that control planes over gRPC need: an optional peer, since the others do without. */
const grpcPackage = '@grpc/grpc-js';

/**
 * What loading a control plane failed with, in words that say what to install where its package is missing; any other error as it is.
 * Node's own error names a file of this package, and not what to do.
 */
export function withInstallHint(error: unknown, scheme: string): unknown {
  if (!isError(error) || !error.message.includes(grpcPackage)) return error;
  const { code } = error as { code?: unknown };
  if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND') return error;
  const message = `the control plane "${scheme}:" speaks gRPC, and its package is not installed; run \`npm install ${grpcPackage}@1.14\``;
  return new MeshError('MESH_CONFIG_INVALID', message, {
    cause: error,
    remedy: `Install the peer dependency: npm install ${grpcPackage}@1.14`,
  });
}

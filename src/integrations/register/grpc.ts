/**
 * The mesh under every copy of grpc-js that the program loads, before or after: targets that the mesh serves go through it, all others to
 * grpc-js's own resolver. Copies of a version that the mesh was not tested with are left alone, with a warning.
 */
import { installGrpc } from '../grpc/install.ts';
import { onLoaded } from './loaded-packages.ts';
import type { Installation, Steering } from './steering.ts';

type Grpc = Parameters<typeof installGrpc>[0];

/** Puts the mesh of the installation under the copies of grpc-js; returns what takes it away again. */
export function steerGrpc(steering: Steering, installation: Installation): () => void {
  const copies = new Map<object, () => void>();
  const takes = (origin: string): boolean | Promise<boolean> => {
    const said = steering.installations.at(-1) === installation && steering.takes(origin);
    // Where nobody can say it in time the calls fail with that, and do not go out as the program secured them.
    return typeof said === 'boolean' ? said : said.catch(() => true);
  };
  const stop = onLoaded('/@grpc/grpc-js/build/src/index.js', (copy, file) => {
    if (copies.has(copy)) return;
    try {
      const installed = installGrpc(copy as Grpc, installation.mesh, { takes });
      copies.set(copy, () => installed.uninstall());
    } catch (error) {
      copies.set(copy, () => {});
      process.emitWarning(`calls of ${file} do not go through the mesh: ${(error as Error).message}`, {
        code: 'MESHFETCH_GRPC_UNTESTED',
      });
    }
  });
  return () => {
    stop();
    for (const uninstall of copies.values()) uninstall();
  };
}

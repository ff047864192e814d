import { existsSync } from 'node:fs';
import { createMesh } from './mesh.ts';
import type { Mesh } from './mesh-interface.ts';

let mesh: Mesh | undefined;
let starting: Promise<Mesh> | undefined;

/** Where the default mesh has its configuration from: what `MESHFETCH_CONFIG` names, else `mesh.yaml` in the working directory, if it is there. */
export function defaultControlPlane(): string | undefined {
  const configured = process.env['MESHFETCH_CONFIG'];
  return configured !== undefined && configured !== '' ? configured : existsSync('mesh.yaml') ? 'mesh.yaml' : undefined;
}

/** The default mesh, started once; without a configuration it is DNS with the safe defaults. */
export function startDefaultMesh(): Promise<Mesh> {
  starting ??= (async () => {
    const controlPlane = defaultControlPlane();
    mesh = await createMesh({ name: 'default', ...(controlPlane === undefined ? {} : { controlPlane }) });
    return mesh;
  })();
  // A file with a mistake is reported to every call until it is mended: nothing of it is remembered.
  starting.catch(() => {
    starting = undefined;
  });
  return starting;
}

/**
 * fetch, through the default mesh, which the first call starts. The host of the URL names the service. Rejects as fetch does,
 * `TypeError('fetch failed')` with a MeshError as its `cause`; a mistake in the configuration rejects with the MeshError itself.
 */
export const meshFetch: typeof globalThis.fetch = Object.assign(
  (input: Parameters<typeof globalThis.fetch>[0], init?: Parameters<typeof globalThis.fetch>[1]) =>
    mesh === undefined ? startDefaultMesh().then((started) => started.fetch(input, init)) : mesh.fetch(input, init),
  {},
);

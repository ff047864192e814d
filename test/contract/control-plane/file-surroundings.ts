import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileControlPlane } from '../../../src/control-plane/file/index.ts';
import type { Surroundings } from './surroundings.ts';

/** A directory with a YAML file that is replaced by renaming, as editors and Kubernetes do. */
export async function fileSurroundings(): Promise<Surroundings> {
  const directory = await mkdtemp(join(tmpdir(), 'meshfetch-contract-'));
  const path = join(directory, 'mesh.yaml');
  const write = async (text: string): Promise<void> => {
    await writeFile(`${path}.new`, text);
    await rename(`${path}.new`, path);
  };
  return {
    plane: fileControlPlane({ path }),
    wanted: { kind: 'authority', host: 'orders', port: 80 },
    publish: (number) => write(`services: { orders: { endpoints: [127.0.0.1:${7000 + number}] } }\n`),
    spoil: () => write('services: [\n'),
    isInForce: ({ clusters, endpoints }, number) =>
      JSON.stringify([...clusters.values(), ...endpoints.values()]).includes(`"port":${7000 + number}`),
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}

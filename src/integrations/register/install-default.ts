import { defaultControlPlane, startDefaultMesh } from '../../mesh-fetch.ts';
import { install } from './install.ts';
import { misspeltVariables } from './misspelt-variables.ts';

/** Puts the default mesh, which meshFetch uses too, in front of the clients. Rejects as `createMesh` does. */
export async function installDefault(): Promise<void> {
  const { MESHFETCH_BYPASS: bypass = '' } = process.env;
  for (const { name, meant } of misspeltVariables(process.env))
    process.emitWarning(`nobody reads the variable ${name}; did you mean ${meant}?`, { code: 'MESHFETCH_MISSPELT' });
  if (defaultControlPlane() === undefined) {
    process.emitWarning(
      'there is no mesh.yaml and MESHFETCH_CONFIG is not set: meshfetch/register leaves every request as it is',
      {
        code: 'MESHFETCH_NO_CONFIG',
      },
    );
  }
  install(await startDefaultMesh(), { bypass });
}

import { createMesh } from 'meshfetch';

//#region by-hand
/** A mesh of the program's own in front of its clients. Returns what takes it away again. */
export async function standInFront(): Promise<() => Promise<void>> {
  const { install } = await import('meshfetch/register/install');
  const mesh = await createMesh({ controlPlane: 'mesh.yaml' });
  const installed = install(mesh, { bypass: 'billing, 10.0.0.0/8' });
  return async () => {
    installed.uninstall();
    await mesh.close();
  };
}
//#endregion

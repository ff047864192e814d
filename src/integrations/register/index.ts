/**
 * `node --import meshfetch/register app.js`: the default mesh (MESHFETCH_CONFIG, else `mesh.yaml`) in front of the clients of a program
 * that knows nothing of it. A wrong configuration ends the start; a control plane that is away does not.
 */
// First: it must have seen the global dispatchers before anything here loads undici.
import './global-dispatchers.ts';
import { steering } from './steering.ts';

const everywhere = steering();
// Once in a process, however often it is loaded and by however many copies of the package.
if (!everywhere.isStarted) {
  everywhere.isStarted = true;
  const { installDefault } = await import('./install-default.ts');
  await installDefault();
}

/** See {@link InstallOptions}. Loaded here and not imported, so that undici comes after what watches for it. */
export const install: typeof import('./install.ts').install = (await import('./install.ts')).install;
export type { InstallOptions, Installed } from './install.ts';

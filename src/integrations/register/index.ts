/**
 * `node --import meshfetch/register app.js`: the default mesh (MESHFETCH_CONFIG, else `mesh.yaml`) in front of the clients of a program
 * that knows nothing of it. A wrong configuration ends the start; a control plane that is away does not.
 */
import { watchDispatchers } from './global-dispatchers.ts';
import type { install as Install } from './install.ts';
import { steering } from './steering.ts';

// What else is needed is loaded later, since it loads undici.
watchDispatchers();

const everywhere = steering();
// Once in a process, however often it is loaded and by however many copies of the package.
if (!everywhere.isStarted) {
  everywhere.isStarted = true;
  const { installDefault } = await import('./install-default.ts');
  await installDefault();
}

/** For a mesh of the program's own; the one that was installed last is in force. */
export const install: typeof Install = (await import('./install.ts')).install;
export type { InstallOptions, Installed } from './install.ts';

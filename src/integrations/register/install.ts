import type { Mesh } from '../../mesh-interface.ts';
import { checkMesh } from '../check-mesh.ts';
import { createBypass } from './bypass.ts';
import { steerGrpc } from './grpc.ts';
import { steerAgents } from './node-http.ts';
import { steering } from './steering.ts';
import { steerUndici } from './undici.ts';

/** What `install` takes. */
export interface InstallOptions {
  /** Hosts that the mesh keeps out of, in the syntax of `MESHFETCH_BYPASS`, beside this machine and the metadata services of clouds. */
  readonly bypass?: string;
}

/** A mesh that stands in front of the clients of this process. */
export interface Installed {
  /** Requests from now on go where they went before. The mesh is not closed. */
  uninstall(): void;
}

/**
 * Puts a mesh in front of the clients of this process: the global dispatcher of every undici (and so built-in fetch, WebSocket and
 * EventSource), the Agents of node:http and node:https, and grpc-js. They go through the mesh to the hosts that it serves, and are
 * untouched for all others. The mesh that was installed last is in force. Throws MESH_CONFIG_INVALID for a wrong `bypass`,
 * and a TypeError for what is no mesh.
 */
export function install(mesh: Mesh, options: InstallOptions = {}): Installed {
  checkMesh('install', mesh);
  const installation = { mesh, bypasses: createBypass(options.bypass) };
  const everywhere = steering();
  everywhere.installations.push(installation);
  if (everywhere.release === undefined) {
    const releases = [steerUndici(everywhere), steerAgents(everywhere)];
    everywhere.release = () => {
      for (const release of releases) release();
    };
  }
  const releaseGrpc = steerGrpc(everywhere, installation);
  return {
    uninstall() {
      const index = everywhere.installations.indexOf(installation);
      if (index === -1) return;
      everywhere.installations.splice(index, 1);
      releaseGrpc();
      if (everywhere.installations.length > 0) return;
      everywhere.release?.();
      everywhere.release = undefined;
    },
  };
}

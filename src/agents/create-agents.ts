import type http from 'node:http';
import type https from 'node:https';
import type { Dispatcher } from 'undici';
import type { Clock } from '../base/runtime.ts';
import { MeshHttpAgent, MeshHttpsAgent } from './mesh-agent.ts';

/** Agents of a mesh, one for each scheme. */
export interface MeshAgents {
  readonly httpAgent: http.Agent;
  readonly httpsAgent: https.Agent;
}

/** Agents over a dispatcher, made on first use. `clock` is for the timeouts that programs set on their requests. */
export function createAgents(dispatcher: Dispatcher, clock: Clock): MeshAgents {
  const context = { dispatcher, clock };
  let httpAgent: http.Agent | undefined;
  let httpsAgent: https.Agent | undefined;
  return {
    get httpAgent() {
      return (httpAgent ??= new MeshHttpAgent(context));
    },
    get httpsAgent() {
      return (httpsAgent ??= new MeshHttpsAgent(context));
    },
  };
}

/** What every application of the contract does, whichever framework says it. */
import type { IncomingMessage } from 'node:http';
import type { Mesh } from 'meshfetch';
import type { InboundRequest } from '../../../src/model/inbound.ts';

/** What handlers of the applications answer: status and body. */
export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** `GET /orders`: who asked for which path, as `request.mesh` has it. */
export function whoAsks(request: IncomingMessage): string {
  const { mesh } = request as InboundRequest;
  if (mesh === undefined) return 'nobody let it in';
  return `${request.method} ${mesh.path} of ${mesh.peer.isAuthenticated ? mesh.peer.spiffeId : 'a stranger'}`;
}

/** `GET /further`: a call that is made while serving one; its answer says what came along. */
export async function askFurther(mesh: Mesh): Promise<string> {
  return (await mesh.fetch('http://further/')).text();
}

/** `GET /broken`: a call of a service that is not there. */
export async function askNobody(mesh: Mesh): Promise<never> {
  await mesh.fetch('http://nobody/');
  throw new Error('somebody answered');
}

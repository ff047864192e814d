/** The way in for a plain server of Node: `createServer(meshListener(mesh, handler))`. `mesh.listen(handler, …)` does the same and owns the port. */
import type { RequestListener } from 'node:http';
import type { Mesh } from '../mesh.ts';
import type { InboundDoorOptions } from '../model/inbound.ts';

/** A request listener that lets requests in by the mesh's policy; `handler` finds what is known of them at `request.mesh`. */
export function meshListener(mesh: Mesh, handler: RequestListener, options?: InboundDoorOptions): RequestListener {
  const door = mesh.inbound(options);
  return (request, response) => {
    door.admit(request, response, (refusal) => {
      if (refusal === undefined) handler(request, response);
      else door.refuse(request, response, refusal);
    });
  };
}

/**
 * The way in for a plain server of Node: `createServer(meshListener(mesh, handler))`, and `server.on('upgrade', meshUpgrade(mesh, …))` where
 * connections leave HTTP. `mesh.listen(handler, …)` does the same and owns the port.
 */
import type { IncomingMessage, RequestListener } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Mesh } from '../mesh-interface.ts';
import type { InboundDoorOptions } from '../model/inbound.ts';

/** What takes a connection over: `WebSocketServer.handleUpgrade` of `ws`, with its callback. */
export type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

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

/**
 * A listener for `upgrade` (WebSockets) or `connect` that lets connections leave HTTP by the mesh's policy: these events pass no
 * middleware. Who is refused is answered as any request is; `listener` finds what is known of the others at `request.mesh`.
 */
export function meshUpgrade(mesh: Mesh, listener: UpgradeListener, options?: InboundDoorOptions): UpgradeListener {
  const door = mesh.inbound(options);
  return (request, socket, head) => door.upgrade(request, socket, () => listener(request, socket, head));
}

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { InboundDoor } from '../model/inbound.ts';

/** Events of a server that are requests, or connections that leave HTTP. */
export type GuardedEvent = 'request' | 'upgrade' | 'connect';

/** What is needed of a server that somebody else owns. */
interface Emitter {
  emit: (event: string, ...values: unknown[]) => boolean;
  listenerCount(event: string): number;
}

/**
 * Puts the way in before whatever listens to these events of a server, now or later: gateways of Nest, `ws`, Socket.IO. Nobody is asked
 * twice, so that a plugin which sends what it takes through hooks (@fastify/websocket) works as before.
 */
export function guardServer(server: object, door: InboundDoor, events: readonly GuardedEvent[]): void {
  const emitter = server as Emitter;
  const { emit } = emitter;
  const guarded: readonly string[] = events;
  emitter.emit = function (this: unknown, event: string, ...values: unknown[]): boolean {
    const go = (): boolean => emit.call(this as Emitter, event, ...values);
    if (!guarded.includes(event) || emitter.listenerCount(event) === 0) return go();
    const [request, second] = values as [IncomingMessage, ServerResponse | Duplex];
    // Node's servers of HTTP/2 give CONNECT a response, as any request.
    if (event === 'request' || request.httpVersionMajor > 1) {
      const response = second as ServerResponse;
      door.admit(request, response, (refusal) => {
        if (refusal === undefined) go();
        else door.refuse(request, response, refusal);
      });
    } else {
      takers.set(second, request);
      door.upgrade(request, second, go);
    }
    return true;
  };
}

/** The request by which a connection left HTTP. */
const takers = new WeakMap<object, IncomingMessage>();

/** The request by which this connection left HTTP, where a server that is guarded saw it. */
export function upgradeOf(socket: object): IncomingMessage | undefined {
  return takers.get(socket);
}

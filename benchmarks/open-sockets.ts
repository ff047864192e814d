import { subscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';

/** Counts connections of this process from now on, whoever makes them; its channel to the parent is not among them. */
export function countSockets(): () => number {
  const sockets = new Set<Socket>();
  subscribe('net.client.socket', (message) => {
    const { socket } = message as { socket: Socket };
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  return () => sockets.size;
}

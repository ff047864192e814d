/** A client process: one variant, measured when the parent asks. */
import { subscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { answerId } from '../answer.ts';
import { serveMeasurements } from '../measured-process.ts';
import { variants, type Send, type Target } from './variants.ts';

export interface ClientArguments {
  readonly variant: string;
  readonly target: Target;
}

/** Connections of this process, whoever made them; its channel to the parent is not among them. */
const sockets = new Set<Socket>();
subscribe('net.client.socket', (message) => {
  const { socket } = message as { socket: Socket };
  sockets.add(socket);
  socket.once('close', () => sockets.delete(socket));
});

async function run(requests: number, concurrency: number): Promise<void> {
  let left = requests;
  const worker = async (): Promise<void> => {
    while (left-- > 0) {
      const { id } = (await send()) as { readonly id: unknown };
      if (id !== answerId) throw new Error(`the answer is not that of the origins: id ${String(id)}`);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
}

const { variant, target } = JSON.parse(process.argv[2]!) as ClientArguments;
let send: Send;
serveMeasurements({
  async start() {
    send = await variants.get(variant)!.create(target);
    await run(2 * target.ports.length, 1);
  },
  run,
  sockets: () => sockets.size,
});

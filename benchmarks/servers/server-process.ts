/** A server process: one variant, measured when the parent asks, under the load of a client process of its own. */
import { subscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { startChild, type Child } from '../child-process.ts';
import type { IdentityFiles } from '../load/origins.ts';
import { serveMeasurements } from '../measured-process.ts';
import type { LoadArguments, LoadQuestion } from './load-process.ts';
import { serve, serverVariants } from './variants.ts';

export interface ServerArguments {
  readonly variant: string;
  readonly server: IdentityFiles;
  readonly client: IdentityFiles;
  /** The CPU of the client process. */
  readonly clientCpu?: number | undefined;
}

const sockets = new Set<Socket>();
subscribe('net.server.socket', (message) => {
  const { socket } = message as { socket: Socket };
  sockets.add(socket);
  socket.once('close', () => sockets.delete(socket));
});

const { variant: name, server, client, clientCpu } = JSON.parse(process.argv[2]!) as ServerArguments;
let load: Child;

serveMeasurements({
  async start() {
    const variant = serverVariants.get(name)!;
    const port = await serve(variant, server);
    const args: LoadArguments = { port, protocol: variant.protocol, ...(variant.isTls && { tls: client }) };
    load = startChild({ file: join(import.meta.dirname, 'load-process.ts'), args: [JSON.stringify(args)], cpu: clientCpu });
    await this.run(2, 1);
  },
  async run(requests, concurrency) {
    const question: LoadQuestion = { requests, concurrency };
    await load.ask(question);
  },
  sockets: () => sockets.size,
});

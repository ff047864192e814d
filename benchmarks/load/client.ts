/**
 * A client process: one variant, measured when the parent asks. CPU time is that of the whole process, garbage collector and
 * compiler threads included; bytes are the growth of the heap while nothing is collected.
 */
import { subscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { serveParent } from '../child-process.ts';
import { heapGrowth } from '../heap-growth.ts';
import { median } from '../statistics.ts';
import { answerId } from './origins.ts';
import { variants, type Send, type Target } from './variants.ts';

export interface ClientArguments {
  readonly variant: string;
  readonly target: Target;
}

export type ClientQuestion =
  | { readonly kind: 'start' }
  | { readonly kind: 'run'; readonly requests: number; readonly concurrency: number }
  | { readonly kind: 'bytes'; readonly requests: number; readonly concurrency: number };

export interface RunAnswer {
  /** Of the client process, for each request. */
  readonly cpuMicros: number;
  readonly wallMicros: number;
  /** Open now. */
  readonly sockets: number;
}

export interface BytesAnswer {
  /** Of JavaScript's heap, for each request. */
  readonly bytes: number;
}

/** Connections of this process, whoever made them; its channel to the parent is not among them. */
const sockets = new Set<Socket>();
subscribe('net.client.socket', (message) => {
  const { socket } = message as { socket: Socket };
  sockets.add(socket);
  socket.once('close', () => sockets.delete(socket));
});

const bytesWindows = 3;

async function run(send: Send, requests: number, concurrency: number): Promise<void> {
  let left = requests;
  const worker = async (): Promise<void> => {
    while (left-- > 0) {
      const { id } = (await send()) as { readonly id: unknown };
      if (id !== answerId) throw new Error(`the answer is not that of the origins: id ${String(id)}`);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
}

async function measureRun(send: Send, requests: number, concurrency: number): Promise<RunAnswer> {
  // Reopens what has been closed while other processes had their turn: nobody pays for that inside the window.
  await run(send, 2 * concurrency, concurrency);
  const startWall = process.hrtime.bigint();
  const start = process.cpuUsage();
  await run(send, requests, concurrency);
  const { user, system } = process.cpuUsage(start);
  const wallMicros = Number(process.hrtime.bigint() - startWall) / 1000 / requests;
  return { cpuMicros: (user + system) / requests, wallMicros, sockets: sockets.size };
}

async function measureBytes(send: Send, requests: number, concurrency: number): Promise<BytesAnswer> {
  return { bytes: median(await heapGrowth((count) => run(send, count, concurrency), requests, bytesWindows)) };
}

const { variant, target } = JSON.parse(process.argv[2]!) as ClientArguments;
let send: Send;
serveParent(async (question: ClientQuestion) => {
  if (question.kind === 'start') {
    send = await variants.get(variant)!.create(target);
    await run(send, 2 * target.ports.length, 1);
    return {};
  }
  const { kind, requests, concurrency } = question;
  return kind === 'run' ? measureRun(send, requests, concurrency) : measureBytes(send, requests, concurrency);
});

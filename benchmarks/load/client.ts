/** A client process: one variant, measured when the parent asks. */
import { answerId } from '../answer.ts';
import { serveMeasurements } from '../measured-process.ts';
import { countSockets } from '../open-sockets.ts';
import { variants, type Send, type Target } from './variants.ts';

export interface ClientArguments {
  readonly variant: string;
  readonly target: Target;
}

const sockets = countSockets();

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
  sockets,
});

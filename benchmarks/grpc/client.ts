/** A client process of the benchmarks `grpc-…`: one variant, measured when the parent asks. */
import type { Client } from '@grpc/grpc-js';
import { serveMeasurements } from '../measured-process.ts';
import { countSockets } from '../open-sockets.ts';
import { grpcVariants, type Target } from './variants.ts';

/** What is called: an answer of 100 bytes, or 1 MiB in sixteen messages. */
export type CallKind = 'unary' | 'download';

/** What a client process is told. */
export interface GrpcClientArguments {
  readonly variant: string;
  readonly kind: CallKind;
  readonly target: Target;
}

const sockets = countSockets();
const same = (bytes: Buffer): Buffer => bytes;
const request = Buffer.alloc(100, 7);
const downloadBytes = 1_048_576;
/** For the first call: the control plane answers first. */
const patience = (): { readonly deadline: number } => ({ deadline: Date.now() + 60_000 });

const calls: Readonly<Record<CallKind, (client: Client) => Promise<void>>> = {
  unary: (client) =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest('/bench.Bench/Get', same, same, request, patience(), (error, answer) => {
        if (error !== null) reject(error);
        else if (answer?.toString() === 'ok') resolve();
        else reject(new Error(`the answer is not that of the backend: ${String(answer)}`));
      });
    }),
  download: (client) =>
    new Promise((resolve, reject) => {
      let bytes = 0;
      client
        .makeServerStreamRequest('/bench.Bench/Download', same, same, request, patience())
        .on('data', (part: Buffer) => (bytes += part.length))
        .on('error', reject)
        .on('end', () => (bytes === downloadBytes ? resolve() : reject(new Error(`${bytes} bytes came`))));
    }),
};

const { variant, kind, target } = JSON.parse(process.argv[2]!) as GrpcClientArguments;
let client: Client;

serveMeasurements({
  async start() {
    client = await grpcVariants.get(variant)!(target);
    await calls[kind](client);
  },
  async run(requests, concurrency) {
    let left = requests;
    const worker = async (): Promise<void> => {
      while (left-- > 0) await calls[kind](client);
    };
    await Promise.all(Array.from({ length: concurrency }, worker));
  },
  sockets,
});

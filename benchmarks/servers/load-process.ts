/** The client of the servers that are measured: another process, which sends GETs or calls over connections that it keeps. */
import { serveParent } from '../child-process.ts';
import { startHttp1Load } from './http1-load.ts';
import { startHttp2Load } from './http2-load.ts';
import type { IdentityFiles } from '../load/origins.ts';

export interface LoadArguments {
  readonly port: number;
  readonly protocol: 'http/1.1' | 'h2' | 'grpc';
  /** What it shows where the server speaks TLS. */
  readonly tls?: IdentityFiles;
}

export interface LoadQuestion {
  readonly requests: number;
  readonly concurrency: number;
}

/** Sends one request over connection `turn` and looks at the answer. */
export type SendOne = (turn: number) => Promise<void>;

const load = JSON.parse(process.argv[2]!) as LoadArguments;
const send = load.protocol === 'http/1.1' ? startHttp1Load(load) : startHttp2Load(load);

serveParent(async ({ requests, concurrency }: LoadQuestion) => {
  let left = requests;
  const worker = async (turn: number): Promise<void> => {
    while (left-- > 0) await send(turn);
  };
  await Promise.all(Array.from({ length: concurrency }, (_, turn) => worker(turn)));
  return {};
});

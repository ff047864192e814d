import { join } from 'node:path';
import { Server, ServerCredentials, status, type ServerWritableStream } from '@grpc/grpc-js';

type X509Stream = ServerWritableStream<Uint8Array, Uint8Array>;

/** A Workload API on a unix socket that says what it is told, in bytes. */
export interface ScriptedWorkloadApi extends AsyncDisposable {
  /** `unix:///…`. */
  readonly endpoint: string;
  /** What each call had as `workload.spiffe.io`, and the bytes of its request. */
  readonly calls: readonly { readonly header: readonly string[]; readonly request: Uint8Array }[];
  /** Every stream that is open, and each later one, says it. */
  say(message: Uint8Array): void;
  /** Open streams and later ones end with the status; undefined = they do not. */
  refuse(code: keyof typeof status | undefined, details?: string): void;
}

/** Starts it in the folder; without a word it says nothing. */
export async function startWorkloadApi(folder: string): Promise<ScriptedWorkloadApi> {
  const calls: { header: string[]; request: Uint8Array }[] = [];
  const open = new Set<X509Stream>();
  let latest: Uint8Array | undefined;
  let refusal: { readonly code: number; readonly details: string } | undefined;
  const bytes = (value: Uint8Array): Buffer => Buffer.from(value);
  const handle = (stream: X509Stream): void => {
    calls.push({ header: stream.metadata.get('workload.spiffe.io').map(String), request: stream.request });
    if (refusal !== undefined) {
      stream.emit('error', refusal);
      return;
    }
    open.add(stream);
    stream.on('cancelled', () => open.delete(stream));
    if (latest !== undefined) stream.write(latest);
  };
  const server = new Server();
  const method = (name: string) => ({
    path: `/SpiffeWorkloadAPI/${name}`,
    requestStream: false,
    responseStream: true,
    requestSerialize: bytes,
    requestDeserialize: (value: Buffer): Uint8Array => value,
    responseSerialize: bytes,
    responseDeserialize: (value: Buffer): Uint8Array => value,
  });
  server.addService({ FetchX509SVID: method('FetchX509SVID') }, { FetchX509SVID: handle });
  const socket = join(folder, 'agent.sock');
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) => (error ? reject(error) : resolve()));
  });
  return {
    endpoint: `unix://${socket}`,
    calls,
    say(message) {
      latest = message;
      for (const stream of open) stream.write(message);
    },
    refuse(code, details = '') {
      refusal = code === undefined ? undefined : { code: status[code], details };
      for (const stream of open) if (refusal !== undefined) stream.emit('error', refusal);
      if (refusal !== undefined) open.clear();
    },
    async [Symbol.asyncDispose]() {
      server.forceShutdown();
    },
  };
}

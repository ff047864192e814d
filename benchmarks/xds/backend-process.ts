/** What answers the requests of the benchmarks `xds` and `grpc-…`, on every loopback address: HTTP/1.1 and gRPC. */
import { Server, ServerCredentials, type ServerWritableStream, type UntypedHandleCall } from '@grpc/grpc-js';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serveParent } from '../child-process.ts';

/** Where it listens. */
export interface BackendAnswer {
  readonly httpPort: number;
  readonly grpcPort: number;
}

const same = (bytes: Uint8Array): Buffer => Buffer.from(bytes);

/** Of a download: 1 MiB in parts. */
const parts = 16;
const part = Buffer.alloc(65_536, 1);

/** Writes no faster than it is read. */
function download(stream: ServerWritableStream<Buffer, Buffer>): void {
  let left = parts;
  const write = (): void => {
    while (left-- > 0) {
      if (stream.write(part)) continue;
      stream.once('drain', write);
      return;
    }
    stream.end();
  };
  write();
}

serveParent(async (): Promise<BackendAnswer> => {
  const http = createServer((_, response) => response.end('ok'));
  http.keepAliveTimeout = 30_000;
  await new Promise<void>((resolve) => http.listen(0, '0.0.0.0', 1024, resolve));
  const grpc = new Server();
  const answer: UntypedHandleCall = (_: unknown, done: (error: null, bytes: Uint8Array) => void) => done(null, Buffer.from('ok'));
  grpc.register('/bench.Bench/Get', answer, same, same, 'unary');
  grpc.register('/bench.Bench/Download', download as UntypedHandleCall, same, same, 'serverStream');
  const grpcPort = await new Promise<number>((resolve, reject) =>
    grpc.bindAsync('0.0.0.0:0', ServerCredentials.createInsecure(), (error, port) => (error ? reject(error) : resolve(port))),
  );
  return { httpPort: (http.address() as AddressInfo).port, grpcPort };
});

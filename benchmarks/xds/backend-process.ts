/** What answers the requests of the benchmark `xds`, on every loopback address: HTTP/1.1 and gRPC. */
import { Server, ServerCredentials, type UntypedHandleCall } from '@grpc/grpc-js';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serveParent } from '../child-process.ts';

/** Where it listens. */
export interface BackendAnswer {
  readonly httpPort: number;
  readonly grpcPort: number;
}

const same = (bytes: Uint8Array): Buffer => Buffer.from(bytes);

serveParent(async (): Promise<BackendAnswer> => {
  const http = createServer((_, response) => response.end('ok'));
  http.keepAliveTimeout = 30_000;
  await new Promise<void>((resolve) => http.listen(0, '0.0.0.0', 1024, resolve));
  const grpc = new Server();
  const answer: UntypedHandleCall = (_: unknown, done: (error: null, bytes: Uint8Array) => void) => done(null, Buffer.from('ok'));
  grpc.register('/bench.Bench/Get', answer, same, same, 'unary');
  const grpcPort = await new Promise<number>((resolve, reject) =>
    grpc.bindAsync('0.0.0.0:0', ServerCredentials.createInsecure(), (error, port) => (error ? reject(error) : resolve(port))),
  );
  return { httpPort: (http.address() as AddressInfo).port, grpcPort };
});

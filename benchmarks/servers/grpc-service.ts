/** The application as a service of gRPC: one unary method, whose message is the same JSON. */
import { readFileSync } from 'node:fs';
import { Server, ServerCredentials, type UntypedHandleCall } from '@grpc/grpc-js';
import { answer } from '../answer.ts';
import type { IdentityFiles } from '../load/origins.ts';
import { grpcMethod } from './applications.ts';

const same = (bytes: Buffer): Buffer => bytes;
const serialize = (message: object): Buffer => Buffer.from(JSON.stringify(message));
const items: UntypedHandleCall = (_call: unknown, done: (error: null, message: object) => void) => done(null, answer);

/** A server of grpc-js that has the method. */
export function grpcService(): Server {
  const server = new Server();
  server.register(grpcMethod, items, serialize, same, 'unary');
  return server;
}

/** Serves it on a port of its own of 127.0.0.1; resolves with the port. */
export function bindGrpc(server: Server, tls: IdentityFiles | undefined): Promise<number> {
  const read = (file: string): Buffer => readFileSync(file);
  const credentials =
    tls === undefined
      ? ServerCredentials.createInsecure()
      : ServerCredentials.createSsl(
          read(tls.trustBundle),
          [{ private_key: read(tls.privateKey), cert_chain: read(tls.certificate) }],
          true,
        );
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (error, port) => (error === null ? resolve(port) : reject(error)));
  });
}

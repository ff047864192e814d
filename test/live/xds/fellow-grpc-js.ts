/** A client of xDS by gRPC for Node. Each line of its input is an order, each line of its output the answers, in JSON. */
import { Client, credentials, status } from '@grpc/grpc-js';
import { register } from '@grpc/grpc-js-xds';
import { createInterface } from 'node:readline';
import type { FellowOrder } from './fellows.ts';

register();
const clients = new Map<string, Client>();
const same = (bytes: Buffer): Buffer => bytes;

function call({ target, path, timeoutMs }: FellowOrder): Promise<string> {
  let client = clients.get(target);
  if (client === undefined) clients.set(target, (client = new Client(`xds:///${target}`, credentials.createInsecure())));
  const deadline = Date.now() + timeoutMs;
  return new Promise((resolve) => {
    client.makeUnaryRequest(path, same, same, Buffer.alloc(0), { deadline }, (error, answer) =>
      resolve(error === null ? answer!.toString() : `${status[error.code]}: ${error.details}`),
    );
  });
}

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line) as FellowOrder;
  const answers: string[] = [];
  for (let index = 0; index < order.calls; index++) answers.push(await call(order));
  console.log(JSON.stringify(answers));
}
process.exit(0);

/** Run under `ulimit -n 64` by classify.test.ts: a request when no file descriptor is left. Prints what it was taken for. */
import { openSync, closeSync } from 'node:fs';
import { Client } from 'undici';
import { classifyError } from '../../../../src/data-plane/resilience/classify.ts';
import { closedPort } from '../../../support/servers.ts';
import { send } from './misbehaving-servers.ts';

const client = new Client(`http://127.0.0.1:${await closedPort()}`);
const descriptors: number[] = [];
try {
  for (;;) descriptors.push(openSync('/dev/null', 'r'));
} catch {
  // None left.
}
const { error, phase } = await send(client);
for (const descriptor of descriptors) closeSync(descriptor);
const { code, mayHaveBeenProcessed, ours } = classifyError(error, phase);
console.log(JSON.stringify({ system: (error as NodeJS.ErrnoException).code, code, mayHaveBeenProcessed, ours }));

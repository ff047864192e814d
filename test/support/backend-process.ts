/** A service as a program of its own: answers `<pid>` on the port of its first argument, 0 = any, and prints the port. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const server = createServer((incoming, response) => {
  incoming.resume().on('end', () => response.end(String(process.pid)));
});
server.listen(Number(process.argv[2]), '127.0.0.1', () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
});
// Started by a test: ends with it.
process.stdin.resume().on('end', () => process.exit());

/**
 * A service as a program of its own: answers `<pid>` on the port of its first argument, 0 = any, and prints the port. The second is
 * how many milliseconds it takes.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const delayMs = Number(process.argv[3] ?? 0);
const server = createServer((incoming, response) => {
  const answer = (): void => void response.end(String(process.pid));
  incoming.resume().on('end', () => (delayMs === 0 ? answer() : setTimeout(answer, delayMs)));
});
server.listen(Number(process.argv[2]), '127.0.0.1', () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
});
// Started by a test: ends with it.
process.stdin.resume().on('end', () => process.exit());

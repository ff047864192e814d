// service.mjs PORT: takes orders. On SIGTERM it says first that it goes, then finishes what it has, then ends.
import { createServer } from 'node:http';

const [port] = process.argv.slice(2);
let isLeaving = false;

const server = createServer((request, response) => {
  if (isLeaving) response.setHeader('connection', 'close');
  if (request.url === '/healthz') response.statusCode = isLeaving ? 503 : 200;
  request.resume().on('end', () => response.end('ok'));
});
server.listen(port, '127.0.0.1', () => process.send?.('ready'));

process.on('SIGTERM', () => {
  isLeaving = true;
  // Longer than the callers' intervalMs, so that all of them have heard it before nobody listens any more.
  setTimeout(() => server.close(() => process.exit()), 1000);
});

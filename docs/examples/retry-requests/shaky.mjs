// shaky.mjs PORT: fails at the first attempt of each request, by /reset or by /busy, and serves the second.
import { createServer } from 'node:http';

const [port] = process.argv.slice(2);

const server = createServer((request, response) => {
  const isFirst = request.headers['x-envoy-attempt-count'] === '1';
  if (isFirst && request.url === '/reset') request.socket.destroy();
  else if (isFirst && request.url === '/busy') response.writeHead(503, { 'retry-after': '1' }).end('busy');
  else response.end('done');
});
server.listen(port, '127.0.0.1', () => console.log(`orders listens on ${port}`));

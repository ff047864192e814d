// orders.mjs PORT: a service that is up and can do nothing.
import { createServer } from 'node:http';

const [port] = process.argv.slice(2);

const server = createServer((request, response) => {
  response.writeHead(503).end('no database');
});
server.listen(port, '127.0.0.1', () => console.log(`orders listens on ${port}`));

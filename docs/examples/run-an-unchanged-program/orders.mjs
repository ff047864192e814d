// orders.mjs PORT: a service like any other.
import { createServer } from 'node:http';

const [port] = process.argv.slice(2);
const server = createServer((request, response) => response.end(`order ${request.url.slice(1)} from ${port}`));
server.listen(port, '127.0.0.1', () => console.log(`orders listens on ${port}`));

// gatekeeper.mjs PORT: 200 lets a request in, anything else keeps it out; gets method, path and some headers, no body.
import { createServer } from 'node:http';

const [port] = process.argv.slice(2);

const server = createServer(({ headers }, response) => {
  if (headers['x-ticket'] === 'gold') response.writeHead(200, { 'x-user': 'ada' }).end();
  else response.writeHead(403).end('no ticket');
});
server.listen(port, '127.0.0.1', () => console.log(`gatekeeper listens on ${port}`));

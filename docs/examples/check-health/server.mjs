// server.mjs NAME PORT: answers with its name. Its health is asked at /healthz; POST /sick, /busy and /well change what it says.
import { createServer } from 'node:http';

const [name, port] = process.argv.slice(2);
let health = '/well';

const server = createServer((request, response) => {
  if (request.method === 'POST') health = request.url;
  if (request.url === '/healthz' && health === '/sick') response.statusCode = 503;
  if (request.url === '/healthz' && health === '/busy') response.setHeader('x-envoy-degraded', 'true');
  response.end(name);
});
server.listen(port, '127.0.0.1', () => console.log(`${name} listens on ${port}`));

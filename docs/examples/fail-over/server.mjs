// server.mjs NAME PORT: answers with its name. Its health is asked at /healthz; POST /sick and /well change what it says.
import { createServer } from 'node:http';

const [name, port] = process.argv.slice(2);
let isWell = true;

const server = createServer((request, response) => {
  if (request.method === 'POST') isWell = request.url === '/well';
  if (request.url === '/healthz') response.statusCode = isWell ? 200 : 503;
  response.end(name);
});
server.listen(port, '127.0.0.1', () => console.log(`${name} listens on ${port}`));

// stock.mjs PORT: says how many of an item are left.
import { createServer } from 'node:http';

const [port] = process.argv.slice(2);

const server = createServer((request, response) => {
  response.end(JSON.stringify({ item: request.url, left: 3 }));
});
server.listen(port, '127.0.0.1', () => console.log(`stock listens on ${port}`));

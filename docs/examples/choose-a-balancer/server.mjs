// server.mjs NAME PORT MS: answers with its name after MS milliseconds, one request after the other.
import { createServer } from 'node:http';

const [name, port, ms] = process.argv.slice(2);
let freeAt = 0;

const server = createServer((request, response) => {
  freeAt = Math.max(freeAt, performance.now()) + Number(ms);
  setTimeout(() => response.end(name), freeAt - performance.now());
});
server.listen(port, '127.0.0.1', () => console.log(`${name} listens on ${port}`));

// server.mjs NAME PORT [MS]: answers after MS milliseconds with its name and with what it was asked.
import { createServer } from 'node:http';

const [name, port, ms = 0] = process.argv.slice(2);

const server = createServer((request, response) => {
  const { method, url, headers } = request;
  const shown = Object.entries(headers).filter(([header]) => /^(host|x-(?!envoy))/.test(header));
  const text = [name, method, url, ...shown.map((header) => header.join('='))].join(' ');
  if (headers.host.endsWith('-shadow')) console.log(`${name} got a copy: ${method} ${url}`);
  setTimeout(() => response.end(text), Number(ms));
});
server.listen(port, '127.0.0.1', () => console.log(`${name} listens on ${port}`));

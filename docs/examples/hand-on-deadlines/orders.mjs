// orders.mjs PORT: takes 100 ms, and says what it was told about its caller.
import { createServer } from 'node:http';

const [port] = process.argv.slice(2);

const server = createServer(({ headers }, response) => {
  const limitMs = headers['x-envoy-expected-rq-timeout-ms'] ?? 'any number of';
  const criticality = headers['x-request-criticality'] ?? 'critical';
  setTimeout(() => response.end(`orders had ${limitMs} ms, for a ${criticality} request`), 100);
});
server.listen(port, '127.0.0.1', () => console.log(`orders listens on ${port}`));

// server.mjs PORT: a service that only `web` may call.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';

const [port] = process.argv.slice(2);
const allowed = 'URI:spiffe://example.org/web';

const server = createServer(
  {
    cert: readFileSync('certs/orders.pem'),
    key: readFileSync('certs/orders.key'),
    ca: readFileSync('certs/ca.pem'), // callers must have a certificate of this CA …
    requestCert: true,
    rejectUnauthorized: true,
  },
  (request, response) => {
    const names = request.socket.getPeerCertificate().subjectaltname.split(', ');
    if (!names.includes(allowed)) response.writeHead(403).end('not for you'); // … and the right name in it
    else response.end('an order');
  },
);
server.listen(port, '127.0.0.1', () => console.log(`orders listens on ${port}`));

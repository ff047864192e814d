// orders.mjs PORT VERSION [tls]: answers with an order; asks stock for the item through the mesh.
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { meshFetch } from 'meshfetch';

const [port, version, tls] = process.argv.slice(2);

function answer(request, response) {
  // Over mutual TLS the caller shows a certificate; in plaintext anybody may ask.
  const caller = request.socket.getPeerCertificate?.().subjectaltname ?? 'anybody';
  meshFetch('http://stock/items/42')
    .then((stock) => stock.json())
    .then(
      ({ left }) => response.end(JSON.stringify({ order: request.url, left, version, caller })),
      (error) => response.writeHead(502).end(String(error.cause)),
    );
}

function tlsOptions() {
  return {
    cert: readFileSync('certs/orders.pem'),
    key: readFileSync('certs/orders.key'),
    ca: readFileSync('certs/ca.pem'),
    requestCert: true, // and Node refuses a caller that has none of this CA
  };
}

const server = tls === 'tls' ? createHttpsServer(tlsOptions(), answer) : createHttpServer(answer);
server.listen(port, '127.0.0.1', () => {
  writeFileSync(`${port}.pid`, `${process.pid}\n`);
  console.log(`orders ${version} listens on ${port}`);
});

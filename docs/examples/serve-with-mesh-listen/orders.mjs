// orders.mjs PORT: serves a plain handler over mutual TLS; drains on SIGTERM.
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { createMesh } from 'meshfetch';
import { prometheusHandler } from 'meshfetch/prometheus';

const [port] = process.argv.slice(2);
const mesh = await createMesh({ controlPlane: 'mesh.yaml', drainTimeoutMs: 20_000 });
const metrics = prometheusHandler();

async function handler(request, response) {
  if (request.url === '/slow') {
    console.log('works on something slow');
    await sleep(5000);
  }
  if (request.url === '/metrics') metrics(request, response);
  else response.end(`served ${request.mesh.peer.spiffeId}`);
}

//#region listen
const server = await mesh.listen(handler, {
  port: Number(port),
  host: '127.0.0.1', // default: every address
  readyPath: '/readyz', // answered by the mesh
  plaintextPaths: ['/metrics'], // answered by the handler, in plaintext too
  drainDelayMs: 3000, // this long `readyPath` says 503 before anything is closed
  signals: ['SIGTERM', 'SIGINT'],
});
//#endregion
writeFileSync('orders.pid', `${process.pid}\n`);
console.log(`orders listens on ${server.port}`);

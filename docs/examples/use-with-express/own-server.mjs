// own-server.mjs: the same policy on a server of one's own.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import express from 'express';
import { createMesh } from 'meshfetch';
import { meshErrors, meshExpress } from 'meshfetch/express';

const mesh = await createMesh({ controlPlane: 'mesh.yaml' });

//#region app
const app = express();
app.use(meshExpress(mesh)); // before everything else: what it refuses, nobody below sees
app.get('/orders/:id', (request, response) => {
  response.json({ order: request.params.id, for: request.mesh.peer.spiffeId });
});
app.use(meshErrors());

const server = createServer(
  {
    cert: readFileSync('certs/orders.pem'),
    key: readFileSync('certs/orders.key'),
    ca: readFileSync('certs/ca.pem'),
    requestCert: true, // or nobody has an identity
    rejectUnauthorized: true,
  },
  app,
);
server.listen(7002, '127.0.0.1', () => console.log('orders listens on 7002'));
//#endregion

// app.mjs: an Express app behind the way in.
import express from 'express';
import { createMesh } from 'meshfetch';
import { meshErrors } from 'meshfetch/express';

const mesh = await createMesh({ controlPlane: 'mesh.yaml' });

//#region app
const app = express();
app.use(express.json());
app.get('/orders/:id', (request, response) => {
  response.json({ order: request.params.id, for: request.mesh.peer.spiffeId });
});
app.get('/stock', async (_request, response) => {
  const stock = await mesh.fetch('http://stock/'); // with what is left of the caller's time, its criticality and its x-tenant
  response.json(await stock.json());
});
app.use(meshErrors()); // after everything else
//#endregion

//#region listen
await mesh.listen(app, {
  port: 7001,
  host: '127.0.0.1',
  ignorePathCase: true, // Express takes /ORDERS for /orders …
  ignoreTrailingSlash: true, // … and /orders/ too, unless it is told otherwise: so must the rules
  signals: ['SIGTERM'],
});
//#endregion
console.log('orders listens on 7001');

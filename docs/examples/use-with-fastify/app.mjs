// app.mjs: a Fastify app behind the way in.
import fastify from 'fastify';
import { createMesh } from 'meshfetch';
import { meshErrorHandler, meshFastify } from 'meshfetch/fastify';

const mesh = await createMesh({ controlPlane: 'mesh.yaml' });

//#region app
const app = fastify();
await app.register(meshFastify, { mesh }); // before everything else
app.setErrorHandler(meshErrorHandler);
app.get('/orders/:id', ({ params, mesh: { peer } }) => ({ order: params.id, for: peer.spiffeId }));
app.get('/stock', async () => {
  const stock = await app.mesh.fetch('http://stock/'); // with what is left of the caller's time, its criticality and its x-tenant
  return stock.json();
});
//#endregion

//#region listen
await app.ready();
const server = await mesh.listen(app.routing, { port: 7001, host: '127.0.0.1' });
async function stop() {
  await server.close(); // requests first …
  await app.close(); // … then what the app has in onClose
  await mesh.close();
}
process.once('SIGTERM', () => void stop());
//#endregion
console.log('orders listens on 7001');

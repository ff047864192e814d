// stock.mjs: a Fastify service that says how many of an item are left, and who asked.
import { subscribe } from 'node:diagnostics_channel';
import fastify from 'fastify';
import { createMesh } from 'meshfetch';
import { meshFastify } from 'meshfetch/fastify';

const mesh = await createMesh({ controlPlane: 'stock.yaml' });

const app = fastify();
await app.register(meshFastify, { mesh }); // gives handlers request.mesh
app.get('/items/:item', ({ params, mesh: { peer } }) => ({ item: params.item, left: 3, askedBy: peer.spiffeId }));
await app.ready();

subscribe('meshfetch:inbound:refused', ({ peer = 'nobody we know', method, path, details }) => {
  console.log(`refused ${method} ${path} of ${peer}: ${details}`);
});

await mesh.listen(app.routing, { port: 7003, host: '127.0.0.1', signals: ['SIGINT', 'SIGTERM'] });
console.log('stock listens on 7003');

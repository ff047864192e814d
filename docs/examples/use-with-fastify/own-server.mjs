// own-server.mjs: the same policy on Fastify's own server.
import { readFileSync } from 'node:fs';
import fastify from 'fastify';
import { createMesh } from 'meshfetch';
import { meshErrorHandler, meshFastify } from 'meshfetch/fastify';

const mesh = await createMesh({ controlPlane: 'mesh.yaml' });

//#region app
const app = fastify({
  https: {
    cert: readFileSync('certs/orders.pem'),
    key: readFileSync('certs/orders.key'),
    ca: readFileSync('certs/ca.pem'),
    requestCert: true, // or nobody has an identity
    rejectUnauthorized: true,
  },
});
await app.register(meshFastify, { mesh });
app.setErrorHandler(meshErrorHandler);
app.get('/orders/:id', ({ params, mesh: { peer } }) => ({ order: params.id, for: peer.spiffeId }));
app.addHook('onClose', () => mesh.close());
await app.listen({ port: 7002, host: '127.0.0.1' });
//#endregion
console.log('orders listens on 7002');

// shop.mjs: an Express service that anybody may ask; asks the others through the mesh.
import express from 'express';
import { createMesh } from 'meshfetch';
import { meshErrors } from 'meshfetch/express';

const mesh = await createMesh({ controlPlane: 'shop.yaml' });

/** Asks a service what we were asked, and hands on what it answers. */
const from = (service) => async (request, response) => {
  const answer = await mesh.fetch(`http://${service}${request.url}`, { method: request.method });
  response
    .status(answer.status)
    .type('text')
    .send(await answer.text());
};

const app = express();
app.get('/orders/:id', from('orders'));
app.delete('/orders/:id', from('orders'));
app.get('/items/:item', from('stock'));
app.use(meshErrors()); // as the filter of orders

await mesh.listen(app, { port: 7001, host: '127.0.0.1', signals: ['SIGINT', 'SIGTERM'] });
console.log('shop listens on 7001');

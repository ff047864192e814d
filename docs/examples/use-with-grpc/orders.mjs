// orders.mjs: a service of grpc-js on a port of the mesh.
import { writeFileSync } from 'node:fs';
import grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { createMesh } from 'meshfetch';
import { grpcHandler, grpcHealth, meshRequest, orcaService } from 'meshfetch/grpc';

const { shop } = grpc.loadPackageDefinition(loadSync('orders.proto'));
const mesh = await createMesh({ controlPlane: 'orders.yaml', drainTimeoutMs: 20_000 });

const orderOf = (call) => ({ id: call.request.id, askedBy: meshRequest(call).peer.spiffeId });
const server = new grpc.Server(); // bound to nothing
server.addService(shop.Orders.service, {
  get: (call, done) => done(null, orderOf(call)),
  cancel: (call, done) => done(null, orderOf(call)),
  watch(call) {
    console.log('somebody watches');
    call.write(orderOf(call));
    // Would go on for ever; the port that drains waits for it.
    meshRequest(call).draining.addEventListener('abort', () => call.end());
  },
});
const health = grpcHealth({ 'shop.Orders': 'SERVING' });
health.addToServer(server);
orcaService(mesh).addToServer(server);

const inbound = await mesh.listen(grpcHandler(server), {
  port: 7011,
  host: '127.0.0.1', // default: every address
  signals: ['SIGTERM', 'SIGINT'],
});
writeFileSync('orders.pid', `${process.pid}\n`);
console.log(`orders listens on ${inbound.port}`);

// orders.mjs: the service over Connect, gRPC and gRPC-Web, on a port of the mesh.
import { createContextKey, createContextValues } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { createMesh } from 'meshfetch';
import { OrdersService } from './orders_pb.mjs';

const mesh = await createMesh({ controlPlane: 'mesh.yaml' });
const caller = createContextKey('a stranger');

const handler = connectNodeAdapter({
  contextValues: (request) => createContextValues().set(caller, request.mesh.peer.spiffeId),
  routes: (router) =>
    router.service(OrdersService, {
      getOrder: ({ id }, { values }) => ({ id, state: 'packed', for: values.get(caller) }),
      async *watchOrder({ id }) {
        for (const state of ['paid', 'packed', 'sent']) yield { id, state };
      },
      cancelOrder: ({ id }) => ({ id, state: 'cancelled' }),
    }),
});

await mesh.listen(handler, { port: 7001, host: '127.0.0.1', http2: 'native', signals: ['SIGTERM'] });
console.log('orders listens on 7001');

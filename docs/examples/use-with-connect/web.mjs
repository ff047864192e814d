// web.mjs PROTOCOL METHOD [SERVICE]: asks over grpc, grpc-web or connect.
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { createMesh, isMeshError } from 'meshfetch';
import { meshSessionManager } from 'meshfetch/connect';
import { OrdersService } from './orders_pb.mjs';

const [protocol, method, service = 'orders'] = process.argv.slice(2);
await using mesh = await createMesh({ controlPlane: 'web.yaml' });

const baseUrl = `http://${service}`; // the name of the service; TLS is the mesh's
const transports = { grpc: createGrpcTransport, 'grpc-web': createGrpcWebTransport, connect: createConnectTransport };
const transport = transports[protocol]({ baseUrl, httpVersion: '2', sessionManager: meshSessionManager(mesh, baseUrl) });
const orders = createClient(OrdersService, transport);

try {
  if (method === 'watchOrder') for await (const { id, state } of orders.watchOrder({ id: '42' })) console.log(id, state);
  else {
    const order = await orders[method]({ id: '42' });
    console.log(order.id, order.state, 'for', order.for);
  }
} catch (error) {
  const { code, rawMessage, cause } = ConnectError.from(error);
  if (isMeshError(cause)) console.log(Code[code], cause.code, cause.remedy);
  else console.log(Code[code], rawMessage);
}

// orders-web.mjs METHOD: calls orders over mutual TLS, as spiffe://example.org/web.
import grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { createMesh } from 'meshfetch';
import { meshChannelCredentials } from 'meshfetch/grpc';

const [method] = process.argv.slice(2);
const { shop } = grpc.loadPackageDefinition(loadSync('orders.proto'));
const mesh = await createMesh({ controlPlane: 'orders-web.yaml' });
const client = new shop.Orders('mesh:///orders', meshChannelCredentials(mesh));

async function end(said) {
  console.log(said);
  client.close();
  await mesh.close();
}
if (method === 'watch') {
  const call = client.watch({ id: '42' });
  call.on('data', (order) => console.log(order));
  call.on('error', (error) => end(error.message));
  call.on('end', () => end('the stream has ended'));
} else client[method]({ id: '42' }, (error, order) => end(error?.message ?? order));

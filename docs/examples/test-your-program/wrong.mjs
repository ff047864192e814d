import { createMesh } from 'meshfetch';
import { expectRoute, fakeControlPlane } from 'meshfetch/testing';
import { services } from './services.mjs';

const stable = { address: '127.0.0.1:7001', metadata: { version: '1' } };
const beta = { address: '127.0.0.1:7002', metadata: { version: '2' } };
const controlPlane = fakeControlPlane({ services: services({ orders: ['127.0.0.1:7000'], prices: [stable, beta] }) });
const mesh = await createMesh({ controlPlane });
await mesh.ready();
try {
  expectRoute(mesh, 'http://prices/cup').toReach('prices', { subset: 'beta' });
} catch (error) {
  console.log(error.message);
}
await mesh.close();

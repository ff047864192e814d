// session.mjs: asks five times with the cookie that came with the first response.
import { createMesh } from 'meshfetch';

const mesh = await createMesh({ controlPlane: 'mesh.yaml' });
const first = await mesh.fetch('http://orders/');
const [cookie] = first.headers.getSetCookie()[0].split(';');
console.log(`${(await first.text()).split(' ')[0]} served the first, and the cookie is ${cookie.split('=')[0]}`);

const served = new Set();
for (let count = 0; count < 5; count++) {
  const response = await mesh.fetch('http://orders/', { headers: { cookie } });
  served.add((await response.text()).split(' ')[0]);
}
console.log(`the same one served all others: ${served.size === 1}`);
await mesh.close();

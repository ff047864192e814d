// orders.mjs PORT: takes 100 ms for a request.
import { createMesh } from 'meshfetch';

const [port] = process.argv.slice(2);
const mesh = await createMesh({ controlPlane: 'mesh.yaml' });
const handler = (_request, response) => setTimeout(() => response.end('an order'), 100);
await mesh.listen(handler, { port: Number(port), host: '127.0.0.1' });
console.log(`orders listens on ${port}`);

// orders.mjs PORT: answers whoever is let in, and tells what dry runs and audits say.
import { subscribe } from 'node:diagnostics_channel';
import { createMesh } from 'meshfetch';

const [port] = process.argv.slice(2);
const mesh = await createMesh({ controlPlane: 'mesh.yaml' });

subscribe('meshfetch:inbound:refused', ({ method, path, details }) => console.log(`refused ${method} ${path}: ${details}`));
subscribe('meshfetch:authorization:shadow', ({ kind, verdict, policy }) => {
  if (verdict !== 'allowed') console.log(`${kind}: ${policy} ${verdict}`);
});

const handler = (request, response) => {
  const { peer, requestPrincipal } = request.mesh;
  response.end(`served ${peer.spiffeId ?? 'a stranger'}${requestPrincipal ? ` for ${requestPrincipal}` : ''}`);
};
await mesh.listen(handler, { port: Number(port), host: '127.0.0.1' });
console.log(`orders listens on ${port}`);

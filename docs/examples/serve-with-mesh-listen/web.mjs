// web.mjs PATH: asks orders over mutual TLS, as spiffe://example.org/web.
import { createMesh } from 'meshfetch';

const [path] = process.argv.slice(2);
await using mesh = await createMesh({ controlPlane: 'web.yaml' });
const response = await mesh.fetch(`http://orders${path}`);
console.log(response.status, await response.text());

// web.mjs METHOD PATH ["name: value"]…: asks orders over mutual TLS, as spiffe://example.org/web.
import { createMesh } from 'meshfetch';

const [method, path, ...headers] = process.argv.slice(2);
await using mesh = await createMesh({ controlPlane: 'web.yaml' });
const response = await mesh.fetch(`http://orders${path}`, { method, headers: headers.map((header) => header.split(/: */)) });
console.log(response.status, await response.text());

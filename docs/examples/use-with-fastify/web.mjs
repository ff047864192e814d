// web.mjs URL [METHOD]: asks over mutual TLS, as spiffe://example.org/web.
import { createMesh } from 'meshfetch';

const [url, method = 'GET'] = process.argv.slice(2);
await using mesh = await createMesh({ controlPlane: 'web.yaml' });
const response = await mesh.fetch(url, { method });
console.log(response.status, await response.text());

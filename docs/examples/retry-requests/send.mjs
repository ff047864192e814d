// send.mjs METHOD PATH ["name: value"]…: sends one request, and says what came of it.
import { createMesh } from 'meshfetch';

const [method, path, ...headers] = process.argv.slice(2);
const mesh = await createMesh({ controlPlane: 'mesh.yaml' });
try {
  const init = { method, headers: headers.map((header) => header.split(/: */)) };
  const response = await mesh.fetch(`http://orders${path}`, init);
  console.log(`${response.status} ${await response.text()}`);
} catch ({ cause }) {
  console.log(`${cause.code}, may have been done: ${cause.mayHaveBeenProcessed}`);
}
await mesh.close();

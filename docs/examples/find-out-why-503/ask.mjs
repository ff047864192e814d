// ask.mjs [COUNT]: asks COUNT times for an order, and says of the last failure all that is known.
import { createMesh } from 'meshfetch';

const mesh = await createMesh({ controlPlane: 'mesh.yaml' });
let failure;

for (let count = Number(process.argv[2] ?? 1); count > 0; count--) {
  try {
    const response = await mesh.fetch('http://orders/42');
    console.log(`the service answered ${response.status}: ${await response.text()}`);
  } catch (error) {
    failure = error.cause; // fetch rejects with a TypeError; the MeshError is its cause
  }
}

if (failure !== undefined) {
  const { code, flags, message, remedy, mayHaveBeenProcessed, attempts } = failure;
  console.log({ code, flags, message, remedy, mayHaveBeenProcessed, attempts });
}
for (const { address, state, requests, failures, outForMs } of mesh.status().clusters[0].endpoints)
  console.log(
    `${address}: ${state}, ${failures} of ${requests} failed${outForMs === undefined ? '' : `, back in ${outForMs} ms`}`,
  );

await mesh.close();

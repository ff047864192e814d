// users.mjs: twelve users ask three times each; how many of them met one endpoint all the time.
import { createMesh } from 'meshfetch';

const mesh = await createMesh({ controlPlane: 'mesh.yaml' });
let faithful = 0;
for (let user = 0; user < 12; user++) {
  const answers = new Set();
  for (let asked = 0; asked < 3; asked++) {
    const response = await mesh.fetch('http://orders/', { headers: { 'x-user': `user-${user}` } });
    answers.add(await response.text());
  }
  if (answers.size === 1) faithful++;
}
console.log(`${faithful} of 12 users met one endpoint`);
await mesh.close();

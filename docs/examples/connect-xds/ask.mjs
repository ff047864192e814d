import { createMesh } from 'meshfetch';

await using mesh = await createMesh({ controlPlane: 'xds://127.0.0.1:18000', unknownHosts: 'refuse' });
let last = '';
const say = (words) => {
  if (words !== last) console.log(words);
  last = words;
};
for (;;) {
  const answer = (await (await mesh.fetch('http://orders/')).text()).trim();
  const { state, error } = mesh.status().controlPlanes[0];
  say([answer, state, error].filter((word) => word !== undefined).join('\n  '));
  await new Promise((resolve) => setTimeout(resolve, 200));
}

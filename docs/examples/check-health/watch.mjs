// watch.mjs: asks ten times a second, and says what health checks find out and who answers then.
import { subscribe } from 'node:diagnostics_channel';
import { createMesh } from 'meshfetch';

let answers = new Set();
subscribe('meshfetch:health-check:changed', ({ endpoint, state, reason }) => {
  console.log([endpoint, 'is', state, ...(reason ? [`(${reason})`] : [])].join(' '));
  answers = new Set();
});

const mesh = await createMesh({ controlPlane: 'mesh.yaml' });
let asked = 0;
for (;;) {
  const response = await mesh.fetch('http://orders/');
  answers.add(await response.text());
  if (++asked % 10 === 0) {
    console.log(`answered by ${[...answers].toSorted((a, b) => a.localeCompare(b)).join(', ')}`);
    answers = new Set();
  }
  await new Promise((resolve) => setTimeout(resolve, 100));
}

// ask.mjs COUNT [ZONE]: asks COUNT times from a process in ZONE, and counts who answered.
import { createMesh } from 'meshfetch';

const [count = '1', zone] = process.argv.slice(2);
const mesh = await createMesh({ controlPlane: 'mesh.yaml', ...(zone && { locality: { zone } }) });
const answers = new Map();

for (let asked = 0; asked < Number(count); asked++) {
  const answer = await mesh.fetch('http://orders/').then(
    (response) => response.text(),
    ({ cause }) => `${cause.flags} ${cause.code}`,
  );
  answers.set(answer, (answers.get(answer) ?? 0) + 1);
}

for (const answer of [...answers.keys()].toSorted((a, b) => a.localeCompare(b)))
  console.log(`${answer}: ${Math.round((answers.get(answer) / count) * 100)} %`);
await mesh.close();

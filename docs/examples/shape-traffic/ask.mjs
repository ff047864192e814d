// ask.mjs URL [--times N] [--at-once] [--header "name: value"]…: asks, and counts what came back.
import { parseArgs } from 'node:util';
import { createMesh } from 'meshfetch';

const options = { times: { type: 'string' }, 'at-once': { type: 'boolean' }, header: { type: 'string', multiple: true } };
const { values, positionals } = parseArgs({ options, allowPositionals: true });
const headers = (values.header ?? []).map((header) => header.split(/: */));
const times = Number(values.times ?? 1);

const mesh = await createMesh({ controlPlane: 'mesh.yaml' });
const answers = new Map();
let slowestMs = 0;

async function ask() {
  const startMs = performance.now();
  const answer = await mesh.fetch(positionals[0], { headers, redirect: 'manual' }).then(
    async (response) => [response.status, response.headers.get('location'), await response.text()].filter(Boolean).join(' '),
    ({ cause }) => `${cause.flags} ${cause.code}`,
  );
  slowestMs = Math.max(slowestMs, performance.now() - startMs);
  answers.set(answer, (answers.get(answer) ?? 0) + 1);
}

if (values['at-once']) await Promise.all(Array.from({ length: times }, ask));
else for (let count = 0; count < times; count++) await ask();

for (const [answer, count] of answers) console.log(`${count} of ${times}: ${answer}`);
console.log(`the slowest took ${slowestMs.toFixed(0)} ms`);
await mesh.close();

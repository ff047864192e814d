import { readFileSync } from 'node:fs';
import { compileEnvoy, route } from 'meshfetch/testing';

const compiled = compileEnvoy(readFileSync('routes.yaml', 'utf8'));
for (const { path, reason } of compiled.problems) console.log(`${path}: ${reason}`);

const { policy: _policy, ...result } = route(compiled, {
  method: 'POST',
  url: 'http://orders/api/items?x=1',
  headers: { 'x-beta': 'true' },
});
console.log(result);

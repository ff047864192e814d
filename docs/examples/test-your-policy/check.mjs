import { readFileSync } from 'node:fs';
import { compileEnvoy, routerCheck } from 'meshfetch/testing';

const compiled = compileEnvoy(readFileSync('routes.yaml', 'utf8'));
for (const { name, passed, failures } of routerCheck(compiled, readFileSync('checks.yaml', 'utf8'))) {
  console.log(passed ? 'passed' : 'FAILED', name);
  for (const failure of failures) console.log(`  ${failure}`);
}

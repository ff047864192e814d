import { readFileSync } from 'node:fs';
import { compileEnvoy, pick } from 'meshfetch/testing';

const compiled = compileEnvoy(readFileSync('sessions.yaml', 'utf8'));
console.log(pick(compiled, 'user-4711'));
console.log(pick(compiled, 'user-4711', { out: ['192.0.2.1:8080', '192.0.2.2:8080'] }));

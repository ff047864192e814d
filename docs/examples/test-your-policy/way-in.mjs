import { readFileSync } from 'node:fs';
import { compileEnvoy } from 'meshfetch/testing';

const { listeners } = compileEnvoy(readFileSync('way-in.yaml', 'utf8'));
const [wallet] = listeners;
console.log(wallet.mode, wallet.port);
console.log(JSON.stringify(wallet.filterChains[0].authorization[0]));

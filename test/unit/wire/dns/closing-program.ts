/** Asks a name server that never answers, closes the resolver, and tells how long the process lived on. */
import { systemClock, systemRandom } from '../../../../src/base/runtime.ts';
import { createDnsResolver } from '../../../../src/wire/dns.ts';
import { startDnsServer } from '../../../support/dns-server.ts';

const server = await startDnsServer();
for (const type of ['A', 'AAAA']) server.set('orders.test', type, 'silent');
const resolver = createDnsResolver({
  clock: systemClock,
  random: systemRandom,
  servers: [server.address],
  resolvConfPath: '/nonexistent',
});
const waiting = resolver.resolve({ hostname: 'orders.test', port: 80 }).catch((error: { code: string }) => error.code);
await server.asked('orders.test', 'AAAA');
resolver.close();
const closedMs = systemClock.now();
const code = await waiting;
await server.close();
process.on('exit', () => console.log(JSON.stringify({ code, afterCloseMs: systemClock.now() - closedMs })));

/** Every endpoint dies, and all come back at once: what was ready to send does not trample them. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, it } from 'node:test';
import { request } from 'undici';
import { connectionsOf, eventually, held, ordersAt } from '../support/mesh-of.ts';
import { startServer, type TestServer } from '../support/servers.ts';

const callers = 40;
const serviceMs = 10;

describe('five endpoints that come back at the same moment', () => {
  it('get no more than twice the connections of a quiet day, and everybody is served again', async () => {
    let accepted = 0;
    const start = async (port = 0): Promise<TestServer> => {
      const server = await startServer((_request, response) => {
        void sleep(serviceMs).then(() => response.end('ok'));
      }, port);
      server.server.on('connection', () => accepted++);
      return server;
    };
    const servers = await Promise.all(Array.from({ length: 5 }, () => start()));
    await using mesh = await ordersAt(
      servers.map(({ address }) => address),
      { outlierDetection: { baseEjectionMs: 100, maxEjectionMs: 100 }, slowStart: { windowMs: 1000 } },
    );
    const load = { isOver: false };
    let served = 0;
    let failed = 0;
    const caller = async (): Promise<void> => {
      while (!load.isOver) {
        try {
          await (await request('http://orders/', { dispatcher: mesh.dispatcher })).body.text();
          served++;
        } catch {
          failed++;
          await sleep(serviceMs);
        }
      }
    };
    const all = Promise.all(Array.from({ length: callers }, caller));
    await eventually('a quiet day', () => served > 1000);
    const steady = connectionsOf(mesh);
    assert.ok(steady >= callers / 2, `${steady} connections`);
    await Promise.all(servers.map((server) => server.kill()));
    await eventually('nobody is served', () => failed > 5 * callers);
    accepted = 0;
    served = 0;
    await Promise.all(servers.map(({ port }) => start(port)));
    await eventually('a quiet day again', () => served > 1000);
    assert.ok(accepted <= 2 * steady, `${accepted} new connections, after ${steady} before`);
    failed = 0;
    served = 0;
    await eventually('it stays so', () => served > 1000);
    assert.equal(failed, 0);
    load.isOver = true;
    await all;
    assert.deepEqual(held(mesh), { requests: 0, inFlight: 0 });
  });
});

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { createMesh } from '../../../../src/index.ts';
import { entry, startFakeConsul } from './fake-consul.ts';

describe('a mesh whose only control plane answers on demand', () => {
  it('asks it at the first request, and lets the request wait for the answer', async () => {
    const server = createServer((_request, response) => response.end('found'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    await using consul = await startFakeConsul();
    await using mesh = await createMesh({ controlPlane: consul.origin.replace('http:', 'consul:') });
    const responses = Promise.all([mesh.fetch('http://orders/'), mesh.fetch('http://orders/'), mesh.fetch('http://orders/')]);
    (await consul.next()).answer([entry((server.address() as AddressInfo).port)], 7);
    for (const response of await responses) assert.equal(await response.text(), 'found');
    // The one plain question, and the one that blocks.
    await consul.next();
    assert.equal(consul.received.length, 2);
    server.closeAllConnections();
    server.close();
  });
});

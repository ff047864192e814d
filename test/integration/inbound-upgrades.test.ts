/** Connections that leave HTTP pass the policy as requests do, and count for as long as they last. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { createMesh, type Mesh } from 'meshfetch';
import type { FilterChainConfig } from '../../src/model/listener.ts';
import { TestControlPlane } from '../support/cluster-plane.ts';
import { policyOf, wayIn } from '../support/inbound.ts';
import { eventually } from '../support/mesh-of.ts';

async function upgradingPort(t: TestContext, chain: Partial<FilterChainConfig>) {
  const plane = new TestControlPlane();
  const mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 100 });
  const upgraded: Socket[] = [];
  const server = await mesh.listen((_request, response) => void response.end('plain'), {
    port: 0,
    host: '127.0.0.1',
    upgrade: (_request, socket) => {
      upgraded.push(socket as Socket);
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n');
      socket.pipe(socket);
    },
  });
  t.after(() => mesh.close());
  await plane.deliver([wayIn(chain)]);
  /** What comes back until there are so many bytes, or the connection ends. */
  const open = async (path: string, protocol = 'echo'): Promise<{ socket: Socket; head: string }> => {
    const socket = connect(server.port, '127.0.0.1');
    socket.on('error', () => {});
    t.after(() => socket.destroy());
    socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: ${protocol}\r\n\r\n`);
    const [first] = (await once(socket, 'data')) as [Buffer];
    return { socket, head: first.toString('latin1') };
  };
  return { mesh, upgraded, open };
}

const inFlight = (mesh: Mesh): number => mesh.status().inbound[0]!.requestsInFlight;

describe('a connection that leaves HTTP', () => {
  it('is let in by the policy, and counts until it ends', async (t) => {
    const { mesh, upgraded, open } = await upgradingPort(t, { admission: { maxRequests: 1 } });
    const { socket, head } = await open('/ws');
    assert.match(head, /^HTTP\/1\.1 101 /);
    socket.write('ping');
    assert.equal(String((await once(socket, 'data'))[0]), 'ping');
    assert.deepEqual([upgraded.length, inFlight(mesh)], [1, 1]);
    assert.match((await open('/ws')).head, /^HTTP\/1\.1 503 /);
    socket.destroy();
    await eventually('nothing is under way', () => inFlight(mesh) === 0);
    assert.match((await open('/ws')).head, /^HTTP\/1\.1 101 /);
  });

  it('is refused as any request is', async (t) => {
    const denied = policyOf('deny', [{ kind: 'path', match: { kind: 'exact', value: '/admin' } }]);
    const { mesh, upgraded, open } = await upgradingPort(t, { authorization: [denied] });
    assert.match((await open('/x/../admin')).head, /^HTTP\/1\.1 403 /);
    assert.equal(upgraded.length, 0);
    await eventually('nothing is under way', () => inFlight(mesh) === 0);
  });

  it('becomes nothing that the policy does not name', async (t) => {
    const { upgraded, open } = await upgradingPort(t, { policy: { upgrades: ['websocket'] } });
    assert.match((await open('/', 'echo')).head, /^HTTP\/1\.1 403 /);
    assert.match((await open('/', 'WebSocket')).head, /^HTTP\/1\.1 101 /);
    assert.equal(upgraded.length, 1);
  });
});

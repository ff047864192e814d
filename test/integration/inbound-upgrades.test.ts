/** Connections that leave HTTP pass the policy as requests do, are told of for as long as they last, and take no place of a request. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { createMesh, type Mesh } from 'meshfetch';
import type { FilterChainConfig } from '../../src/model/listener.ts';
import { endpointAt, staticCluster, TestControlPlane } from '../support/cluster-plane.ts';
import { policyOf, wayIn } from '../support/inbound.ts';
import { eventually } from '../support/mesh-of.ts';
import { startServer } from '../support/servers.ts';

async function upgradingPort(t: TestContext, chain: Partial<FilterChainConfig>) {
  const plane = new TestControlPlane();
  const mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 100 });
  const upgraded: Socket[] = [];
  const server = await mesh.listen((_request, response) => void response.end('plain'), {
    port: 0,
    host: '127.0.0.1',
    upgrade: (_request, socket, head) => {
      upgraded.push(socket as Socket);
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n');
      if (head.length > 0) socket.write(head);
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
  /** Asks to leave HTTP, and goes on to send `more` right away and after a turn. */
  const send = (path: string, more: string): Socket => {
    const socket = connect(server.port, '127.0.0.1');
    socket.on('error', () => {});
    t.after(() => socket.destroy());
    socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n${more.slice(0, 2)}`);
    setImmediate(() => socket.write(more.slice(2)));
    return socket;
  };
  return { mesh, plane, upgraded, open, send };
}

/** A chain that lets in whom an authorizer lets in. */
function askedChain(): Partial<FilterChainConfig> {
  return {
    externalAuthorizers: [{ name: 'authz', protocol: 'http', cluster: 'authz', timeoutMs: 30_000 }],
    authorization: [policyOf('custom', [{ kind: 'any' }], { provider: 'authz' })],
  };
}

const inFlight = (mesh: Mesh): number => mesh.status().inbound[0]!.requestsInFlight;

describe('a connection that leaves HTTP', () => {
  it('is let in by the policy, is told of until it ends, and gives its place back at once', async (t) => {
    const { mesh, upgraded, open } = await upgradingPort(t, { admission: { maxRequests: 1 } });
    const { socket, head } = await open('/ws');
    assert.match(head, /^HTTP\/1\.1 101 /);
    socket.write('ping');
    assert.equal(String((await once(socket, 'data'))[0]), 'ping');
    assert.deepEqual([upgraded.length, inFlight(mesh)], [1, 1]);
    const other = await open('/ws');
    assert.match(other.head, /^HTTP\/1\.1 101 /);
    assert.equal(inFlight(mesh), 2);
    socket.destroy();
    other.socket.destroy();
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

  for (const how of ['ends', 'resets'] as const)
    it(`is forgotten when the client ${how} it before the verdict, and whoever is asked for one hears of it`, async (t) => {
      let asked = 0;
      let isGone = false;
      const authorizer = await startServer((request) => {
        asked += 1;
        request.socket.once('close', () => (isGone = true));
      });
      const chain = askedChain();
      const { mesh, plane, upgraded, send } = await upgradingPort(t, chain);
      await plane.deliver([staticCluster('authz', [endpointAt(authorizer.address)]), wayIn(chain)]);
      const socket = send('/ws', 'and more');
      await eventually('the authorizer is asked', () => asked === 1);
      assert.equal(inFlight(mesh), 1);
      if (how === 'ends') socket.end();
      else socket.resetAndDestroy();
      await eventually('nothing is under way', () => inFlight(mesh) === 0);
      await eventually('nobody is asked any more', () => isGone);
      assert.equal(upgraded.length, 0);
    });

  it('loses nothing that its client sent before the verdict', async (t) => {
    const authorizer = await startServer((_request, response) => void response.end());
    const chain = askedChain();
    const { plane, send } = await upgradingPort(t, chain);
    await plane.deliver([staticCluster('authz', [endpointAt(authorizer.address)]), wayIn(chain)]);
    const socket = send('/ws', 'ping');
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    await eventually('it came back', () => text.endsWith('\r\n\r\nping'));
    socket.write(' pong');
    await eventually('what came later, too', () => text.endsWith('ping pong'));
  });

  it('becomes nothing that the policy does not name', async (t) => {
    const { upgraded, open } = await upgradingPort(t, { policy: { upgrades: ['websocket'] } });
    assert.match((await open('/', 'echo')).head, /^HTTP\/1\.1 403 /);
    assert.match((await open('/', 'WebSocket')).head, /^HTTP\/1\.1 101 /);
    assert.equal(upgraded.length, 1);
  });
});

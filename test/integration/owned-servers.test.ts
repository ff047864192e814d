/** What a server that the program owns gets from its door, beside requests that are let in or refused. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { createMesh, type MeshRequest } from 'meshfetch';
import { meshExpress } from 'meshfetch/express';
import { meshUpgrade } from 'meshfetch/node-http';
import express from 'express';
import { currentRequest } from '../../src/base/request-context.ts';
import { subscribe } from '../../src/telemetry/channels.ts';
import type { EventPayloads } from '../../src/telemetry/events.ts';
import { TestControlPlane } from '../support/cluster-plane.ts';
import { guardedServer, policyOf, send, wayIn } from '../support/inbound.ts';
import { eventually } from '../support/mesh-of.ts';

const denied = policyOf('deny', [{ kind: 'path', match: { kind: 'prefix', value: '/admin' } }]);

async function upgradingServer(t: TestContext) {
  const plane = new TestControlPlane();
  const mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 100 });
  const taken: (MeshRequest | undefined)[] = [];
  const server = createServer((_request, response) => void response.end('plain'));
  server.on(
    'upgrade',
    meshUpgrade(mesh, (request, socket) => {
      taken.push((request as { mesh?: MeshRequest }).mesh);
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n');
      socket.pipe(socket);
    }),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    server.close();
    server.closeAllConnections();
    await mesh.close();
  });
  const { port } = server.address() as AddressInfo;
  const open = async (text: string): Promise<{ socket: Socket; head: string }> => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    t.after(() => socket.destroy());
    socket.write(text);
    const [first] = (await once(socket, 'data')) as [Buffer];
    return { socket, head: first.toString('latin1') };
  };
  return { mesh, plane, taken, open };
}

const upgrade = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n`;

describe('a connection that leaves HTTP on a server of the program', () => {
  it('is refused as any request is, and let in by the same rules', async (t) => {
    const { mesh, plane, taken, open } = await upgradingServer(t);
    await plane.deliver([wayIn({ authorization: [denied] })]);
    assert.match((await open(upgrade('/x/../admin'))).head, /^HTTP\/1\.1 403 Forbidden\r\n/);
    assert.equal(taken.length, 0);
    const { socket, head } = await open(upgrade('/chat'));
    assert.match(head, /^HTTP\/1\.1 101 /);
    assert.equal(taken[0]?.path, '/chat');
    socket.write('ping');
    assert.equal(String((await once(socket, 'data'))[0]), 'ping');
    assert.equal(mesh.status().inbound[0]!.requestsInFlight, 1);
    socket.destroy();
    await eventually('it counts no more', () => mesh.status().inbound[0]!.requestsInFlight === 0);
  });

  it('is refused in plaintext where the policy takes mutual TLS only', async (t) => {
    const { plane, taken, open } = await upgradingServer(t);
    await plane.deliver([wayIn({}, { mode: 'strict' })]);
    assert.match((await open(upgrade('/chat'))).head, /^HTTP\/1\.1 403 Forbidden\r\n[^]*this port takes mutual TLS only$/);
    assert.equal(taken.length, 0);
  });

  it('ends no process by asking while an earlier response is under way', async (t) => {
    const { plane, taken, open } = await upgradingServer(t);
    await plane.deliver([wayIn({ authorization: [denied] })]);
    const { head } = await open(`GET / HTTP/1.1\r\nhost: x\r\n\r\n${upgrade('/admin')}`);
    assert.match(head, /^HTTP\/1\.1 200 OK\r\n/);
    assert.equal(taken.length, 0);
  });
});

describe('the context of a request', () => {
  for (const http2 of [undefined, 'bridge', 'native'] as const)
    it(`is there when its response has ended, over ${http2 === undefined ? 'HTTP/1.1' : `HTTP/2 (${http2})`}`, async (t) => {
      const told: string[] = [];
      const { mesh, plane, port } = await guardedServer(t, answer);
      await plane.deliver([wayIn({ forwardHeaders: ['x-tenant'] })]);
      const headers = { 'x-tenant': 'acme' };
      if (http2 === undefined) await send(port, '/', { headers });
      else {
        const listening = await mesh.listen(answer, { port: 0, host: '127.0.0.1', http2 });
        const session = connectHttp2(`http://127.0.0.1:${listening.port}`);
        t.after(() => session.destroy());
        await once(session.request({ ':path': '/', ...headers }).resume(), 'close');
      }
      await eventually('both were told', () => told.length === 2);
      assert.deepEqual(told, ['finish acme', 'close acme']);

      function answer(_request: IncomingMessage, response: ServerResponse): void {
        const tenant = (): unknown => currentRequest()?.headers?.find(([name]) => name === 'x-tenant')?.[1];
        for (const event of ['finish', 'close']) response.on(event, () => told.push(`${event} ${String(tenant())}`));
        response.end('served');
      }
    });
});

describe('several apps of one mesh', () => {
  it('are held to the policy each of its own port, and to that of both when one stands in the other', async (t) => {
    const plane = new TestControlPlane();
    const mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 100 });
    t.after(() => mesh.close());
    const inner = express().use(meshExpress(mesh, { policyMissing: 'deny' }));
    inner.use((_request, response) => void response.send('inner'));
    const outer = express().use(meshExpress(mesh));
    outer.get('/outer', (_request, response) => void response.send('outer'));
    outer.use(inner);
    const ports: number[] = [];
    for (const app of [outer, inner]) {
      const server = createServer(app).listen(0, '127.0.0.1');
      await once(server, 'listening');
      t.after(() => server.close());
      ports.push((server.address() as AddressInfo).port);
    }
    const [first, second] = ports as [number, number];
    await plane.deliver([wayIn({ authorization: [denied] }, { port: first })]);
    assert.equal((await send(first, '/admin')).status, 403);
    assert.equal((await send(first, '/outer')).body, 'outer');
    assert.equal((await send(first, '/x')).body, 'inner');
    assert.equal((await send(second, '/x')).status, 403, 'this port has no policy');
  });
});

describe('telemetry of a server of the program', () => {
  it('names a client of IPv4 by its own address where the server listens on IPv6', async (t) => {
    const plane = new TestControlPlane();
    const mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 100 });
    const ends: EventPayloads['inbound:end'][] = [];
    t.after(subscribe('inbound:end', (event) => ends.push(event)));
    const app = express();
    app.use(meshExpress(mesh));
    app.get('/', (request, response) => void response.send(`${request.mesh!.peer.address} ${request.mesh!.remoteAddress}`));
    const server = createServer(app).listen(0, '::');
    await once(server, 'listening');
    t.after(async () => {
      server.close();
      await mesh.close();
    });
    await plane.deliver([wayIn()]);
    assert.equal((await send((server.address() as AddressInfo).port)).body, '127.0.0.1 127.0.0.1');
    await eventually('it has ended', () => ends.length === 1);
    assert.equal(ends[0]!.peerAddress, '127.0.0.1');
  });
});

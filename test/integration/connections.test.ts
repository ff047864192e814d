/** Connections of a host and the limits of a cluster, on real sockets. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { request } from 'undici';
import { createMesh, isMeshError, type Mesh } from 'meshfetch';
import { testAuthority, validity } from '../support/certificates.ts';
import { TestControlPlane, allTo, clusterPlane, endpointAt, staticCluster } from '../support/cluster-plane.ts';
import { connectionsOf, eventually, held, ordersAt } from '../support/mesh-of.ts';
import { startHttps, temporaryFolder } from '../support/secured.ts';
import { answer, startServer, type TestServer } from '../support/servers.ts';

/** Sockets that a server has accepted, and those still open. */
function socketsOf(server: TestServer): { readonly accepted: Socket[]; readonly open: Set<Socket> } {
  const accepted: Socket[] = [];
  const open = new Set<Socket>();
  server.server.on('connection', (socket) => {
    accepted.push(socket);
    open.add(socket);
    socket.on('close', () => open.delete(socket));
  });
  return { accepted, open };
}

/** A server whose responses wait until they are let go, by path. */
async function startHolding(): Promise<TestServer & { readonly held: Map<string, () => void> }> {
  const waiting = new Map<string, () => void>();
  const server = await startServer((incoming, response) => {
    waiting.set(incoming.url!, () => response.end(incoming.url));
  });
  return Object.assign(server, { held: waiting });
}

const get = async (mesh: Mesh, path = '/'): Promise<string> =>
  (await request(`http://orders${path}`, { dispatcher: mesh.dispatcher })).body.text();

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => assert.fail('it should fail'),
    (cause: unknown) => cause,
  );
  assert.ok(isMeshError(error), String(error));
  return error.code;
}

describe('connections of a host', () => {
  it('are used last in, first out, so that few sockets carry the load', async () => {
    const server = await startServer(answer('ok'));
    const sockets = socketsOf(server);
    await using mesh = await ordersAt([server.address]);
    await Promise.all([get(mesh), get(mesh), get(mesh)]);
    assert.equal(sockets.accepted.length, 3);
    const used = new Set<Socket>();
    server.server.on('request', (incoming) => used.add(incoming.socket));
    for (let index = 0; index < 10; index++) await get(mesh);
    assert.equal(used.size, 1);
    assert.equal(sockets.accepted.length, 3);
  });

  it('that are idle are closed after idleTimeoutMs, and forgotten', async () => {
    const server = await startServer(answer('ok'));
    const sockets = socketsOf(server);
    await using mesh = await ordersAt([server.address], { idleTimeoutMs: 50 });
    await Promise.all([get(mesh), get(mesh)]);
    await eventually('both sockets are closed', () => sockets.open.size === 0);
    await eventually('both connections are forgotten', () => connectionsOf(mesh) === 0);
  });

  it('that the server closes are forgotten, whether it says so or not', async () => {
    const server = await startServer((_request, response) => response.setHeader('connection', 'close').end('ok'));
    await using mesh = await ordersAt([server.address]);
    await Promise.all([get(mesh), get(mesh)]);
    await eventually('both connections are forgotten', () => connectionsOf(mesh) === 0);
    const silent = await startServer(answer('ok'));
    silent.server.keepAliveTimeout = 1;
    await using other = await ordersAt([silent.address]);
    await get(other);
    await eventually('the connection is forgotten', () => connectionsOf(other) === 0);
  });

  it('are replaced when they are older than maxConnectionAgeMs', async () => {
    const server = await startServer(answer('ok'));
    const sockets = socketsOf(server);
    await using mesh = await clusterPlane([server.address], { maxConnectionAgeMs: 30 });
    await get(mesh);
    await eventually('a request has met a connection that was too old', () => {
      void get(mesh);
      return sockets.accepted.length > 1;
    });
  });

  it('are replaced after maxRequestsPerConnection', async () => {
    const server = await startServer(answer('ok'));
    const sockets = socketsOf(server);
    await using mesh = await clusterPlane([server.address], { maxRequestsPerConnection: 2 });
    for (let index = 0; index < 6; index++) await get(mesh);
    assert.equal(sockets.accepted.length, 3);
  });

  it('go to a unix socket where the endpoint is one', async (context) => {
    const { mkdtemp, rm } = await import('node:fs/promises');
    const { tmpdir } = await import('node:os');
    const { createServer } = await import('node:http');
    const directory = await mkdtemp(`${tmpdir()}/meshfetch-`);
    const server = createServer((incoming, response) => response.end(incoming.headers.host));
    context.after(async () => {
      server.close();
      server.closeAllConnections();
      await rm(directory, { recursive: true });
    });
    await new Promise<void>((resolve) => server.listen(`${directory}/orders.sock`, resolve));
    await using mesh = await clusterPlane([`${directory}/orders.sock`], {});
    assert.equal(await get(mesh), 'orders');
  });
});

describe('limits of a cluster', () => {
  it('count a request as in flight until the end of its body, not of its headers', async () => {
    const ends: (() => void)[] = [];
    const server = await startServer((_request, response) => {
      response.writeHead(200);
      response.write('begun');
      ends.push(() => response.end());
    });
    await using mesh = await ordersAt([server.address], { limits: { maxRequests: 1 } });
    const first = await request('http://orders/', { dispatcher: mesh.dispatcher });
    assert.equal(first.statusCode, 200);
    assert.deepEqual(held(mesh), { requests: 1, inFlight: 1 });
    assert.equal(await codeOf(get(mesh)), 'MESH_OVERFLOW');
    ends[0]!();
    assert.equal(await first.body.text(), 'begun');
    assert.deepEqual(held(mesh), { requests: 0, inFlight: 0 });
    const again = await request('http://orders/', { dispatcher: mesh.dispatcher });
    ends[1]!();
    await again.body.dump();
  });

  it('let requests above maxConnections wait, and serve them in the order in which they came', async () => {
    const server = await startHolding();
    const sockets = socketsOf(server);
    await using mesh = await ordersAt([server.address], { limits: { maxConnections: 1 } });
    const done: string[] = [];
    const all = ['/1', '/2', '/3', '/4'].map((path) => get(mesh, path).then((body) => done.push(body)));
    for (const path of ['/1', '/2', '/3', '/4']) {
      await eventually(`${path} is there`, () => server.held.has(path));
      server.held.get(path)!();
    }
    await Promise.all(all);
    assert.deepEqual(done, ['/1', '/2', '/3', '/4']);
    assert.equal(sockets.accepted.length, 1);
  });

  it('refuse a request when maxPendingRequests wait already', async () => {
    const server = await startHolding();
    await using mesh = await ordersAt([server.address], { limits: { maxConnections: 1, maxPendingRequests: 1 } });
    const first = get(mesh, '/1');
    const second = get(mesh, '/2');
    assert.equal(await codeOf(get(mesh, '/3')), 'MESH_OVERFLOW');
    await eventually('the first is there', () => server.held.has('/1'));
    server.held.get('/1')!();
    await first;
    await eventually('the second is there', () => server.held.has('/2'));
    server.held.get('/2')!();
    await second;
  });

  it('give every host one connection, even when maxConnections is reached elsewhere', async () => {
    const one = await startServer(answer('one'));
    const two = await startServer(answer('two'));
    await using mesh = await ordersAt([one.address, two.address], {
      loadBalancing: { policy: 'round-robin' },
      limits: { maxConnections: 1 },
      timeoutMs: 2000,
    });
    const bodies = new Set<string>();
    for (let index = 0; index < 4; index++) bodies.add(await get(mesh));
    assert.deepEqual([...bodies].toSorted(), ['one', 'two']);
  });

  it('hold for each host where maxConnectionsPerHost says so', async () => {
    const server = await startHolding();
    const sockets = socketsOf(server);
    await using mesh = await clusterPlane([server.address], { limits: { maxConnectionsPerHost: 2 } });
    const all = ['/1', '/2', '/3'].map((path) => get(mesh, path));
    await eventually('two are there', () => server.held.size === 2);
    assert.equal(sockets.accepted.length, 2);
    server.held.get('/1')!();
    await eventually('the third is there', () => server.held.has('/3'));
    server.held.get('/2')!();
    server.held.get('/3')!();
    assert.deepEqual(await Promise.all(all), ['/1', '/2', '/3']);
    assert.equal(sockets.accepted.length, 2);
  });

  it('do not blame a host for the time that a request waited for a connection of ours', async () => {
    const server = await startServer((_request, response) => response.writeHead(200).write('the head is there, the rest is not'));
    await using mesh = await ordersAt([server.address], {
      limits: { maxConnections: 1 },
      outlierDetection: { consecutive5xx: 1, consecutiveGatewayFailure: 1 },
      retry: { maxAttempts: 1, perTryTimeoutMs: 100 },
    });
    const { body } = await request('http://orders/', { dispatcher: mesh.dispatcher });
    assert.equal(await codeOf(get(mesh)), 'MESH_PER_TRY_TIMEOUT');
    const [endpoint] = mesh.status().clusters.flatMap(({ endpoints }) => endpoints);
    assert.equal(endpoint!.failures, 0);
    assert.equal(endpoint!.state, 'healthy');
    body.destroy();
  });

  it('let those that wait go on when maxConnections is raised', async () => {
    const server = await startHolding();
    const plane = new TestControlPlane();
    await using mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 100 });
    const orders = (maxConnections: number) => [
      allTo('orders', 'orders'),
      staticCluster('orders', [endpointAt(server.address)], { limits: { maxConnections } }),
    ];
    await plane.deliver(orders(1));
    const all = [get(mesh, '/1'), get(mesh, '/2')];
    await eventually('the first is there', () => server.held.has('/1'));
    assert.equal(server.held.has('/2'), false);
    await plane.deliver(orders(2));
    await eventually('the second is there', () => server.held.has('/2'));
    for (const release of server.held.values()) release();
    assert.deepEqual(await Promise.all(all), ['/1', '/2']);
  });

  it('give the place of a closed connection to a request that waits for another host', async () => {
    const one = await startServer(answer('one'));
    const two = await startHolding();
    await using mesh = await clusterPlane([one.address, two.address], {
      loadBalancing: { policy: 'round-robin' },
      limits: { maxConnections: 2 },
      idleTimeoutMs: 200,
    });
    const all = ['/1', '/2', '/3', '/4'].map((path) => get(mesh, path));
    // Two of four go to the host that holds its answers: one has its connection, the other waits for the place of the first host.
    await eventually('both are there', () => two.held.size === 2);
    for (const release of two.held.values()) release();
    assert.equal((await Promise.all(all)).filter((body) => body === 'one').length, 2);
  });

  it('bound what a burst may open', async () => {
    const server = await startServer(answer('ok'));
    const sockets = socketsOf(server);
    await using mesh = await ordersAt([server.address], { limits: { maxConnections: 8 } });
    const bodies = await Promise.all(Array.from({ length: 200 }, () => get(mesh)));
    assert.equal(bodies.length, 200);
    assert.ok(sockets.accepted.length <= 8, `${sockets.accepted.length} connections`);
    assert.deepEqual(held(mesh), { requests: 0, inFlight: 0 });
  });
});

describe('connections to an endpoint that is spoken to by many names', () => {
  it('are kept for the 250 names that were used last, and closed for the others', async () => {
    const authority = await testAuthority();
    const certificate = await authority.issue({ dnsNames: ['*.example.org'] }, validity());
    const server = await startHttps(certificate, answer('ok'));
    const folder = await temporaryFolder();
    const trustBundle = join(folder, 'ca.pem');
    await writeFile(trustBundle, authority.certificate);
    const orders = {
      hosts: ['*.example.org'],
      endpoints: [server.address],
      tls: { mode: 'simple' as const },
      idleTimeoutMs: 60_000,
    };
    await using mesh = await createMesh({ controlPlane: { identity: { trustBundle }, services: { orders } }, drainTimeoutMs: 0 });
    server.server.keepAliveTimeout = 60_000;
    for (let tenant = 0; tenant < 251; tenant++) {
      const { body } = await request(`http://t${tenant}.example.org/`, { dispatcher: mesh.dispatcher });
      assert.equal(await body.text(), 'ok');
    }
    await eventually('the first is closed', () => server.sockets[0]!.destroyed);
    assert.equal(server.sockets.filter(({ destroyed }) => !destroyed).length, 250);
    await eventually('it is forgotten', () => connectionsOf(mesh) === 250);
    await (await request('http://t0.example.org/', { dispatcher: mesh.dispatcher })).body.dump();
    assert.equal(server.sockets.length, 252);
  });
});

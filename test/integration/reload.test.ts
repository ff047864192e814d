/** A configuration that changes under load: nothing is lost, what did not change keeps its connections, mistakes change nothing. */
import assert from 'node:assert/strict';
import { subscribe } from 'node:diagnostics_channel';
import { rename, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { request } from 'undici';
import { createMesh, type Mesh } from 'meshfetch';
import type { ClusterConfig } from '../../src/model/cluster.ts';
import { allTo, endpointAt, staticCluster, TestControlPlane } from '../support/cluster-plane.ts';
import { testAuthority, workloadCertificate, writeIdentityFiles } from '../support/certificates.ts';
import { eventually, held } from '../support/mesh-of.ts';
import { startHttps, temporaryFolder } from '../support/secured.ts';
import { answer, startServer, startTcpServer, type TestServer } from '../support/servers.ts';
import { steadyLoad } from '../support/steady-load.ts';

/** A mesh of a file, and how the file is replaced, as an editor or a mount does it. */
async function meshOfFile(first: object, options: { name?: string } = {}) {
  const folder = await temporaryFolder();
  const file = join(folder, 'mesh.yaml');
  let count = 0;
  const replace = async (text: string): Promise<void> => {
    const next = join(folder, `next-${count++}`);
    await writeFile(next, text);
    await rename(next, file);
  };
  await replace(JSON.stringify(first));
  const mesh = await createMesh({ controlPlane: file, drainTimeoutMs: 100, ...options });
  return { mesh, write: (config: object) => replace(JSON.stringify(config)), writeText: replace };
}

const get = async (mesh: Mesh): Promise<string> => {
  const response = await request('http://orders/', { dispatcher: mesh.dispatcher });
  const body = await response.body.text();
  assert.equal(response.statusCode, 200);
  return body;
};

function acceptedBy(server: TestServer): Socket[] {
  const sockets: Socket[] = [];
  server.server.on('connection', (socket) => sockets.push(socket));
  return sockets;
}

const orders = (endpoints: readonly unknown[], more: object = {}): object => ({ services: { orders: { endpoints, ...more } } });

describe('a file that changes under load', () => {
  it('loses no request: endpoints come and go, weights and policies change', async () => {
    const servers = [await startServer(answer('a')), await startServer(answer('b')), await startServer(answer('c'))];
    const [a, b, c] = servers.map(({ address }) => address);
    const { mesh, write } = await meshOfFile(orders([a, b]));
    await using _ = mesh;
    const load = steadyLoad(250, () => get(mesh));
    const versions = new Set<string>();
    const configs = [
      orders([a]),
      orders([b, c], { timeoutMs: 3000 }),
      orders([{ address: a!, weight: 5 }, b, c], { loadBalancing: { policy: 'round-robin' } }),
      orders([c], { retry: { maxAttempts: 3 } }),
      orders([a, b, c], { limits: { maxRequests: 500 }, idleTimeoutMs: 1000 }),
    ];
    for (const config of configs) {
      const { version } = mesh.status();
      await write(config);
      await eventually('the new file is in force', () => mesh.status().version !== version);
      versions.add(mesh.status().version);
      const sent = load.sent();
      await eventually('some requests later', () => load.sent() > sent + 20);
    }
    const result = await load.stop();
    assert.deepEqual(result.failures, []);
    assert.equal(versions.size, configs.length);
    assert.ok(result.perSecond > 200, `${result.perSecond} requests a second`);
    for (const server of servers) assert.ok(server.requests.length > 0);
    assert.deepEqual(held(mesh), { requests: 0, inFlight: 0 });
  });

  it('lets a removed endpoint finish what it has, and sends it nothing more', async () => {
    let finish = (): void => {};
    const old = await startServer((_request, response) => {
      finish = () => response.end('old');
    });
    const next = await startServer(answer('new'));
    const open = new Set<Socket>();
    old.server.on('connection', (socket) => {
      open.add(socket);
      socket.on('close', () => open.delete(socket));
    });
    const { mesh, write } = await meshOfFile(orders([old.address]));
    await using _ = mesh;
    const slow = get(mesh);
    await eventually('it is there', () => old.requests.length === 1);
    const { version } = mesh.status();
    await write(orders([next.address]));
    await eventually('the new file is in force', () => mesh.status().version !== version);
    assert.equal(await get(mesh), 'new');
    assert.equal(open.size, 1);
    finish();
    assert.equal(await slow, 'old');
    await eventually('its connection is closed', () => open.size === 0);
    assert.equal(old.requests.length, 1);
  });

  it('keeps the sockets of endpoints whose weight, metadata or policy changed', async () => {
    const server = await startServer(answer('ok'));
    // Idle connections must not go while a busy machine takes its time to see the file.
    server.server.keepAliveTimeout = 60_000;
    const kept = { idleTimeoutMs: 60_000 };
    const sockets = acceptedBy(server);
    const { mesh, write } = await meshOfFile(orders([server.address], kept));
    await using _ = mesh;
    await get(mesh);
    for (const config of [
      orders([{ address: server.address, weight: 7 }], kept),
      orders([{ address: server.address, weight: 7, metadata: { version: 'v2' } }], { ...kept, timeoutMs: 5000 }),
      orders([{ address: server.address }], { ...kept, retry: { maxAttempts: 5 }, outlierDetection: { consecutive5xx: 9 } }),
      orders([{ address: server.address, metadata: { version: 'v1' } }], {
        ...kept,
        loadBalancing: { policy: 'random' },
        subsets: { v1: { version: 'v1' } },
      }),
    ]) {
      const { version } = mesh.status();
      await write(config);
      await eventually('the new file is in force', () => mesh.status().version !== version);
      await get(mesh);
    }
    assert.equal(sockets.length, 1);
    const [endpoint] = mesh.status().clusters.flatMap(({ endpoints }) => endpoints);
    assert.equal(endpoint!.requests, 5, 'what was learnt of the endpoint stays');
  });

  it('keeps the last good configuration when it has a mistake, says so, and takes the next good one', async () => {
    const server = await startServer(answer('ok'));
    const other = await startServer(answer('other'));
    const name = `reload-${process.pid}`;
    const errors: (string | undefined)[] = [];
    subscribe('meshfetch:control-plane:state', (event) => {
      const { mesh: of, error } = event as { mesh: string; error: string | undefined };
      if (of === name) errors.push(error);
    });
    const { mesh, write, writeText } = await meshOfFile(orders([server.address]), { name });
    await using _ = mesh;
    const mistakes = [
      'services: [unclosed',
      'services: { orders: { endpionts: [127.0.0.1:1] } }',
      '',
      '&a [*a, *a]',
      JSON.stringify(orders(['127.0.0.1:99999'])),
    ];
    for (const text of mistakes) {
      const before = JSON.stringify(mesh.status().controlPlanes[0]);
      await writeText(text);
      await eventually(`the mistake is seen: ${text}`, () => JSON.stringify(mesh.status().controlPlanes[0]) !== before);
      assert.equal(await get(mesh), 'ok');
    }
    assert.match(JSON.stringify(mesh.status().controlPlanes[0]), /99999/);
    await write(orders([other.address]));
    await eventually('the next good one is in force', () => mesh.status().controlPlanes[0]!.error === undefined);
    assert.equal(await get(mesh), 'other');
    assert.match(
      errors.findLast((error) => error !== undefined)!,
      /99999/,
    );
    assert.equal(errors.at(-1), undefined, 'the last event says that all is well');
  });
});

describe('a cluster that changes', () => {
  const named = (more: Partial<ClusterConfig>, port: number): ReturnType<typeof staticCluster> => ({
    kind: 'cluster',
    name: 'c',
    value: {
      name: 'c',
      discovery: { kind: 'dns', hostname: 'localhost', port, use: 'all', family: 'ipv4' },
      loadBalancing: { policy: 'random' },
      ...more,
    },
  });

  it('speaks TLS to the addresses of its name as soon as it is told to, and never plaintext again', async () => {
    const server = await startServer(answer('plaintext'));
    const plane = new TestControlPlane();
    await using mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 0 });
    await plane.deliver([allTo('orders', 'c'), named({}, server.port)]);
    assert.equal(await get(mesh), 'plaintext');
    await plane.deliver([named({ tls: { mode: 'simple', peers: [] } }, server.port)]);
    await assert.rejects(get(mesh), { code: 'MESH_TLS_FAILED' });
    assert.equal(server.requests.length, 1);
  });

  it('follows its name no longer when it has got fixed endpoints', async () => {
    const one = await startServer(answer('one'));
    const two = await startServer(answer('two'));
    const plane = new TestControlPlane();
    await using mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 0 });
    await plane.deliver([allTo('orders', 'c'), named({}, one.port)]);
    assert.equal(await get(mesh), 'one');
    await plane.deliver([staticCluster('c', [endpointAt(two.address)])]);
    for (let index = 0; index < 4; index++) assert.equal(await get(mesh), 'two');
    await plane.deliver([named({}, one.port)]);
    assert.equal(await get(mesh), 'one');
  });

  it('goes from plaintext to mutual TLS under load without losing a request', async () => {
    const authority = await testAuthority();
    const folder = await temporaryFolder();
    const identity = await writeIdentityFiles(folder, 'web', await workloadCertificate(authority, 'web'), authority);
    const plain = await startServer(answer('plain'));
    const secured = await startHttps(
      await workloadCertificate(authority, 'orders'),
      (_request, response) => response.end('secured'),
      authority,
    );
    const { mesh, write } = await meshOfFile({ identity, ...orders([plain.address]) });
    await using _ = mesh;
    let last = '';
    const load = steadyLoad(200, async () => {
      last = await get(mesh);
    });
    await eventually('load has begun', () => load.sent() > 40);
    await write({
      identity,
      ...orders([secured.address], { tls: { mode: 'mutual', peers: ['spiffe://example.org/orders'] } }),
    });
    await eventually('it is secured', () => last === 'secured');
    const sent = load.sent();
    await eventually('a while later', () => load.sent() > sent + 40);
    const result = await load.stop();
    assert.deepEqual(result.failures, []);
    assert.equal(last, 'secured');
  });

  it('never sends an https URL in plaintext, whatever the cluster says', async () => {
    const seen: Buffer[] = [];
    const peer = await startTcpServer((socket) => socket.on('data', (chunk: Buffer) => seen.push(chunk)));
    for (const tls of [undefined, { mode: 'disabled' } as const]) {
      const plane = new TestControlPlane();
      await using mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 0 });
      await plane.deliver([
        allTo('orders', 'c'),
        staticCluster('c', [endpointAt(peer.address)], { connectTimeoutMs: 100, ...(tls === undefined ? {} : { tls }) }),
      ]);
      await assert.rejects(request('https://orders/secret', { dispatcher: mesh.dispatcher }), { code: 'MESH_CONNECT_TIMEOUT' });
    }
    assert.ok(seen.length >= 2);
    // A TLS record of type handshake (22); the path of the request is nowhere.
    for (const chunk of seen) assert.equal(chunk[0], 22);
    assert.ok(!Buffer.concat(seen).includes('secret'));
  });
});

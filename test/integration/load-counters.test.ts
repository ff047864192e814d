/** What a source is told that its clusters do: requests by locality and priority, drops, metrics of ORCA reports. */
import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, it } from 'node:test';
import { request } from 'undici';
import { createMesh, type Mesh } from 'meshfetch';
import type { ClusterConfig, LocalityEndpoints } from '../../src/model/cluster.ts';
import type { ControlPlaneContext } from '../../src/model/contracts.ts';
import type { ClusterLoad, LocalityLoad } from '../../src/model/cluster-load.ts';
import { allTo, endpointAt, TestControlPlane } from '../support/cluster-plane.ts';
import { eventually } from '../support/mesh-of.ts';
import { closedPort, startServer, startTcpServer } from '../support/servers.ts';

class CountingPlane extends TestControlPlane {
  load: () => readonly ClusterLoad[] = () => [];
  override async run(context: ControlPlaneContext): Promise<void> {
    this.load = context.load!;
    await super.run(context);
  }
}

const at = (zone: string, addresses: readonly string[], priority = 0): LocalityEndpoints => ({
  locality: { region: 'r', zone },
  priority,
  endpoints: addresses.map((address) => endpointAt(address)),
});

async function meshTo(
  localities: readonly LocalityEndpoints[],
  more: Partial<ClusterConfig> = {},
  endpoints: object = {},
): Promise<{
  readonly mesh: Mesh;
  readonly plane: CountingPlane;
  readonly put: (next: readonly LocalityEndpoints[]) => Promise<void>;
}> {
  const plane = new CountingPlane();
  const mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 100 });
  const value: ClusterConfig = {
    name: 'orders',
    discovery: { kind: 'endpoints', name: 'orders-eds' },
    loadBalancing: { policy: 'round-robin' },
    ...more,
  };
  const put = (next: readonly LocalityEndpoints[]): Promise<void> =>
    plane.deliver([{ kind: 'endpoints', name: 'orders-eds', value: { name: 'orders-eds', localities: next, ...endpoints } }]);
  await plane.deliver([
    allTo('orders', 'orders', { retry: { maxAttempts: 1, on: [] } }),
    { kind: 'cluster', name: 'orders', value },
  ]);
  await put(localities);
  return { mesh, plane, put };
}

const send = async (mesh: Mesh, path = '/'): Promise<number> => {
  const response = await request(`http://orders${path}`, { dispatcher: mesh.dispatcher });
  await response.body.dump();
  return response.statusCode;
};

const numbersOf = (loads: readonly ClusterLoad[]): Record<string, readonly number[]> =>
  Object.fromEntries(
    loads.flatMap(({ localities }) =>
      localities.map(({ locality, priority, issued, succeeded, failed, inProgress }) => [
        `${locality.zone} ${priority}`,
        [issued, succeeded, failed, inProgress],
      ]),
    ),
  );
const only = (loads: readonly ClusterLoad[]): LocalityLoad => loads[0]!.localities[0]!;

const respond = (incoming: IncomingMessage, response: ServerResponse): void => {
  if (incoming.url === '/500') response.statusCode = 500;
  response.end('ok');
};

describe('the load of a cluster', () => {
  it('is counted by locality from the first time on that the source asks', async () => {
    const [one, two] = await Promise.all([startServer(respond), startServer(respond)]);
    const { mesh, plane } = await meshTo([at('a', [one.address]), at('b', [two.address])]);
    await using _closing = mesh;
    for (let count = 0; count < 4; count++) await send(mesh);
    assert.deepEqual(numbersOf(plane.load()), { 'a 0': [0, 0, 0, 0], 'b 0': [0, 0, 0, 0] });
    for (let count = 0; count < 4; count++) await send(mesh);
    assert.deepEqual(numbersOf(plane.load()), { 'a 0': [2, 2, 0, 0], 'b 0': [2, 2, 0, 0] });
    const { cluster, endpoints } = plane.load()[0]!;
    assert.deepEqual({ cluster, endpoints }, { cluster: 'orders', endpoints: 'orders-eds' });
  });

  const grpcHeaders = { 'content-type': 'application/grpc' };
  const outcomes: readonly {
    readonly name: string;
    readonly respond: (incoming: IncomingMessage, response: ServerResponse) => void;
    readonly counted: readonly [succeeded: number, failed: number];
  }[] = [
    { name: 'status-200', respond: (_, response) => response.end('ok'), counted: [1, 0] },
    { name: 'status-404', respond: (_, response) => response.writeHead(404).end(), counted: [1, 0] },
    { name: 'status-503', respond: (_, response) => response.writeHead(503).end(), counted: [0, 1] },
    {
      name: 'grpc-unavailable-in-the-trailers',
      respond: (_, response) => {
        response.writeHead(200, { ...grpcHeaders, trailer: 'grpc-status' });
        response.write('x');
        response.addTrailers({ 'grpc-status': '14' });
        response.end();
      },
      counted: [0, 1],
    },
    {
      name: 'grpc-ok-in-the-trailers',
      respond: (_, response) => {
        response.writeHead(200, { ...grpcHeaders, trailer: 'grpc-status' });
        response.write('x');
        response.addTrailers({ 'grpc-status': '0' });
        response.end();
      },
      counted: [1, 0],
    },
    {
      name: 'reset-before-the-head',
      respond: (incoming) => incoming.socket.destroy(),
      counted: [0, 1],
    },
    {
      name: 'reset-in-the-body',
      respond: (incoming, response) => {
        response.writeHead(200, { 'content-length': '10' });
        response.write('half', () => incoming.socket.destroy());
      },
      counted: [0, 1],
    },
  ];
  for (const row of outcomes) {
    it(`says how requests went: ${row.name}`, async () => {
      const server = await startServer(row.respond);
      const { mesh, plane } = await meshTo([at('a', [server.address])]);
      await using _closing = mesh;
      plane.load();
      await send(mesh).catch(() => undefined);
      const { issued, succeeded, failed, inProgress } = only(plane.load());
      assert.deepEqual([issued, succeeded, failed, inProgress], [1, ...row.counted, 0]);
    });
  }

  it('has a connection that was refused among the failures', async () => {
    const { mesh, plane } = await meshTo([at('a', [`127.0.0.1:${await closedPort()}`])]);
    await using _closing = mesh;
    plane.load();
    await assert.rejects(send(mesh));
    assert.deepEqual(numbersOf(plane.load()), { 'a 0': [1, 0, 1, 0] });
  });

  it('has what is under way, and what the caller gave up is neither a success nor a failure', async () => {
    const server = await startTcpServer(() => {});
    const { mesh, plane } = await meshTo([at('a', [server.address])]);
    await using _closing = mesh;
    const abort = new AbortController();
    const sent = request('http://orders/', { dispatcher: mesh.dispatcher, signal: abort.signal });
    sent.catch(() => undefined);
    await eventually('it is sent', () => server.connections() === 1);
    plane.load();
    assert.deepEqual(numbersOf(plane.load()), { 'a 0': [0, 0, 0, 1] }, 'begun before the counting');
    abort.abort();
    await assert.rejects(sent);
    assert.deepEqual(numbersOf(plane.load()), { 'a 0': [0, 0, 0, 0] });
  });

  it('keeps what hosts did that left, and forgets their locality once that has been read', async () => {
    const [one, two] = await Promise.all([startServer(respond), startServer(respond)]);
    const { mesh, plane, put } = await meshTo([at('a', [one.address])]);
    await using _closing = mesh;
    plane.load();
    await send(mesh);
    await put([at('b', [two.address])]);
    await send(mesh);
    assert.deepEqual(numbersOf(plane.load()), { 'a 0': [1, 1, 0, 0], 'b 0': [1, 1, 0, 0] });
    assert.deepEqual(numbersOf(plane.load()), { 'b 0': [1, 1, 0, 0] });
  });

  it('counts a host that moves to another priority there, with what it has under way', async () => {
    const waiting: ServerResponse[] = [];
    const server = await startServer((_, response) => waiting.push(response));
    const other = await startServer(respond);
    const { mesh, plane, put } = await meshTo([at('a', [server.address])]);
    await using _closing = mesh;
    plane.load();
    const sent = send(mesh);
    await eventually('it is there', () => waiting.length === 1);
    assert.deepEqual(numbersOf(plane.load()), { 'a 0': [1, 0, 0, 1] });
    await put([at('b', [other.address]), at('a', [server.address], 1)]);
    waiting[0]!.end();
    await sent;
    assert.deepEqual(numbersOf(plane.load()), { 'a 1': [0, 1, 0, 0], 'b 0': [0, 0, 0, 0] });
  });

  it('has what the control plane had dropped, by category, and what a limit refused, without one', async () => {
    const server = await startServer(respond);
    const drops = [{ category: 'lb', ratio: 1 }];
    const { mesh, plane } = await meshTo([at('a', [server.address])], {}, { drops });
    await using _closing = mesh;
    plane.load();
    await assert.rejects(send(mesh));
    assert.deepEqual(plane.load()[0]!.drops, [{ category: 'lb', count: 1 }]);
    const limited = await meshTo([at('a', [server.address])], { limits: { maxRequests: 0 } });
    limited.plane.load();
    await assert.rejects(send(limited.mesh));
    assert.deepEqual(limited.plane.load()[0]!.drops, [{ category: '', count: 1 }]);
    await limited.mesh.close();
  });

  it('has the metrics of load reports', async () => {
    let queue = 1;
    const server = await startServer((_, response) => {
      response.setHeader('endpoint-load-metrics', `TEXT cpu_utilization=0.5, named_metrics.queue=${queue++}`);
      response.end();
    });
    const { mesh, plane } = await meshTo([at('a', [server.address])]);
    await using _closing = mesh;
    plane.load();
    for (let count = 0; count < 3; count++) await send(mesh);
    assert.deepEqual(only(plane.load()).metrics, [
      { name: 'cpu_utilization', count: 3, sum: 1.5 }, // 3 × 0.5
      { name: 'named_metrics.queue', count: 3, sum: 6 }, // 1 + 2 + 3
    ]);
  });

  it('is told of a cluster that is gone until all that it did has been', async () => {
    const server = await startServer(respond);
    const { mesh, plane } = await meshTo([at('a', [server.address])]);
    await using _closing = mesh;
    plane.load();
    await send(mesh);
    await plane.deliver([], [{ kind: 'cluster', name: 'orders' }]);
    assert.deepEqual(numbersOf(plane.load()), { 'a 0': [1, 1, 0, 0] });
    plane.load();
    assert.deepEqual(plane.load(), []);
  });
});

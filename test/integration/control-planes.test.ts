/** Control planes and the way out together: waiting, precedence, fallbacks, aggregates, subsets, names. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Agent, MockAgent, getGlobalDispatcher, request, setGlobalDispatcher } from 'undici';
import { createMesh, isMeshError, type Mesh, type MeshError, type MeshOptions } from 'meshfetch';
import { allTo, endpointAt, routesOf, staticCluster, TestControlPlane } from '../support/cluster-plane.ts';
import { eventually, held, meshOf } from '../support/mesh-of.ts';
import { temporaryFolder } from '../support/secured.ts';
import { answer, closedPort, startServer } from '../support/servers.ts';
import { seededRandom } from '../../src/base/runtime.ts';
import { HostConnections } from '../../src/data-plane/transport/host-connections.ts';
import type { Resource } from '../../src/model/snapshot.ts';

const get = async (mesh: Mesh, url = 'http://orders/', headers: Record<string, string> = {}): Promise<string> => {
  try {
    return await (await request(url, { dispatcher: mesh.dispatcher, headers })).body.text();
  } catch (error) {
    assert.ok(isMeshError(error), String(error));
    return error.code;
  }
};

const meshWith = (controlPlane: MeshOptions['controlPlane'] & {}, more: Omit<MeshOptions, 'controlPlane'> = {}): Promise<Mesh> =>
  createMesh({ controlPlane, drainTimeoutMs: 0, ...more });

const aggregate = (name: string, clusters: readonly string[]): Resource => ({
  kind: 'cluster',
  name,
  value: { name, discovery: { kind: 'aggregate', clusters }, loadBalancing: { policy: 'random' } },
});

const onDemand = (name: string): Resource => ({
  kind: 'cluster',
  name,
  value: { name, discovery: { kind: 'endpoints', name }, loadBalancing: { policy: 'random' } },
});

const endpoints = (name: string, addresses: readonly string[]): Resource => ({
  kind: 'endpoints',
  name,
  value: { name, localities: [{ locality: {}, priority: 0, endpoints: addresses.map((address) => endpointAt(address)) }] },
});

describe('a first request', () => {
  it('waits for the configuration of its service, and goes on when it comes', async () => {
    const server = await startServer(answer('ok'));
    const plane = new TestControlPlane('slow', () => {});
    await using mesh = await meshWith(plane);
    const all = Promise.all([get(mesh), get(mesh), get(mesh)]);
    await eventually('it was asked', () => plane.demands.length > 0);
    assert.deepEqual(plane.demands, [{ kind: 'authority', host: 'orders', port: 80 }]);
    await plane.deliver([allTo('orders', 'orders'), staticCluster('orders', [endpointAt(server.address)])]);
    assert.deepEqual(await all, ['ok', 'ok', 'ok']);
  });

  for (const onDemand of [false, true]) {
    it(`stops waiting for a control plane that ended with an error, which is shown${onDemand ? '; one that is asked for each thing' : ''}`, async () => {
      const plane = {
        name: 'mine',
        async run() {
          await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
          throw new Error('the token is refused for ever');
        },
        ...(onDemand ? { demand() {} } : {}),
      };
      await using mesh = await meshWith(plane, { unknownHosts: 'refuse', configTimeoutMs: 60_000 });
      assert.equal(await get(mesh), 'MESH_UNKNOWN_HOST');
      const [status] = mesh.status().controlPlanes;
      assert.equal(status!.state, 'failed');
      assert.match(status!.error!, /refused for ever/);
      await assert.rejects(mesh.ready(), /refused for ever/);
    });
  }

  for (const unknownHosts of ['dns', 'refuse'] as const) {
    for (const onDemand of [false, true]) {
      it(`is neither sent by DNS nor by another dispatcher when the control plane failed before it spoke: ${unknownHosts}, ${onDemand ? 'asked for each thing' : 'delivering'}`, async () => {
        const server = await startServer(answer('in plaintext'));
        const ended = Promise.withResolvers<void>();
        const plane = {
          name: 'mine',
          run: () => ended.promise,
          ...(onDemand ? { demand() {} } : {}),
        };
        const known = { services: { orders: { endpoints: [server.address] } } };
        await using mesh = await meshWith([plane, known], { unknownHosts });
        ended.reject(new Error('the token is refused for ever'));
        const url = `http://localhost:${server.port}/`;
        const global = getGlobalDispatcher();
        const other = new Agent();
        setGlobalDispatcher(other);
        try {
          await assert.rejects(request(url, { dispatcher: mesh.dispatcher }), (error) => {
            assert.ok(isMeshError(error));
            assert.equal(error.code, 'MESH_UNKNOWN_HOST');
            assert.match(
              error.message,
              /whether mine knows localhost:\d+ cannot be said, since it has failed \(mine: the token is/,
            );
            return true;
          });
          assert.match(
            mesh.explain(url).verdict,
            /since it has failed \(mine: the token is refused for ever\).*MESH_UNKNOWN_HOST$/,
          );
        } finally {
          setGlobalDispatcher(global);
          await other.close();
        }
        assert.equal(await get(mesh), 'in plaintext', 'another source has it by name');
      });
    }
  }

  it('waits no longer than configTimeoutMs, and says which control plane it waited for', async () => {
    await using mesh = await meshWith(new TestControlPlane('slow', () => {}), { configTimeoutMs: 30 });
    const startMs = performance.now();
    await assert.rejects(request('http://orders/', { dispatcher: mesh.dispatcher }), (error) => {
      assert.ok(isMeshError(error));
      assert.equal(error.code, 'MESH_CONFIG_TIMEOUT');
      assert.match(error.message, /http:\/\/orders within 30 ms.*slow is/);
      return true;
    });
    assert.ok(performance.now() - startMs < 2000); // the default would be 5 s
  });

  it('waits for the endpoints of its cluster, no longer than configTimeoutMs, and leaves nothing behind', async () => {
    const server = await startServer(answer('ok'));
    const plane = new TestControlPlane('slow', (want) => {
      if (want.kind === 'authority') void plane.deliver([allTo('orders', 'orders'), onDemand('orders')]);
    });
    await using mesh = await meshWith(plane, { configTimeoutMs: 60 });
    assert.deepEqual(await Promise.all([get(mesh), get(mesh)]), ['MESH_CONFIG_TIMEOUT', 'MESH_CONFIG_TIMEOUT']);
    assert.deepEqual(plane.demands.at(-1), { kind: 'cluster', name: 'orders' });
    const waiting = get(mesh);
    await plane.deliver([endpoints('orders', [server.address])]);
    assert.equal(await waiting, 'ok');
    assert.deepEqual(held(mesh), { requests: 0, inFlight: 0 });
  });

  it('goes on to the next source when one says that it has no such service', async () => {
    const server = await startServer(answer('second'));
    const first = new TestControlPlane('first', (want, plane) => void plane.absent(want));
    const second = new TestControlPlane('second');
    await using mesh = await meshWith([first, second]);
    const waiting = get(mesh);
    await second.deliver([allTo('orders', 'orders'), staticCluster('orders', [endpointAt(server.address)])]);
    assert.equal(await waiting, 'second');
  });

  it('fails with a reason when its cluster is not there, and succeeds once it is', async () => {
    const server = await startServer(answer('ok'));
    const plane = new TestControlPlane();
    await using mesh = await meshWith(plane);
    await plane.deliver([allTo('orders', 'later')]);
    assert.equal(await get(mesh), 'MESH_NO_CLUSTER');
    await plane.deliver([staticCluster('later', [endpointAt(server.address)])]);
    assert.equal(await get(mesh), 'ok');
    await plane.deliver([], [{ kind: 'cluster', name: 'later' }]);
    assert.equal(await get(mesh), 'MESH_NO_CLUSTER');
  });
});

describe('several sources', () => {
  it('are asked in order: what the first knows, the second is not asked for', async () => {
    const one = await startServer(answer('one'));
    const two = await startServer(answer('two'));
    const service = (address: string) => ({ endpoints: [address] });
    const file = join(await temporaryFolder(), 'mesh.json');
    await writeFile(file, JSON.stringify({ services: { orders: service(one.address) } }));
    await using mesh = await meshWith([file, { services: { orders: service(two.address), billing: service(two.address) } }]);
    assert.equal(await get(mesh), 'one');
    assert.equal(await get(mesh, 'http://billing/'), 'two');
  });

  it('may use each other’s clusters, their own first', async () => {
    const own = await startServer(answer('own'));
    const other = await startServer(answer('other'));
    const first = new TestControlPlane('first');
    const second = new TestControlPlane('second');
    await using mesh = await meshWith([first, second]);
    await first.deliver([
      allTo('orders', 'shared'),
      allTo('billing', 'theirs'),
      staticCluster('shared', [endpointAt(own.address)]),
    ]);
    await second.deliver([
      staticCluster('shared', [endpointAt(other.address)]),
      staticCluster('theirs', [endpointAt(other.address)]),
    ]);
    assert.equal(await get(mesh), 'own');
    assert.equal(await get(mesh, 'http://billing/'), 'other');
  });
});

describe('a host that no source knows', () => {
  it('is refused where that was said, and nothing is resolved', async () => {
    await using mesh = await meshOf({}, { unknownHosts: 'refuse' });
    assert.equal(await get(mesh, 'http://localhost:1/'), 'MESH_UNKNOWN_HOST');
  });

  it('is reached by DNS with the safe defaults', async () => {
    const server = await startServer(answer('by name'));
    await using mesh = await meshOf({});
    assert.equal(await get(mesh, `http://localhost:${server.port}/`), 'by name');
    assert.equal(server.requests[0]!.headers.host, `localhost:${server.port}`);
  });

  it('goes through the global dispatcher that the program had set, with its errors untouched', async () => {
    const before = getGlobalDispatcher();
    const mock = new MockAgent();
    mock.disableNetConnect();
    mock
      .get('http://outside')
      .intercept({ path: '/' })
      .reply(200, 'mocked', { headers: { 'x-from': 'mock' } });
    setGlobalDispatcher(mock);
    const server = await startServer(answer('inside'));
    try {
      await using mesh = await meshOf({ orders: { endpoints: [server.address] } }, { drainTimeoutMs: 30_000 });
      setGlobalDispatcher(mesh.dispatcher);
      assert.equal(await get(mesh), 'inside');
      const response = await request('http://outside/', { dispatcher: mesh.dispatcher });
      assert.equal(await response.body.text(), 'mocked');
      assert.equal(response.headers['x-from'], 'mock');
      await assert.rejects(request('http://outside/other', { dispatcher: mesh.dispatcher }), {
        code: 'UND_MOCK_ERR_MOCK_NOT_MATCHED',
      });
      await assert.rejects(mesh.fetch('http://outside/other'), TypeError);
      const startMs = performance.now();
      await mesh.close();
      assert.ok(performance.now() - startMs < 10_000, 'nothing is counted as under way');
    } finally {
      setGlobalDispatcher(before);
      await mock.close();
    }
  });

  it('hears an abort on its way through such a dispatcher', async () => {
    const before = getGlobalDispatcher();
    const server = await startServer(() => {});
    class Counting extends Agent {}
    const own = new Counting();
    setGlobalDispatcher(own);
    try {
      await using mesh = await meshOf({});
      const reason = new Error('enough');
      const caller = new AbortController();
      const work = request(`http://${server.address}/`, { dispatcher: mesh.dispatcher, signal: caller.signal });
      await eventually('it is there', () => server.requests.length === 1);
      caller.abort(reason);
      await assert.rejects(work, reason);
    } finally {
      setGlobalDispatcher(before);
      await own.destroy();
    }
  });
});

describe('what a control plane says it does not have', () => {
  const failure = async (mesh: Mesh): Promise<MeshError> => {
    const error: unknown = await request('http://orders/', { dispatcher: mesh.dispatcher }).then(
      () => assert.fail('it was served'),
      (reason: unknown) => reason,
    );
    assert.ok(isMeshError(error), String(error));
    return error;
  };

  it('is said in the error of a host that nobody has', async () => {
    const plane = new TestControlPlane('mine', (want) => void plane.absent(want));
    await using mesh = await meshWith(plane, { unknownHosts: 'refuse' });
    const { code, message } = await failure(mesh);
    assert.equal(code, 'MESH_UNKNOWN_HOST');
    assert.match(message, /mine: there is no such thing.*unknownHosts is "refuse"/);
  });

  it('ends the wait for endpoints at once, with the reason', async () => {
    const plane = new TestControlPlane('mine', (want) => {
      if (want.kind === 'authority') void plane.deliver([allTo('orders', 'c'), onDemand('c')]);
      else void plane.absent(want);
    });
    await using mesh = await meshWith(plane, { configTimeoutMs: 60_000 });
    for (const _ of [1, 2]) {
      const { code, message } = await failure(mesh);
      assert.equal(code, 'MESH_NO_HEALTHY_ENDPOINT');
      assert.match(message, /"c" has no endpoints: there is no such thing/);
    }
    assert.deepEqual(
      plane.demands.filter(({ kind }) => kind === 'cluster'),
      [{ kind: 'cluster', name: 'c' }],
    );
  });

  it('ends the wait for the cluster of a route at once, with the reason', async () => {
    const plane = new TestControlPlane('mine', (want) => {
      if (want.kind === 'authority') void plane.deliver([allTo('orders', 'c')]);
      else void plane.absent(want);
    });
    await using mesh = await meshWith(plane, { configTimeoutMs: 60_000 });
    const { code, message } = await failure(mesh);
    assert.equal(code, 'MESH_NO_CLUSTER');
    assert.match(message, /sends to "c".*mine: there is no such thing/);
  });

  it('is not said of a cluster that comes when its route asks for it', async () => {
    const server = await startServer(answer('ok'));
    const plane = new TestControlPlane('mine', (want) => {
      if (want.kind === 'authority') void plane.deliver([allTo('orders', 'c')]);
      else void plane.deliver([staticCluster('c', [endpointAt(server.address)])]);
    });
    await using mesh = await meshWith(plane, { configTimeoutMs: 60_000 });
    assert.equal(await get(mesh), 'ok');
  });
});

describe('an update that only removes', () => {
  it('is told like every other', async () => {
    const plane = new TestControlPlane('mine');
    await using mesh = await meshWith(plane);
    const versions: unknown[] = [];
    const listener = (event: unknown): void => {
      const { source, version } = event as { readonly source: string; readonly version: string };
      if (source === 'mine') versions.push(version);
    };
    subscribe('meshfetch:config:applied', listener);
    try {
      await plane.deliver([staticCluster('c', [])]);
      await plane.deliver([], [{ kind: 'cluster', name: 'c' }]);
    } finally {
      unsubscribe('meshfetch:config:applied', listener);
    }
    assert.deepEqual(versions, ['1', '2']);
    assert.equal(mesh.status().controlPlanes[0]!.resources.cluster, 0);
  });
});

describe('a dot at the end of a host', () => {
  it('means nothing to a source that names services, and reaches DNS, where it makes the name absolute', async () => {
    const server = await startServer(answer('ok'));
    const plane = new TestControlPlane('mine', (want) => void plane.absent(want));
    await using mesh = await meshWith(plane);
    assert.equal(await get(mesh, `http://localhost.:${server.port}/`), 'ok');
    assert.deepEqual(plane.demands, [{ kind: 'authority', host: 'localhost', port: server.port }]);
    assert.deepEqual(
      mesh.status().clusters.map(({ name }) => name),
      [`dns:localhost.:${server.port}`],
    );
    await plane.deliver([allTo('orders', 'orders'), staticCluster('orders', [endpointAt(server.address)])]);
    assert.equal(await get(mesh, 'http://orders./'), 'ok');
  });
});

describe('a cluster that is others in order', () => {
  it('sends to the first with a usable host, moves on when it has none, and comes back', async () => {
    const one = await startServer(answer('one'));
    const two = await startServer(answer('two'));
    const plane = new TestControlPlane();
    await using mesh = await meshWith(plane);
    await plane.deliver([
      allTo('orders', 'both'),
      aggregate('both', ['primary', 'secondary']),
      staticCluster('primary', [endpointAt(one.address)]),
      staticCluster('secondary', [endpointAt(two.address)]),
    ]);
    assert.equal(await get(mesh), 'one');
    await plane.deliver([staticCluster('primary', [])]);
    assert.equal(await get(mesh), 'two');
    await plane.deliver([staticCluster('primary', [endpointAt(one.address, { health: 'unhealthy' })])]);
    assert.equal(await get(mesh), 'two');
    await plane.deliver([staticCluster('primary', [endpointAt(one.address)])]);
    assert.equal(await get(mesh), 'one');
  });

  it('moves on when the hosts of the first are ejected', async () => {
    const port = await closedPort();
    const two = await startServer(answer('two'));
    const plane = new TestControlPlane();
    await using mesh = await meshWith(plane);
    await plane.deliver([
      allTo('orders', 'both'),
      aggregate('both', ['primary', 'secondary']),
      staticCluster('primary', [endpointAt(`127.0.0.1:${port}`)], {
        outlierDetection: { consecutive5xx: 2, baseEjectionMs: 60_000, maxEjectionMs: 60_000, maxEjectionPercent: 100 },
      }),
      staticCluster('secondary', [endpointAt(two.address)]),
    ]);
    assert.equal(await get(mesh), 'MESH_CONNECT_FAILED');
    assert.equal(await get(mesh), 'MESH_CONNECT_FAILED');
    assert.equal(await get(mesh), 'two');
  });

  it('asks for the endpoints of the first, although the second is there already', async () => {
    const one = await startServer(answer('one'));
    const two = await startServer(answer('two'));
    const plane = new TestControlPlane('asked', (want) => {
      if (want.kind === 'cluster' && want.name === 'primary') void plane.deliver([endpoints('primary', [one.address])]);
      if (want.kind === 'authority')
        void plane.deliver([
          allTo('orders', 'both'),
          aggregate('both', ['primary', 'secondary']),
          onDemand('primary'),
          staticCluster('secondary', [endpointAt(two.address)]),
        ]);
    });
    await using mesh = await meshWith(plane);
    await get(mesh);
    assert.equal(await get(mesh), 'one');
  });

  it('moves on when the endpoints of the first do not come in time, and does not wait for them again at once', async () => {
    const two = await startServer(answer('two'));
    const plane = new TestControlPlane('silent', (want) => {
      if (want.kind === 'authority')
        void plane.deliver([
          allTo('orders', 'both'),
          aggregate('both', ['primary', 'secondary']),
          onDemand('primary'),
          staticCluster('secondary', [endpointAt(two.address)]),
        ]);
    });
    await using mesh = await meshWith(plane, { configTimeoutMs: 500 });
    assert.equal(await get(mesh), 'two');
    const startMs = performance.now();
    assert.equal(await get(mesh), 'two');
    assert.ok(performance.now() - startMs < 400, 'the second request does not wait');
  });

  it('leaves out what leads back to itself, however long the way, and says so when nothing is left', async () => {
    const server = await startServer(answer('d'));
    const plane = new TestControlPlane();
    await using mesh = await meshWith(plane);
    await plane.deliver([allTo('orders', 'a'), aggregate('a', ['b']), aggregate('b', ['c']), aggregate('c', ['a'])]);
    await assert.rejects(request('http://orders/', { dispatcher: mesh.dispatcher }), (error) => {
      assert.ok(isMeshError(error), String(error));
      assert.equal(error.code, 'MESH_NO_CLUSTER');
      assert.match(error.message, /"a", an aggregate without a member: none was delivered, or all lead back to it/);
      return true;
    });
    assert.match(mesh.explain('http://orders/').verdict, /MESH_NO_CLUSTER/);
    await plane.deliver([aggregate('c', ['a', 'd']), staticCluster('d', [endpointAt(server.address)])]);
    assert.equal(await get(mesh), 'd');
  });

  it('finds a member at the end of many ways at once', async () => {
    const server = await startServer(answer('last'));
    const plane = new TestControlPlane();
    await using mesh = await meshWith(plane);
    // 2³⁰ ways lead from the first to the last.
    const ladder = Array.from({ length: 30 }, (_, step) => [
      aggregate(`left-${step}`, [`left-${step + 1}`, `right-${step + 1}`]),
      aggregate(`right-${step}`, [`left-${step + 1}`, `right-${step + 1}`]),
    ]).flat();
    await plane.deliver([
      allTo('orders', 'left-0'),
      ...ladder,
      staticCluster('left-30', [endpointAt(server.address)]),
      staticCluster('right-30', [endpointAt(server.address)]),
    ]);
    assert.equal(await get(mesh), 'last');
  });

  it('resolves the name of the first, although the second is there already', async () => {
    const one = await startServer(answer('one'));
    const two = await startServer(answer('two'));
    const plane = new TestControlPlane();
    await using mesh = await meshWith(plane);
    await plane.deliver([
      allTo('orders', 'both'),
      aggregate('both', ['primary', 'secondary']),
      {
        kind: 'cluster',
        name: 'primary',
        value: {
          name: 'primary',
          discovery: { kind: 'dns', hostname: 'localhost', port: one.port, use: 'all', family: 'ipv4' },
          loadBalancing: { policy: 'random' },
        },
      },
      staticCluster('secondary', [endpointAt(two.address)]),
    ]);
    await get(mesh);
    assert.equal(await get(mesh), 'one');
  });
});

describe('routes of a control plane', () => {
  it('send to the subset whose metadata fits', async () => {
    const v1 = await startServer(answer('v1'));
    const v2 = await startServer(answer('v2'));
    await using mesh = await meshOf({
      orders: {
        endpoints: [
          { address: v1.address, metadata: { version: 'v1' } },
          { address: v2.address, metadata: { version: 'v2' } },
        ],
        subsets: { v1: { version: 'v1' }, v2: { version: 'v2' } },
        routes: [{ match: { headers: { 'x-canary': 'true' } }, to: [{ subset: 'v2' }] }, { to: [{ subset: 'v1' }] }],
      },
    });
    for (let index = 0; index < 5; index++) {
      assert.equal(await get(mesh), 'v1');
      assert.equal(await get(mesh, 'http://orders/', { 'X-Canary': 'true' }), 'v2');
    }
  });

  it('draw among destinations by weight, once per request', async () => {
    const one = await startServer(answer('one'));
    const two = await startServer(answer('two'));
    const plane = new TestControlPlane();
    await using mesh = await meshWith(plane, { random: seededRandom(7) });
    await plane.deliver([
      routesOf('orders', [
        {
          match: {},
          action: {
            kind: 'forward',
            to: [
              { cluster: 'one', weight: 90 },
              { cluster: 'two', weight: 10 },
            ],
          },
        },
      ]),
      staticCluster('one', [endpointAt(one.address)]),
      staticCluster('two', [endpointAt(two.address)]),
    ]);
    for (let index = 0; index < 400; index++) await get(mesh);
    assert.equal(one.requests.length + two.requests.length, 400);
    // 10 % of 400 is 40; four standard deviations are 24.
    assert.ok(two.requests.length > 16 && two.requests.length < 64, `${two.requests.length} of 400`);
  });

  const unserved: readonly { readonly name: string; readonly resource: (cluster: string) => Resource }[] = [
    {
      name: 'an-unsupported-action',
      resource: () => routesOf('orders', [{ match: {}, action: { kind: 'unsupported', reason: 'a filter of its own' } }]),
    },
    {
      name: 'an-authorizer',
      resource: (cluster) =>
        allTo('orders', cluster, {
          externalAuthorization: { name: 'opa', protocol: 'grpc', cluster, timeoutMs: 100 },
        }),
    },
    {
      name: 'a-condition-that-is-not-supported',
      resource: (cluster) =>
        routesOf('orders', [
          { match: { unsupported: ['source_ip'] }, action: { kind: 'forward', to: [{ cluster, weight: 1 }] } },
        ]),
    },
  ];
  for (const { name, resource } of unserved) {
    it(`fail rather than leave out what was asked for, and report it: ${name}`, async () => {
      const server = await startServer(answer('reached'));
      const plane = new TestControlPlane();
      await using mesh = await meshWith(plane);
      await plane.deliver([resource('c'), staticCluster('c', [endpointAt(server.address)])]);
      assert.equal(await get(mesh), 'MESH_NO_ROUTE');
      assert.equal(server.requests.length, 0);
      assert.notDeepEqual(mesh.status().unhonoured, []);
    });
  }

  it('never go around the tunnel of an endpoint, not even in panic', async () => {
    const server = await startServer(answer('reached'));
    const plane = new TestControlPlane();
    await using mesh = await meshWith(plane);
    await plane.deliver([
      allTo('orders', 'c'),
      staticCluster('c', [endpointAt(server.address, { tunnel: { kind: 'hbone', port: 15_008 } })]),
    ]);
    assert.equal(await get(mesh), 'MESH_NO_HEALTHY_ENDPOINT');
    assert.match(JSON.stringify(mesh.status().unhonoured), /tunnel/);
  });

  it('give back the place of a request that cannot be sent', async (context) => {
    const server = await startServer(answer('ok'));
    const plane = new TestControlPlane();
    await using mesh = await meshWith(plane);
    const limits = { maxRequests: 1 };
    await plane.deliver([
      allTo('orders', 'c'),
      allTo('other', 'c'),
      staticCluster('c', [endpointAt(server.address)], { limits }),
    ]);
    assert.equal(await get(mesh), 'ok');
    const take = context.mock.method(HostConnections.prototype, 'take', () => {
      throw new RangeError('no such connection can be made');
    });
    for (let round = 0; round < 3; round++) assert.equal(await get(mesh, 'http://other/'), 'MESH_CONNECT_FAILED');
    take.mock.restore();
    assert.deepEqual(held(mesh), { requests: 0, inFlight: 0 });
    assert.equal(await get(mesh), 'ok');
  });

  it('obey the retry budget of the cluster instead of their own', async () => {
    const server = await startServer((_request, response) => response.writeHead(503).end('503'));
    const plane = new TestControlPlane();
    await using mesh = await meshWith(plane);
    await plane.deliver([
      allTo('orders', 'c', {
        retry: {
          maxAttempts: 2,
          on: ['5xx'],
          backoff: { baseMs: 1, maxMs: 1 },
          budget: { kind: 'token-bucket', ratio: 1, minTokens: 100 },
        },
      }),
      staticCluster('c', [endpointAt(server.address)], { retryBudget: { kind: 'concurrent', ratio: 0, minConcurrent: 0 } }),
    ]);
    assert.equal(await get(mesh), '503');
    assert.equal(server.requests.length, 1);
  });
});

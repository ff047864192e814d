/**
 * Other clients of xDS at the same go-control-plane server: gRPC for Node (grpc-js-xds) and gRPC for Python (grpcio), whose configuration
 * a mesh understands as they do. Where grpc-js-xds has a defect, what it does stands beside what is right: the version is pinned.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { apiListener, assignment } from '../../support/envoy-samples.ts';
import { startGrpcServer, type GrpcServer } from '../../support/grpc-server.ts';
import { startControlPlane, type LiveControlPlane, type SnapshotJson } from './control-plane.ts';
import { startGrpcio, startGrpcJs, startMesh, type Fellow } from './fellows.ts';
import { everything, servicesAt, type ServiceSpec } from './services.ts';

const python = process.env['MESHFETCH_LIVE_GRPCIO'];
const unavailable = 14;
const slowMs = 500;
/** A call that waits for what never comes. */
const shortMs = 1200;

interface Backend extends GrpcServer {
  /** Calls of `Flaky`, of which every other one fails, beginning with the first. */
  flaky: number;
}

/** Answers with its name: at once, late, or every other time. */
async function startEcho(name: string): Promise<Backend> {
  const counted = { flaky: 0 };
  const answer = Buffer.from(name);
  const server = await startGrpcServer({
    unary: {
      '/echo.Echo/Say': () => answer,
      '/echo.Echo/Say?canary': () => answer,
      '/echo.Echo/Slow': () => new Promise((resolve) => setTimeout(() => resolve(answer), slowMs)),
      '/echo.Echo/Flaky': () => (counted.flaky++ % 2 === 0 ? { code: unavailable, details: 'flaky' } : answer),
    },
  });
  return Object.assign(counted, server);
}

function tally(answers: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const answer of answers) counts[answer] = (counts[answer] ?? 0) + 1;
  return counts;
}

/** A server, its clients and two endpoints. */
class Setting {
  readonly plane: LiveControlPlane;
  readonly grpcJs: Fellow;
  readonly mesh: Fellow;
  readonly grpcio: Fellow | undefined;
  readonly a: Backend;
  readonly b: Backend;

  private constructor(plane: LiveControlPlane, mesh: Fellow, [a, b]: readonly [Backend, Backend]) {
    this.plane = plane;
    this.mesh = mesh;
    this.grpcJs = startGrpcJs(plane.address);
    this.grpcio = python === undefined ? undefined : startGrpcio(plane.address, python);
    this.a = a;
    this.b = b;
  }

  static async start(): Promise<Setting> {
    const plane = await startControlPlane();
    return new Setting(plane, await startMesh(plane.address), [await startEcho('a'), await startEcho('b')]);
  }

  get all(): readonly Fellow[] {
    return [this.mesh, this.grpcJs, ...(this.grpcio === undefined ? [] : [this.grpcio])];
  }

  async stop(): Promise<void> {
    for (const fellow of this.all) await fellow[Symbol.asyncDispose]();
    await this.plane.kill();
    for (const backend of [this.a, this.b]) backend.close();
  }
}

const isWithout = python === undefined;

describe(`clients of one xDS server: meshfetch, grpc-js-xds${isWithout ? '' : ', grpcio'}`, () => {
  let setting: Setting;
  /** Everything but where `moved` is. */
  const snapshot = (version: string, moved: readonly number[], clusters = true): SnapshotJson => {
    const [a, b] = [setting.a.port, setting.b.port];
    const query = { match: { prefix: '/', query_parameters: [{ name: 'canary', present_match: true }] } };
    const split = {
      clusters: [
        { name: 'split', weight: 25 },
        { name: 'canary', weight: 75 },
      ],
    };
    const services: Record<string, ServiceSpec> = {
      both: { ports: [a, b] },
      moved: { ports: moved },
      split: { ports: [a], routes: [{ match: { prefix: '/' }, route: { weighted_clusters: split } }] },
      query: { ports: [a], routes: [{ ...query, route: { cluster: 'canary' } }, everything('query')] },
      ...Object.fromEntries(
        ['cancelled,unavailable', 'cancelled, unavailable'].map((on) => {
          const name = on.includes(' ') ? 'spaced' : 'retried';
          const retry = { retry_on: on, num_retries: 2, retry_back_off: { base_interval: '0.01s' } };
          return [name, { ports: [a], routes: [{ match: { prefix: '/' }, route: { cluster: name, retry_policy: retry } }] }];
        }),
      ),
      idle: { ports: [a], routes: [{ match: { prefix: '/' }, route: { cluster: 'idle', timeout: '0s' } }] },
      beside: {
        ports: [a],
        routes: [{ match: { path: '/echo.Echo/Other' }, route: { cluster: 'silent' } }, everything('beside')],
      },
    };
    const whole = servicesAt(version, services, { canary: { ports: [b] }, silent: { ports: [] } });
    return {
      ...whole,
      listeners: whole.listeners!.map((listener) => (listener['name'] === 'idle' ? idleListener : listener)),
      clusters: clusters ? whole.clusters! : [],
      endpoints: whole.endpoints!.filter(({ cluster_name: name }) => name !== 'silent'),
    };
  };

  before(async () => {
    setting = await Setting.start();
    await setting.plane.setSnapshot(snapshot('1', [setting.a.port]));
  });
  after(() => setting?.stop());

  it('find the same endpoints, and use each as much', async () => {
    for (const fellow of setting.all) {
      const counts = tally(await fellow.ask({ target: 'both', calls: 40 }));
      assert.deepEqual(Object.keys(counts).toSorted(), ['a', 'b'], fellow.name);
      // Round robin; of the first calls some find one connection only.
      assert.ok(counts['a']! >= 15 && counts['a']! <= 25, `${fellow.name}: ${JSON.stringify(counts)}`);
    }
  });

  it('take the weights of clusters as they are', async () => {
    const calls = 300;
    // Four standard deviations of that many draws.
    const within = 4 * Math.sqrt(0.25 * 0.75 * calls);
    for (const fellow of setting.all) {
      const { a = 0, b = 0 } = tally(await fellow.ask({ target: 'split', calls }));
      assert.equal(a + b, calls, fellow.name);
      assert.ok(Math.abs(a - calls / 4) <= within, `${fellow.name}: ${a} of ${calls}`);
    }
  });

  it('follow endpoints that moved', async () => {
    for (const fellow of setting.all) assert.deepEqual(await fellow.ask({ target: 'moved' }), ['a'], fellow.name);
    await setting.plane.setSnapshot(snapshot('2', [setting.b.port]));
    for (const fellow of setting.all) {
      const endMs = performance.now() + 5000;
      while ((await fellow.ask({ target: 'moved' }))[0] !== 'b') assert.ok(performance.now() < endMs, fellow.name);
    }
  });

  it('do not take a route for other query parameters; grpc-js-xds did, with everything', async () => {
    assert.deepEqual(await setting.mesh.ask({ target: 'query', calls: 3 }), ['a', 'a', 'a']);
    assert.deepEqual(await setting.mesh.ask({ target: 'query', path: '/echo.Echo/Say?canary' }), ['b']);
    assert.deepEqual(await setting.grpcJs.ask({ target: 'query', calls: 3 }), ['b', 'b', 'b']);
    if (setting.grpcio) assert.deepEqual(await setting.grpcio.ask({ target: 'query', calls: 3 }), ['a', 'a', 'a']);
  });

  it('retry for all conditions of a list; where it has spaces, clients of gRPC for the first one alone', async () => {
    const ask = async (fellow: Fellow, target: string): Promise<string> => {
      setting.a.flaky = 0;
      const [answer] = await fellow.ask({ target, path: '/echo.Echo/Flaky' });
      return `${answer} after ${setting.a.flaky}`;
    };
    for (const fellow of setting.all) assert.equal(await ask(fellow, 'retried'), 'a after 2', fellow.name);
    assert.equal(await ask(setting.mesh, 'spaced'), 'a after 2');
    for (const fellow of setting.all.slice(1)) assert.match(await ask(fellow, 'spaced'), /^UNAVAILABLE: flaky.* after 1$/);
  });

  it('do not end calls when a connection could be idle for so long; grpc-js-xds did', async () => {
    const slow = { target: 'idle', path: '/echo.Echo/Slow' };
    assert.deepEqual(await setting.mesh.ask(slow), ['a']);
    assert.match((await setting.grpcJs.ask(slow))[0]!, /^DEADLINE_EXCEEDED: /);
    if (setting.grpcio) assert.deepEqual(await setting.grpcio.ask(slow), ['a']);
  });

  it('serve what they know beside a cluster whose endpoints never come; grpc-js-xds serves nothing', async () => {
    assert.deepEqual(await setting.mesh.ask({ target: 'beside', timeoutMs: shortMs }), ['a']);
    assert.match((await setting.grpcJs.ask({ target: 'beside', timeoutMs: shortMs }))[0]!, /waiting for name resolution/);
  });

  it('go on when the server has no clusters any more; grpc-js-xds does not', async () => {
    for (const fellow of [setting.mesh, setting.grpcJs]) assert.match((await fellow.ask({ target: 'both' }))[0]!, /^[ab]$/);
    await setting.plane.setSnapshot(snapshot('3', [setting.b.port], false));
    const { nonce } = await setting.plane.waitFor(
      ({ kind, node, typeUrl, removed = [] }) =>
        kind === 'response' && node === 'meshfetch' && typeUrl!.endsWith('.Cluster') && removed.includes('both'),
    );
    await setting.plane.waitFor(
      ({ kind, node, nonce: answered }) => kind === 'ack' && node === 'meshfetch' && answered === nonce,
    );
    const endMs = performance.now() + 5000;
    let last = '';
    while (!last.startsWith('UNAVAILABLE')) {
      assert.ok(performance.now() < endMs, `grpc-js-xds: ${last}`);
      [last = ''] = await setting.grpcJs.ask({ target: 'both', timeoutMs: shortMs });
    }
    for (let call = 0; call < 10; call++) assert.match((await setting.mesh.ask({ target: 'both' }))[0]!, /^[ab]$/);
  });
});

const idleListener = (() => {
  const { api_listener: api, ...listener } = apiListener('idle', 'idle');
  return {
    ...listener,
    api_listener: { api_listener: { ...api.api_listener, common_http_protocol_options: { idle_timeout: '0.2s' } } },
  };
})();

// Most of it is waiting for deadlines.
describe('what a client of gRPC refuses whole', { concurrency: 3 }, () => {
  const cases: readonly {
    readonly name: string;
    readonly service: (port: number) => ServiceSpec;
    readonly grpcJs: RegExp;
    /** Undefined = an answer. */
    readonly grpcio?: RegExp;
  }[] = [
    {
      name: 'redirect-route',
      service: (port) => ({
        ports: [port],
        routes: [{ match: { path: '/old' }, redirect: { path_redirect: '/new' } }, everything('service')],
      }),
      grpcJs: /^DEADLINE_EXCEEDED: .*waiting for name resolution/,
    },
    {
      name: 'path-separated-prefix-route',
      service: (port) => ({
        ports: [port],
        routes: [{ match: { path_separated_prefix: '/old' }, route: { cluster: 'other' } }, everything('service')],
      }),
      grpcJs: /^DEADLINE_EXCEEDED: .*waiting for name resolution/,
      grpcio: /invalid path specifier/,
    },
    ...['LEAST_REQUEST', 'RANDOM'].map((policy) => ({
      name: `${policy.toLowerCase().replace('_', '-')}-cluster`,
      service: (port: number) => ({ ports: [port], cluster: { lb_policy: policy } }),
      grpcJs: /^UNAVAILABLE: .*unsupported lb_policy/,
      grpcio: /LB policy is not supported/,
    })),
    {
      name: 'static-cluster',
      service: (port) => ({ ports: [], cluster: { type: 'STATIC', load_assignment: assignment('service', port) } }),
      grpcJs: /^UNAVAILABLE: .*Unsupported type STATIC/,
      grpcio: /unknown discovery type/,
    },
    {
      name: 'endpoint-with-a-host-name',
      service: () => ({ ports: [] }),
      grpcJs: /^(?:DEADLINE_EXCEEDED|UNAVAILABLE): /,
      grpcio: /^UNAVAILABLE/,
    },
  ];
  for (const { name, service, grpcJs, grpcio } of cases)
    it(`serves in a mesh: ${name}`, async () => {
      const setting = await Setting.start();
      try {
        const whole = servicesAt('1', { service: service(setting.a.port) });
        const isNamed = name === 'endpoint-with-a-host-name';
        await setting.plane.setSnapshot({
          ...whole,
          ...(isNamed && { endpoints: [assignment('service', `localhost:${setting.a.port}`)] }),
        });
        const order = { target: 'service', timeoutMs: shortMs };
        assert.deepEqual(await setting.mesh.ask({ ...order, timeoutMs: 5000 }), ['a']);
        // What comes is waited for on a busy machine too.
        const timeoutMs = grpcJs.source.startsWith('^UNAVAILABLE') ? 3 * shortMs : shortMs;
        assert.match((await setting.grpcJs.ask({ ...order, timeoutMs }))[0]!, grpcJs);
        if (setting.grpcio) assert.match((await setting.grpcio.ask(order))[0]!, grpcio ?? /^a$/);
        const nackedBy = new Set((await setting.plane.events()).flatMap(({ kind, node }) => (kind === 'nack' ? node! : [])));
        assert.equal(nackedBy.has('meshfetch'), false);
        assert.equal(nackedBy.has('grpc-js-xds'), true);
      } finally {
        await setting.stop();
      }
    });
});

/**
 * The same health checks of endpoints that behave alike, by a real Envoy and by meshfetch: after each check both must think the same
 * of the endpoint, and wait as long before the next.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2';
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { createMesh, type Mesh } from 'meshfetch';
import { request } from 'undici';
import { envoyPlane } from '../../support/envoy-plane.ts';
import { startEnvoy, type EnvoyProcess } from './envoy-process.ts';

const binary = process.env['MESHFETCH_LIVE_ENVOY'];

/** So far apart that a busy machine, which makes a wait longer, does not make one look like another. */
const waits = { healthy_edge_interval: 150, unhealthy_edge_interval: 500, unhealthy_interval: 900, interval: 1400 } as const;
const timeoutMs = 500;
/** Envoy sends a check so much sooner than it is seen here. */
const earlyMs = 130;

type Step = string;

interface Case {
  readonly name: string;
  readonly kind: 'http' | 'tcp' | 'grpc';
  /** What becomes of one check after the other, once the first has passed and a request has gone through. */
  readonly steps: readonly Step[];
  /** Fields of the `HealthCheck`. */
  readonly check?: object;
}

const http = (more: object = {}): object => ({ http_health_check: { path: '/', ...more } });
const range = (start: number, end: number): readonly object[] => [{ start, end }];
const pong = { send: { text: '50494e47' }, receive: [{ text: '504f' }, { text: '4e47' }] };

const cases: readonly Case[] = [
  { name: 'answers-decide-at-once', kind: 'http', steps: ['503', '200', '200', '404', '302', '200', '503', '200', '200'] },
  // meshfetch asks once more where a kept connection breaks; Envoy counts that too.
  {
    name: 'resets-are-counted',
    kind: 'http',
    steps: ['reset', 'reset', 'reset', '200', 'reset', '200', '200', 'reset', '200'],
    check: { reuse_connection: false },
  },
  { name: 'timeouts-are-counted', kind: 'http', steps: ['hang', 'hang', '200', '200', 'hang', '200', 'hang', 'reset'] },
  {
    name: 'answers-amid-resets',
    kind: 'http',
    steps: ['reset', '503', '200', 'reset', '200', '200', 'reset', '200'],
    check: { reuse_connection: false },
  },
  {
    name: 'retriable-statuses-are-counted',
    kind: 'http',
    steps: ['429', '429', '200', '200', '429', '503', '200', '200'],
    check: http({ retriable_statuses: range(429, 430) }),
  },
  {
    name: 'expected-statuses',
    kind: 'http',
    steps: ['204', '299', '300', '200', '204', '200'],
    check: http({ expected_statuses: range(200, 300) }),
  },
  {
    name: 'expected-before-retriable',
    kind: 'http',
    steps: ['429', '429', '430', '429', '429'],
    check: http({ expected_statuses: [...range(200, 201), ...range(429, 430)], retriable_statuses: range(400, 500) }),
  },
  { name: 'degraded', kind: 'http', steps: ['degraded', '200', 'degraded', '503', 'degraded', 'degraded', '200'] },
  { name: 'new-connections', kind: 'http', steps: ['503', '200', '200', 'reset', 'reset'], check: { reuse_connection: false } },
  {
    name: 'thresholds-of-one',
    kind: 'http',
    steps: ['reset', '200', 'hang', '200'],
    check: { unhealthy_threshold: 1, healthy_threshold: 1, reuse_connection: false },
  },
  {
    name: 'thresholds-of-three',
    kind: 'http',
    steps: ['reset', 'reset', '200', 'reset', 'reset', 'reset', '200', '200', 'reset', '200', '200', '200'],
    check: { unhealthy_threshold: 3, healthy_threshold: 3, reuse_connection: false },
  },
  {
    name: 'tcp',
    kind: 'tcp',
    steps: ['close', 'close', 'pong', 'pong', 'hang', 'pong', 'wrong', 'hang'],
    check: { reuse_connection: false },
  },
  { name: 'tcp-over-one-connection', kind: 'tcp', steps: ['pong', 'hang', 'pong', 'hang', 'wrong', 'pong', 'pong'] },
  { name: 'grpc', kind: 'grpc', steps: ['not-serving', 'serving', 'serving', 'unimplemented', 'serving', 'serving'] },
  {
    name: 'grpc-resets',
    kind: 'grpc',
    steps: ['reset', 'reset', 'serving', 'serving', 'hang', 'serving'],
    check: { reuse_connection: false },
  },
];

const passing = { http: '200', tcp: 'pong', grpc: 'serving' } as const;

type State = 'well' | 'out' | 'degraded';

/** An endpoint that plays the steps of a case, and keeps what is thought of it after each. */
class Endpoint {
  /** `<step> → <state>, then <wait>`. */
  lines: string[] = [];
  private readonly of: Case;
  private readonly stateOf: () => Promise<State>;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private finish = (): void => {};
  private isArmed = false;
  private played = 0;
  private endMs = 0;

  constructor(of: Case, stateOf: () => Promise<State>) {
    this.of = of;
    this.stateOf = stateOf;
    this.server = { http: () => this.httpServer(), tcp: () => this.tcpServer(), grpc: () => this.grpcServer() }[of.kind]();
    this.server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => this.sockets.delete(socket));
    });
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async start(): Promise<void> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
  }

  /** Plays the steps from the next check on. Resolves with what was thought of them. */
  async play(): Promise<readonly string[]> {
    while ((await this.stateOf()) !== 'well') await new Promise((resolve) => setTimeout(resolve, 20));
    const { promise, resolve } = Promise.withResolvers<void>();
    this.finish = resolve;
    this.lines = [];
    this.played = 0;
    this.isArmed = true;
    await promise;
    this.isArmed = false;
    return this.lines;
  }

  close(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }

  /** A check has come: what is to become of it. */
  private async next(): Promise<Step> {
    const { steps, kind } = this.of;
    if (!this.isArmed || this.played > steps.length) return passing[kind];
    const arrivedMs = performance.now();
    const waitedMs = arrivedMs - this.endMs;
    if (this.played > 0) {
      const known = Object.entries(waits).findLast(([, ms]) => waitedMs >= ms - earlyMs);
      this.lines.push(`${steps[this.played - 1]!} → ${await this.stateOf()}, then ${known?.[0] ?? `${Math.round(waitedMs)} ms`}`);
    }
    const step = steps[this.played++];
    if (step === undefined) this.finish();
    this.endMs = step === 'hang' || step === 'wrong' ? arrivedMs + timeoutMs : performance.now();
    return step ?? passing[kind];
  }

  private httpServer(): Server {
    return createHttpServer({ keepAliveTimeout: 0 }, (asked, response) => {
      if (!/envoy\/hc|meshfetch-health/i.test(asked.headers['user-agent'] ?? '')) {
        response.end();
        return;
      }
      void this.next().then((step) => {
        if (step === 'reset') asked.socket.resetAndDestroy();
        else if (step === 'degraded') response.writeHead(200, { 'x-envoy-degraded': 'true' }).end();
        else if (step !== 'hang') response.writeHead(Number(step)).end();
      });
    });
  }

  private tcpServer(): Server {
    return createTcpServer((socket) => {
      socket.on('data', (data) => {
        // A request, so that the cluster has had traffic.
        if (data.toString() !== 'PING') socket.end('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
        else
          void this.next().then((step) => {
            if (step === 'close') socket.destroy();
            else if (step === 'pong') socket.write('..PO..NG..');
            else if (step === 'wrong') socket.write('NGPO');
          });
      });
    });
  }

  private grpcServer(): Server {
    const server = createHttp2Server();
    server.on('sessionError', () => {});
    server.on('stream', (stream, headers) => {
      stream.on('error', () => {});
      if (headers[':path'] !== '/grpc.health.v1.Health/Check') {
        stream.respond({ ':status': 200 }, { endStream: true });
        return;
      }
      void this.next().then((step) => answerGrpc(stream, step));
    });
    return server;
  }
}

function answerGrpc(stream: ServerHttp2Stream, step: Step): void {
  if (step === 'hang') return;
  if (step === 'reset') {
    stream.close(2);
    return;
  }
  const type = { ':status': 200, 'content-type': 'application/grpc' };
  if (step === 'unimplemented') {
    stream.respond({ ...type, 'grpc-status': '12' }, { endStream: true });
    return;
  }
  stream.respond(type, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(Buffer.from(`000000000208${step === 'serving' ? '01' : '02'}`, 'hex'));
}

function clusterOf({ name, kind, check }: Case, port: number): object {
  const seconds = (ms: number): string => `${ms / 1000}s`;
  const probe = { http: http(), tcp: { tcp_health_check: pong }, grpc: { grpc_health_check: {} } }[kind];
  return {
    name,
    type: 'STATIC',
    connect_timeout: '1s',
    ...(kind === 'grpc' && {
      typed_extension_protocol_options: {
        'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
          '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
          explicit_http_config: { http2_protocol_options: {} },
        },
      },
    }),
    health_checks: [
      {
        timeout: seconds(timeoutMs),
        unhealthy_threshold: 2,
        healthy_threshold: 2,
        no_traffic_interval: '0.05s',
        ...Object.fromEntries(Object.entries(waits).map(([field, ms]) => [field, seconds(ms)])),
        ...probe,
        ...check,
      },
    ],
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } } }] }],
    },
  };
}

/** A listener that routes by the host. */
function listenerOf(clusters: readonly string[]): object {
  const manager = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
  const typed = {
    '@type': `type.googleapis.com/${manager}`,
    stat_prefix: 'shared',
    route_config: {
      name: 'shared',
      virtual_hosts: clusters.map((name) => ({
        name,
        domains: [`${name}.test`],
        routes: [{ match: { prefix: '/' }, route: { cluster: name } }],
      })),
    },
    http_filters: [
      {
        name: 'router',
        typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
      },
    ],
  };
  return {
    name: 'shared',
    address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
    filter_chains: [{ filters: [{ name: 'hcm', typed_config: typed }] }],
  };
}

interface AdminClusters {
  readonly cluster_statuses: readonly {
    readonly name: string;
    readonly host_statuses?: readonly {
      readonly health_status: { readonly failed_active_health_check?: boolean; readonly failed_active_degraded_check?: boolean };
    }[];
  }[];
}

const skip = binary === undefined && 'MESHFETCH_LIVE_ENVOY is not set; `npm run live -- envoy` gets an Envoy';

describe('health checks by Envoy and by meshfetch', { skip, concurrency: cases.length }, () => {
  let envoy: EnvoyProcess;
  let mesh: Mesh;

  const byEnvoy = async (name: string): Promise<State> => {
    const { cluster_statuses: statuses } = JSON.parse(await envoy.admin('/clusters?format=json')) as AdminClusters;
    const status = statuses.find((one) => one.name === name)?.host_statuses?.[0]?.health_status;
    return status?.failed_active_health_check ? 'out' : status?.failed_active_degraded_check ? 'degraded' : 'well';
  };
  const byMesh = async (name: string): Promise<State> => {
    const endpoint = mesh.status().clusters.find((one) => one.name === name)!.endpoints[0]!;
    return endpoint.state === 'health-check' ? 'out' : endpoint.degraded === true ? 'degraded' : 'well';
  };

  const played = cases.map((of) => ({
    of,
    envoys: new Endpoint(of, () => byEnvoy(of.name)),
    meshs: new Endpoint(of, () => byMesh(of.name)),
  }));

  before(async () => {
    await Promise.all(played.flatMap(({ envoys, meshs }) => [envoys.start(), meshs.start()]));
    const listener = listenerOf(cases.map(({ name }) => name));
    envoy = await startEnvoy(binary!, {
      listeners: [listener],
      clusters: played.map(({ of, envoys }) => clusterOf(of, envoys.port)),
    });
    const plane = envoyPlane({
      static_resources: { listeners: [listener], clusters: played.map(({ of, meshs }) => clusterOf(of, meshs.port)) },
    });
    mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 0 });
  });
  after(async () => {
    await envoy?.stop();
    await mesh?.close();
    for (const { envoys, meshs } of played) for (const endpoint of [envoys, meshs]) endpoint.close();
  });

  for (const { of, envoys, meshs } of played) {
    it(of.name, { timeout: 60_000 }, async () => {
      const through = await request(`http://127.0.0.1:${envoy.ports.get('shared')!}/`, { headers: { host: `${of.name}.test` } });
      await through.body.dump();
      const direct = await request(`http://${of.name}.test/`, { dispatcher: mesh.dispatcher });
      await direct.body.dump();
      const play = (): Promise<readonly (readonly string[])[]> => Promise.all([meshs.play(), envoys.play()]);
      let [byMeshfetch, ofEnvoy] = await play();
      // A busy machine makes timers late, once; what differs differs again.
      if (!isDeepStrictEqual(byMeshfetch, ofEnvoy)) [byMeshfetch, ofEnvoy] = await play();
      assert.deepEqual(byMeshfetch, ofEnvoy);
    });
  }
});

/** Hosts that are asked for their load out of band (gRFC A51), on real servers: the mesh's own service, one of grpc-js, and scripted ones. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { describe, it, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { createMesh, type Mesh } from 'meshfetch';
import { grpcHandler, orcaService } from 'meshfetch/grpc';
import { encodeLoadReport } from '../../src/data-plane/load-balancing/load-report-message.ts';
import { intervalOf, orcaReports } from '../../src/integrations/grpc/server/orca-service.ts';
import { systemClock } from '../../src/base/runtime.ts';
import type { LoadReport } from '../../src/model/contracts.ts';
import { subscribe } from '../../src/telemetry/channels.ts';
import type { LoadReportLostEvent } from '../../src/telemetry/events.ts';
import { createVirtualClock } from '../../src/testing/virtual-clock.ts';
import { endpointAt, staticCluster } from '../support/cluster-plane.ts';
import { answerTrailersOnly, answerWith, beginAnswer, call, startH2c, type H2cServer } from '../support/grpc-exchange.ts';
import { grpcServerOf, sameBytes } from '../support/grpc-port.ts';
import { eventually } from '../support/mesh-of.ts';
import { policyMesh } from '../support/policy-mesh.ts';

const orcaPath = '/xds.service.orca.v3.OpenRcaService/StreamCoreMetrics';

function wrr(oobReportingMs?: number) {
  const options = { blackoutMs: 0, updateMs: 100, ...(oobReportingMs !== undefined && { oobReportingMs }) };
  return { protocol: 'http2', loadBalancing: { policy: 'client-side-weighted-round-robin', options } } as const;
}

function reportOf(used: number): Uint8Array {
  const report: LoadReport = {
    cpuUtilization: 0,
    memoryUtilization: 0,
    applicationUtilization: used,
    rps: 100,
    eps: 0,
    namedMetrics: {},
    utilization: {},
  };
  return encodeLoadReport(report);
}

function framedReport(used: number): Buffer {
  const message = reportOf(used);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** Answers calls with `name`; the stream of reports as the test says. */
function server(
  name: string,
  onReports: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void,
  trailers: Record<string, string> = {},
): Promise<H2cServer> {
  return startH2c((stream, headers) => {
    if (headers[':path'] === orcaPath) onReports(stream, headers);
    else answerWith(stream, [name], 0, trailers);
  });
}

function reporting(used: number) {
  return (stream: ServerHttp2Stream): void => {
    beginAnswer(stream);
    stream.write(framedReport(used));
  };
}

const reportStreams = ({ streams }: H2cServer) => streams.filter(({ headers }) => headers[':path'] === orcaPath);
const calls = ({ streams }: H2cServer): number => streams.length - reportStreams({ streams } as H2cServer).length;

/** Calls until the first of two servers gets at least 8 of 10. */
async function untilShared(mesh: Mesh, [idle, busy]: readonly [() => number, () => number]): Promise<void> {
  let share = 0;
  for (let round = 0; round < 200 && share < 8; round++) {
    const before = idle();
    const all = before + busy();
    for (let count = 0; count < 10; count++) assert.equal(await call(mesh).end.promise, '0');
    assert.equal(idle() + busy() - all, 10);
    share = idle() - before;
  }
  // Weights of 1000 and 111.
  assert.ok(share >= 8, `${share} of 10`);
}

function lostReports(t: TestContext): LoadReportLostEvent[] {
  const events: LoadReportLostEvent[] = [];
  t.after(subscribe('load-report:lost', (event) => events.push(event)));
  return events;
}

async function grpcJsServer(t: TestContext, addTo: (server: Server) => void): Promise<string> {
  const made = new Server();
  addTo(made);
  const port = await new Promise<number>((resolve, reject) =>
    made.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  t.after(() => made.forceShutdown());
  return `127.0.0.1:${port}`;
}

describe('the load that hosts report', () => {
  it('in the trailers of gRPC calls changes their shares', async (t) => {
    const trailers = (used: number) => ({ 'endpoint-load-metrics-bin': Buffer.from(reportOf(used)).toString('base64') });
    const idle = await server('idle', () => {}, trailers(0.1));
    const busy = await server('busy', () => {}, trailers(0.9));
    const { mesh } = await policyMesh(t, [busy.address, idle.address], {}, { cluster: wrr() });
    await untilShared(mesh, [() => calls(idle), () => calls(busy)]);
    assert.equal(reportStreams(idle).length + reportStreams(busy).length, 0, 'nobody is asked unless the policy says so');
  });

  it('on a stream of its own changes their shares', async (t) => {
    const idle = await server('idle', reporting(0.1));
    const busy = await server('busy', reporting(0.9));
    const { mesh } = await policyMesh(t, [busy.address, idle.address], {}, { cluster: wrr(2500) });
    await untilShared(mesh, [() => calls(idle), () => calls(busy)]);
    const [asked, ...others] = reportStreams(idle);
    assert.equal(others.length, 0, 'one stream for each host');
    assert.equal(asked!.headers['content-type'], 'application/grpc');
    assert.equal(asked!.headers['te'], 'trailers');
  });

  it('is that of a server of grpc-js', async (t) => {
    const counts = [0, 0];
    const addresses = await Promise.all(
      [0.1, 0.9].map((used, index) =>
        grpcJsServer(t, (made) => {
          const get = (_call: object, done: (error: null, answer: Buffer) => void): void => {
            counts[index]!++;
            done(null, Buffer.from('ok'));
          };
          made.register('/shop.Orders/Get', get, sameBytes, sameBytes, 'unary');
          orcaReports(() => reportOf(used), 1000, systemClock).addToServer(made);
        }),
      ),
    );
    const { mesh } = await policyMesh(t, addresses, {}, { cluster: wrr(1000) });
    await untilShared(mesh, [() => counts[0]!, () => counts[1]!]);
  });

  it('is that which a port of another mesh measures', async (t) => {
    const serving = await createMesh({ controlPlane: { services: {} }, drainTimeoutMs: 100 });
    t.after(() => serving.close());
    const grpcServer = grpcServerOf({});
    orcaService(serving).addToServer(grpcServer);
    const inbound = await serving.listen(grpcHandler(grpcServer), { port: 0, host: '127.0.0.1' });
    const lost = lostReports(t);
    const ended: string[] = [];
    t.after(subscribe('inbound:end', ({ path }) => ended.push(path)));
    const { mesh } = await policyMesh(t, [`127.0.0.1:${inbound.port}`], {}, { cluster: wrr(1000) });
    await call(mesh).end.promise; // UNIMPLEMENTED, and a connection all the same
    await eventually('the stream of reports is open', () => serving.status().inbound[0]!.requestsInFlight === 1);
    assert.deepEqual(ended, ['/shop.Orders/Get'], 'the stream of reports goes on');
    await mesh.close();
    await eventually('it ends with the mesh', () => ended.includes(orcaPath));
    assert.deepEqual(lost, []);
  });
});

describe('the stream of reports', () => {
  async function asked(t: TestContext, onReports: Parameters<typeof server>[1], oobReportingMs = 10_000) {
    const clock = createVirtualClock();
    const at = await server('ok', onReports);
    const { mesh, plane } = await policyMesh(t, [at.address], {}, { cluster: wrr(oobReportingMs), options: { clock } });
    t.after(() => void clock.advance(1000));
    await call(mesh).end.promise;
    return { clock, at, mesh, plane };
  }

  it('asks for the period of the policy', async (t) => {
    const request = Promise.withResolvers<Buffer>();
    await asked(t, (stream) => stream.once('data', (chunk: Buffer) => request.resolve(chunk)), 2500);
    assert.equal(intervalOf((await request.promise).subarray(5)), 2500);
  });

  it('is not begun again where the host does not have the service, which is told once', async (t) => {
    const lost = lostReports(t);
    const { clock, at, mesh } = await asked(t, (stream) => answerTrailersOnly(stream, 12));
    await eventually('it is told', () => lost.length === 1);
    assert.deepEqual(
      { reason: lost[0]!.reason, isFinal: lost[0]!.isFinal, endpoint: lost[0]!.endpoint },
      { reason: 'answered UNIMPLEMENTED: it does not have the service', isFinal: true, endpoint: at.address },
    );
    await clock.advance(600_000);
    await call(mesh).end.promise;
    await clock.advance(600_000);
    assert.equal(reportStreams(at).length, 1);
    assert.equal(lost.length, 1);
  });

  it('is begun again with back-off when it ends, and its loss is told once until a report comes', async (t) => {
    const lost = lostReports(t);
    let isWell = false;
    const { clock, at } = await asked(t, (stream) => {
      if (isWell) reporting(0.5)(stream);
      else answerTrailersOnly(stream, 14);
    });
    await eventually('the first call', () => lost.length === 1);
    assert.equal(lost[0]!.isFinal, false);
    await clock.advance(700); // 1 s less a fifth at the earliest
    assert.equal(reportStreams(at).length, 1);
    await clock.advance(600);
    await eventually('the second call', () => reportStreams(at).length === 2);
    isWell = true;
    await eventually('the third call', () => (void clock.advance(200), reportStreams(at).length === 3));
    assert.equal(lost.length, 1);
    const open = reportStreams(at)[2]!.stream;
    await eventually('its report has been sent', () => open.state.state !== undefined && open.writableLength === 0);
    await new Promise((resolve) => setImmediate(resolve));
    open.close(2);
    await eventually('it is told again', () => lost.length === 2);
  });

  it('ends when its host is gone', async (t) => {
    const { at, plane } = await asked(t, reporting(0.5));
    await eventually('it is open', () => reportStreams(at).length === 1);
    const { stream } = reportStreams(at)[0]!;
    const other = await server('other', reporting(0.5));
    await plane.deliver([staticCluster('orders', [endpointAt(other.address)], wrr(10_000))]);
    await eventually('it has ended', () => stream.destroyed);
  });

  it('ends when the policy does not ask any more, and begins when it asks again', async (t) => {
    const { at, plane } = await asked(t, reporting(0.5));
    await eventually('it is open', () => reportStreams(at).length === 1);
    const { stream } = reportStreams(at)[0]!;
    await plane.deliver([staticCluster('orders', [endpointAt(at.address)], wrr())]);
    await eventually('it has ended', () => stream.destroyed);
    await plane.deliver([staticCluster('orders', [endpointAt(at.address)], wrr(5000))]);
    await eventually('it is open again', () => reportStreams(at).length === 2);
  });

  it('ends when the host has had no connection for so long that a report counts for nothing', async (t) => {
    const { clock, at, mesh } = await asked(t, reporting(0.5));
    await eventually('it is open', () => reportStreams(at).length === 1);
    const { stream } = reportStreams(at)[0]!;
    // Connections of requests are closed by their server.
    for (const session of at.sessions) if (session !== stream.session) session.destroy();
    await eventually('no connection', () => mesh.status().clusters[0]!.endpoints[0]!.connections === 0);
    await clock.advance(179_000);
    stream.write(framedReport(0.5));
    await clock.advance(2000);
    assert.equal(stream.destroyed, false);
    stream.write(framedReport(0.5));
    if (!stream.destroyed) await once(stream, 'close');
    assert.equal(stream.rstCode, constants.NGHTTP2_CANCEL, 'its server is told');
    await call(mesh).end.promise;
    await eventually('it begins with the next connection', () => reportStreams(at).length === 2);
  });

  it('is given up where what it sends is no report', async (t) => {
    const lost = lostReports(t);
    const tooLong = Buffer.alloc(5);
    tooLong.writeUInt32BE(100_000_000, 1);
    await asked(t, (stream) => {
      beginAnswer(stream);
      stream.write(tooLong);
    });
    await eventually('it is told', () => lost.length === 1);
    assert.equal(lost[0]!.reason, 'sent a report of 100000000 bytes');
  });

  it('does not keep the process alive', async () => {
    const at = await server('ok', reporting(0.5));
    const services = {
      orders: {
        endpoints: [at.address],
        protocol: 'http2',
        loadBalancing: { policy: 'client-side-weighted-round-robin', oobReportingMs: 1000 },
      },
    };
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [
        '--conditions=meshfetch-source',
        '--input-type=module',
        '--eval',
        `import { createMesh } from 'meshfetch';
         const mesh = await createMesh({ controlPlane: ${JSON.stringify({ services })} });
         await (await mesh.fetch('http://orders/')).text();
         console.log('done');`,
      ],
      { cwd: import.meta.dirname, timeout: 20_000 },
    );
    assert.equal(stdout.trim(), 'done');
    assert.equal(reportStreams(at).length, 1, 'it had begun');
  });
});

/** What the way in tells, over real sockets: one trace through a service, metrics, events, access logs, how busy the process is. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { SpanKind, metrics } from '@opentelemetry/api';
import express from 'express';
import { createMesh, type RequestListener } from 'meshfetch';
import { yieldToLoop } from '../../src/base/runtime.ts';
import { prometheusHandler } from '../../src/integrations/prometheus.ts';
import { loadReportFrom } from '../../src/data-plane/load-balancing/load-report.ts';
import type { LoadBalancingConfig } from '../../src/model/cluster.ts';
import { subscribe } from '../../src/telemetry/channels.ts';
import type { EventName, EventPayloads } from '../../src/telemetry/events.ts';
import { endpointAt, staticCluster } from '../support/cluster-plane.ts';
import { guardedServer, policyOf, send, wayIn } from '../support/inbound.ts';
import { askHttp1, dial, http2Session, listening } from '../support/listening.ts';
import { eventually } from '../support/mesh-of.ts';
import { ask, policyMesh } from '../support/policy-mesh.ts';
import { startServer } from '../support/servers.ts';
import { registerMetrics, registerTracing, unregister } from '../unit/telemetry/open-telemetry.ts';

/** Events of that name of one mesh, as they come. */
function eventsOf<N extends EventName>(t: TestContext, name: N, mesh: string): readonly EventPayloads[N][] {
  const events: EventPayloads[N][] = [];
  t.after(subscribe(name, (event) => void (event.mesh === mesh && events.push(event))));
  return events;
}

const denyAdmin = policyOf('deny', [{ kind: 'path', match: { kind: 'prefix', value: '/admin' } }]);

describe('what a caller writes', () => {
  it('is cut in events, and cannot forge a line', async (t) => {
    const name = 'long-paths';
    const { plane, port } = await guardedServer(t, (_request, response) => void response.end(), { mesh: { name } });
    await plane.deliver([wayIn({ authorization: [denyAdmin] })]);
    const ended = eventsOf(t, 'inbound:end', name);
    const refused = eventsOf(t, 'inbound:refused', name);
    await send(port, `/admin/${'a'.repeat(12_000)}`);
    await eventually('its end', () => ended.length === 1);
    for (const { path } of [ended[0]!, refused[0]!]) assert.equal(path, `/admin/${'a'.repeat(1017)}…`);
  });

  it('that a part of the mesh fails over is told with the error and its cause, without a stack', async (t) => {
    const name = 'failing';
    const mesh = await createMesh({ name });
    t.after(() => mesh.close());
    const door = mesh.inbound();
    const server = createServer((request, response) => {
      const { rawHeaders } = request;
      Object.defineProperty(request, 'rawHeaders', {
        configurable: true,
        get() {
          Object.defineProperty(request, 'rawHeaders', { value: rawHeaders });
          throw new TypeError('no lines\n', { cause: new RangeError('beyond the end') });
        },
      });
      door.admit(request, response, (refusal) => door.refuse(request, response, refusal!));
    }).listen(0, '127.0.0.1');
    t.after(() => server.close().closeAllConnections());
    await once(server, 'listening');
    const failed = eventsOf(t, 'inbound:failed', name);
    const { status, body } = await send((server.address() as AddressInfo).port, '/a?secret');
    assert.deepEqual([status, body], [500, '']);
    const { method, message, cause } = failed[0] ?? assert.fail('nothing was told');
    assert.deepEqual(
      { method, message, cause },
      { method: 'GET', message: 'TypeError: no lines\\u{a}', cause: 'RangeError: beyond the end' },
    );
  });
});

describe('a request that comes in', () => {
  afterEach(unregister);

  it('is one trace with what it calls, and its span has the route of the program', async (t) => {
    const spans = registerTracing();
    const back = await listening(t);
    const client = await createMesh({ name: 'client' });
    t.after(() => client.close());
    const app = express();
    app.get('/orders/:id', (_request, response, next) => {
      client
        .fetch(`http://127.0.0.1:${back.port}/stock`)
        .then(async (answer) => response.end(await answer.text()))
        .catch(next);
    });
    const front = await listening(t, { handler: app });
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    assert.equal((await askHttp1(front.port, { path: '/orders/7', headers: { traceparent } })).body, 'ok');
    await eventually('four spans ended', () => spans().length === 4);
    const byName = new Map(spans().map((span) => [`${SpanKind[span.kind]} ${span.name}`, span]));
    assert.deepEqual([...byName.keys()].sort(), ['CLIENT GET', 'INTERNAL meshfetch GET', 'SERVER GET', 'SERVER GET /orders/:id']);
    const parentOf = (name: string): string | undefined => byName.get(name)?.parentSpanContext?.spanId;
    const idOf = (name: string): string | undefined => byName.get(name)?.spanContext().spanId;
    assert.equal(parentOf('SERVER GET /orders/:id'), 'b7ad6b7169203331');
    assert.equal(parentOf('INTERNAL meshfetch GET'), idOf('SERVER GET /orders/:id'));
    assert.equal(parentOf('CLIENT GET'), idOf('INTERNAL meshfetch GET'));
    assert.equal(parentOf('SERVER GET'), idOf('CLIENT GET'));
    for (const span of spans()) assert.equal(span.spanContext().traceId, '0af7651916cd43dd8448eb211c80319c');
  });

  it('has one route for all that comes to a mounted router, whose paths are those of its callers', async (t) => {
    const spans = registerTracing();
    const users = express.Router({ mergeParams: true });
    users.get('/orders/:id', (_request, response) => void response.end());
    const { port } = await listening(t, { handler: express().use('/users/:user', users) });
    for (const user of [42, 43]) await askHttp1(port, { path: `/users/${user}/orders/7` });
    await eventually('two spans ended', () => spans().length === 2);
    assert.deepEqual(
      spans().map(({ name, attributes }) => [name, attributes['http.route']]),
      [
        ['GET */orders/:id', '*/orders/:id'],
        ['GET */orders/:id', '*/orders/:id'],
      ],
    );
  });

  it('is one trace with what an authorizer is asked, and tells when that says nothing', async (t) => {
    const spans = registerTracing();
    const sdk = registerMetrics();
    let status = 200;
    let seen: unknown;
    const gate = await startServer((request, response) => {
      seen = request.headers['traceparent'];
      response.writeHead(status).end();
    });
    const { plane, port, mesh } = await guardedServer(t, (_request, response) => void response.end('in'));
    const authorizer = { name: 'gate', protocol: 'http', cluster: 'gate', timeoutMs: 5000, failOpen: true } as const;
    const custom = policyOf('custom', [{ kind: 'any' }], { provider: 'gate' });
    await plane.deliver([
      staticCluster('gate', [endpointAt(gate.address)]),
      wayIn({ externalAuthorizers: [{ ...authorizer, maxBodyBytes: 10 }], authorization: [custom] }),
    ]);
    const events = eventsOf(t, 'inbound:authorizer-unanswered', mesh.name);
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    assert.equal((await send(port, '/', { method: 'POST', body: 'x', headers: { traceparent } })).body, 'in');
    assert.match(String(seen), /^00-0af7651916cd43dd8448eb211c80319c-/);
    assert.equal(events.length, 0);
    status = 500;
    assert.equal((await send(port)).body, 'in');
    assert.deepEqual(
      events.map(({ authorizer: name, reason, wentOn }) => [name, reason, wentOn]),
      [['gate', 'it answered 500', true]],
    );
    const [point] = await sdk.points('meshfetch.server.unanswered_checks');
    assert.equal(point?.attributes['meshfetch.authorizer.fail_open'], true);
    await eventually('both SERVER spans ended', () => spans().filter(({ kind }) => kind === SpanKind.SERVER).length === 2);
    const noted = spans().flatMap((span) => span.events.map(({ name }) => name));
    assert.ok(noted.includes('meshfetch.inbound.authorizer_unanswered'), noted.join(' '));
  });

  for (const http2 of ['bridge', 'native'] as const)
    it(`is no clean 200 when its response is cut in the middle of the body (HTTP/2 ${http2})`, async (t) => {
      const handler: RequestListener = (_request, response) => void response.end(Buffer.alloc(20_000_000));
      const { port, mesh } = await listening(t, { handler, options: { http2 } });
      const ends = eventsOf(t, 'inbound:end', mesh.name);
      const session = await http2Session(port);
      const stream = session.request({ ':path': '/' });
      stream.on('error', () => {});
      await once(stream, 'data');
      stream.close(8);
      await eventually('it has ended', () => ends.length === 1);
      session.destroy();
      assert.deepEqual([ends[0]?.error, ends[0]?.flags], ['cancelled', 'DC']);
    });

  it('is no clean 200 when its response is cut in the middle of the body (HTTP/1.1)', async (t) => {
    const { port, mesh } = await listening(t, { handler: (_request, response) => void response.end(Buffer.alloc(20_000_000)) });
    const ends = eventsOf(t, 'inbound:end', mesh.name);
    const socket = await dial(port);
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    await once(socket, 'data');
    socket.destroy();
    await eventually('it has ended', () => ends.length === 1);
    assert.deepEqual([ends[0]?.error, ends[0]?.flags], ['cancelled', 'DC']);
  });

  it('is measured once, refused or not, and its event says which policy it was', async (t) => {
    const sdk = registerMetrics();
    const { port, mesh, apply } = await listening(t);
    await apply(wayIn({ authorization: [denyAdmin] }).value as never);
    const refusals = eventsOf(t, 'inbound:refused', mesh.name);
    const ends = eventsOf(t, 'inbound:end', mesh.name);
    assert.equal((await askHttp1(port, { path: '/admin?token=s3cret' })).status, 403);
    assert.equal((await askHttp1(port, { path: '/' })).status, 200);
    await eventually('both have ended', () => ends.length === 2);
    assert.deepEqual(
      refusals.map(({ reason, details, path }) => ({ reason, details, path })),
      [{ reason: 'denied', details: 'rbac_access_denied_matched_policy[deny-rule]', path: '/admin' }],
    );
    assert.deepEqual(
      ends.map(({ status, refusal, listener }) => ({ status, refusal, listener })),
      [
        { status: 403, refusal: 'denied', listener: 'in' },
        { status: 200, refusal: undefined, listener: 'in' },
      ],
    );
    const points = await sdk.points('http.server.request.duration');
    const counts = points.map(({ value, attributes }) => `${String(attributes['http.response.status_code'])}: ${value}`);
    assert.deepEqual(new Set(counts), new Set(['200: 1', '403: 1']));
    assert.deepEqual(await sdk.points('meshfetch.server.refusals'), [
      {
        value: 1,
        attributes: { 'meshfetch.refusal.reason': 'denied', 'server.port': port, 'meshfetch.mesh.name': mesh.name },
      },
    ]);
  });

  it('comes over a connection that is counted while it is open', async (t) => {
    const sdk = registerMetrics();
    const { port, mesh } = await listening(t);
    const socket = await dial(port);
    const open = async (): Promise<number | undefined> => (await sdk.points('meshfetch.server.open_connections'))[0]?.value;
    while ((await open()) !== 1) await yieldToLoop();
    socket.destroy();
    while ((await open()) !== 0) await yieldToLoop();
    await mesh.close();
    assert.equal(await open(), 0);
  });

  it('has a line in the access log that its policy asks for', async (t) => {
    const { port, mesh, apply } = await listening(t, { handler: (_request, response) => void response.end('hello') });
    const template = '%REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %BYTES_SENT% %ROUTE_NAME%';
    const telemetry = { accessLogs: [{ format: 'text', template, to: 'events' }] } as const;
    await apply(wayIn({ authorization: [denyAdmin], telemetry }).value as never);
    const lines = eventsOf(t, 'inbound:access-log', mesh.name);
    await askHttp1(port, { path: '/a?code=1' });
    await askHttp1(port, { path: '/admin' });
    await eventually('both are logged', () => lines.length === 2);
    assert.deepEqual(
      lines.map(({ line }) => line),
      ['GET /a?code=REDACTED 200 via_upstream 5 -', 'GET /admin 403 rbac_access_denied_matched_policy[deny-rule] 19 -'],
    );
  });
});

describe('metrics for Prometheus on a port of mutual TLS', () => {
  afterEach(() => metrics.disable());

  it('are scraped in plaintext where the port says so, and nothing else is', async (t) => {
    const app = express();
    app.get('/metrics', prometheusHandler());
    const { port } = await listening(t, { handler: app, options: { mode: 'strict', plaintextPaths: ['/metrics'] } });
    const refused = await askHttp1(port, { path: '/' });
    assert.deepEqual([refused.status, refused.body], [403, 'this port takes mutual TLS only']);
    const { status, body } = await askHttp1(port, { path: '/metrics' });
    assert.equal(status, 200);
    assert.match(body, /^meshfetch_server_refusals_total\{meshfetch_refusal_reason="plaintext",.*\} 1$/m);
  });
});

/** A server in a process of its own, whose requests take so long of its thread. */
async function reportingServer(t: TestContext, workMs: number): Promise<{ readonly address: string; readonly pid: string }> {
  const child: ChildProcess = spawn(
    process.execPath,
    ['--conditions=meshfetch-source', fileURLToPath(new URL('../support/reporting-server.ts', import.meta.url)), String(workMs)],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  t.after(() => child.kill());
  const [port] = (await once(child.stdout!.setEncoding('utf8'), 'data')) as [string];
  return { address: `127.0.0.1:${port.trim()}`, pid: String(child.pid) };
}

describe('a server that says how busy it is', () => {
  it('says it in the header that clients read', async (t) => {
    const { address } = await reportingServer(t, 1);
    const port = Number(address.split(':')[1]);
    let report: ReturnType<typeof loadReportFrom>;
    // The first second has none.
    while (report === undefined) report = loadReportFrom((await send(port)).headers);
    assert.ok(report.rps > 0 && report.applicationUtilization > 0 && report.applicationUtilization <= 1, JSON.stringify(report));
    // The request whose response this is.
    assert.equal(report.namedMetrics['requests_in_flight'], 1);
  });

  it('gets fewer requests than one that has less to do, from a client that weighs by it', async (t) => {
    const [busy, idle] = await Promise.all([reportingServer(t, 10), reportingServer(t, 0)]);
    const loadBalancing: LoadBalancingConfig = {
      policy: 'client-side-weighted-round-robin',
      options: { blackoutMs: 0, updateMs: 100 },
    };
    const { mesh } = await policyMesh(t, [busy.address, idle.address], {}, { cluster: { loadBalancing } });
    const counts = async (): Promise<{ readonly busy: number; readonly idle: number }> => {
      const pids = await Promise.all(Array.from({ length: 20 }, async () => (await ask(mesh)).body));
      return { busy: pids.filter((pid) => pid === busy.pid).length, idle: pids.filter((pid) => pid === idle.pid).length };
    };
    let last = await counts();
    for (let rounds = 0; rounds < 500 && !(last.idle >= 15); rounds++) last = await counts();
    assert.ok(last.idle >= 15, JSON.stringify(last));
  });
});

describe('a port that is asked for more than it lets in', () => {
  it('serves what it can, tells the others when to come back, and takes them once there is room', async (t) => {
    const waiting: (() => void)[] = [];
    const { port, apply } = await listening(t, {
      handler: (_request, response) => void waiting.push(() => response.end('done')),
    });
    await apply(wayIn({ admission: { maxRequests: 10, retryAfterSeconds: 3 } }).value as never);
    const served = Array.from({ length: 10 }, () => askHttp1(port));
    await eventually('all places are taken', () => waiting.length === 10);
    for (const refused of await Promise.all(Array.from({ length: 10 }, () => askHttp1(port))))
      assert.deepEqual([refused.status, refused.headers['retry-after']], [503, '3']);
    for (const end of waiting.splice(0)) end();
    for (const answer of await Promise.all(served)) assert.equal(answer.body, 'done');
    const again = askHttp1(port);
    await eventually('there is room again', () => waiting.length === 1);
    waiting[0]!();
    assert.equal((await again).status, 200);
  });
});

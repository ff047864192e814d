/** Active health checks of a whole mesh on real sockets: who gets requests, from when on, and what is seen of it. */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, it, type TestContext } from 'node:test';
import { request } from 'undici';
import type { Mesh } from 'meshfetch';
import type { ClusterConfig } from '../../src/model/cluster.ts';
import type { HealthCheckConfig } from '../../src/model/health.ts';
import { createVirtualClock, type VirtualClock } from '../../src/testing/virtual-clock.ts';
import { allTo, endpointAt, staticCluster } from '../support/cluster-plane.ts';
import { connectionsOf, eventually } from '../support/mesh-of.ts';
import { ask, errorOf, policyMesh } from '../support/policy-mesh.ts';
import { closedPort, startServer, startTcpServer, type TestServer } from '../support/servers.ts';

const check: HealthCheckConfig = {
  kind: 'http',
  path: '/healthz',
  timeoutMs: 1000,
  intervalMs: 1000,
  noTrafficIntervalMs: 1000,
  healthyThreshold: 1,
  unhealthyThreshold: 1,
};

/** A server with a health that the test sets; requests get its name. */
interface Service extends TestServer {
  status: number | 'hangs';
  headers: Record<string, string>;
  /** Headers of answers to requests other than checks. */
  answerHeaders: Record<string, string>;
  readonly checks: () => number;
  readonly served: () => number;
}

async function startService(name: string, status: Service['status'] = 200): Promise<Service> {
  const isCheck = ({ url }: { readonly url?: string | undefined }): boolean => url === '/healthz';
  const server = await startServer((request: IncomingMessage, response: ServerResponse) => {
    if (!isCheck(request)) response.writeHead(200, service.answerHeaders).end(name);
    else if (service.status !== 'hangs') response.writeHead(service.status, service.headers).end();
  });
  const service: Service = Object.assign(server, {
    status,
    headers: {},
    answerHeaders: {},
    checks: () => server.requests.filter(isCheck).length,
    served: () => server.requests.filter((request) => !isCheck(request)).length,
  });
  return service;
}

interface Checked {
  readonly mesh: Mesh;
  readonly clock: VirtualClock;
  /** `address state reason` of each event. */
  readonly events: string[];
  readonly stateOf: (address: string) => string;
  /** Lets time pass until so many checks are over in all. */
  readonly after: (ms: number, what: string, isTrue: () => boolean) => Promise<void>;
  readonly plane: Awaited<ReturnType<typeof policyMesh>>['plane'];
}

async function checkedMesh(
  t: TestContext,
  addresses: readonly string[],
  healthChecks: readonly HealthCheckConfig[],
  more: Partial<ClusterConfig> = {},
): Promise<Checked> {
  const clock = createVirtualClock();
  const events: string[] = [];
  const listen = (message: unknown): void => {
    const { endpoint, state, reason } = message as { endpoint: string; state: string; reason: string | undefined };
    events.push([endpoint, state, reason].filter((word) => word !== undefined).join(' '));
  };
  subscribe('meshfetch:health-check:changed', listen);
  t.after(() => unsubscribe('meshfetch:health-check:changed', listen));
  const { mesh, plane } = await policyMesh(
    t,
    addresses,
    { retry: { maxAttempts: 1, on: [] } },
    {
      cluster: { healthChecks, ...more },
      options: { clock },
    },
  );
  const stateOf = (address: string): string =>
    mesh
      .status()
      .clusters.flatMap(({ endpoints }) => endpoints)
      .find((endpoint) => endpoint.address === address)!.state;
  const after: Checked['after'] = async (ms, what, isTrue) => {
    await clock.advance(ms);
    await eventually(what, isTrue);
  };
  return { mesh, clock, events, stateOf, after, plane };
}

const bodiesOf = async (mesh: Mesh, count: number): Promise<string> => {
  const bodies: string[] = [];
  for (let index = 0; index < count; index++) bodies.push((await ask(mesh)).body);
  return [...new Set(bodies)].sort().join(' ');
};

describe('active health checks', () => {
  it('keep requests from an endpoint that does not pass, and give it back when it does', async (t) => {
    const [one, two, three] = [await startService('one'), await startService('two', 503), await startService('three')];
    const { mesh, after, events, stateOf } = await checkedMesh(t, [one.address, two.address, three.address], [check]);
    assert.equal(await bodiesOf(mesh, 6), 'one three');
    await eventually('all are known', () => events.length === 3);
    assert.ok(events.includes(`${two.address} unhealthy http check: answered 503`), events.join());
    assert.equal(stateOf(two.address), 'health-check');
    two.status = 200;
    one.status = 500;
    await after(1000, 'they have changed places', () => events.length === 5);
    assert.equal(await bodiesOf(mesh, 6), 'three two');
    assert.deepEqual(
      events.slice(3).sort(),
      [`${one.address} unhealthy http check: answered 500`, `${two.address} healthy`].sort(),
    );
  });

  it('hold the first requests until it is known who is well', async (t) => {
    const [one, two] = [await startService('one'), await startService('two', 503)];
    const { mesh } = await checkedMesh(t, [one.address, two.address], [check]);
    assert.equal(await bodiesOf(mesh, 1), 'one');
    assert.equal(two.served(), 0);
  });

  it('hold them no longer than a request waits for its configuration', async (t) => {
    const services = [await startService('one', 'hangs'), await startService('two', 'hangs')];
    const { mesh, clock, stateOf } = await checkedMesh(
      t,
      services.map(({ address }) => address),
      [{ ...check, timeoutMs: 60_000 }],
    );
    const answered = ask(mesh);
    await clock.advance(4999);
    assert.equal(services[0]!.served() + services[1]!.served(), 0);
    await clock.advance(1);
    // Nobody is known to be well: panic.
    assert.match((await answered).body, /one|two/);
    assert.equal(stateOf(services[0]!.address), 'health-check');
  });

  it('hold them only until half are well: one that hangs stops nobody', async (t) => {
    const services = [await startService('one'), await startService('two'), await startService('three', 'hangs')];
    const { mesh } = await checkedMesh(
      t,
      services.map(({ address }) => address),
      [check],
    );
    assert.equal(await bodiesOf(mesh, 4), 'one two');
  });

  it('let a request that gives up leave nothing behind', async (t) => {
    const service = await startService('one', 'hangs');
    const { mesh, clock } = await checkedMesh(t, [service.address], [{ ...check, timeoutMs: 60_000 }]);
    const abort = new AbortController();
    const asked = ask(mesh, { signal: abort.signal });
    await clock.advance(10);
    abort.abort(new Error('enough'));
    await assert.rejects(asked, /enough/);
    const again = ask(mesh);
    await clock.advance(5000);
    assert.equal((await again).status, 200);
  });

  it('use everybody when too few pass (panic)', async (t) => {
    const services = [await startService('one', 503), await startService('two', 503)];
    const { mesh } = await checkedMesh(
      t,
      services.map(({ address }) => address),
      [check],
    );
    assert.equal(await bodiesOf(mesh, 4), 'one two');
  });

  it('refuse instead where panic is off', async (t) => {
    const service = await startService('one', 503);
    const { mesh } = await checkedMesh(t, [service.address], [check], { locality: { mode: 'none', panicThresholdPercent: 0 } });
    assert.equal((await errorOf(ask(mesh))).code, 'MESH_NO_HEALTHY_ENDPOINT');
  });

  it('find a closed port, a server that hangs, and one that hangs up', async (t) => {
    const well = [await startService('well'), await startService('well'), await startService('well'), await startService('well')];
    const closed = `127.0.0.1:${await closedPort()}`;
    const hangs = await startService('hangs', 'hangs');
    const hangsUp = await startTcpServer((socket) => socket.destroy());
    const { mesh, clock, events } = await checkedMesh(
      t,
      [...well.map(({ address }) => address), closed, hangs.address, hangsUp.address],
      [{ ...check, timeoutMs: 300 }],
    );
    await eventually('most are known', () => events.length === 6);
    await clock.advance(300);
    await eventually('all are known', () => events.length === 7);
    const reasons = events.filter((event) => event.includes('unhealthy')).sort();
    assert.deepEqual(
      reasons,
      [
        `${closed} unhealthy http check: ${closed} refused the connection (ECONNREFUSED)`,
        `${hangs.address} unhealthy http check: no answer within 300 ms`,
        `${hangsUp.address} unhealthy http check: other side closed`,
      ].sort(),
    );
    assert.equal(await bodiesOf(mesh, 6), 'well');
  });

  it('wait for the thresholds in both directions', async (t) => {
    const [one, two] = [await startService('one'), await startService('two')];
    const patient = { ...check, timeoutMs: 400, unhealthyThreshold: 3, healthyThreshold: 2 };
    const { mesh, clock, after, events, stateOf } = await checkedMesh(t, [one.address, two.address], [patient]);
    assert.equal(await bodiesOf(mesh, 4), 'one two');
    one.status = 'hangs';
    // Each round is an interval of 1000 ms and a timeout of 400 ms.
    for (const failures of [1, 2]) {
      await after(1000, 'it is asked', () => one.checks() === 1 + failures);
      await clock.advance(400);
      assert.equal(stateOf(one.address), 'healthy', `${failures} are not enough`);
    }
    await after(1000, 'it is asked', () => one.checks() === 4);
    await clock.advance(400);
    assert.equal(stateOf(one.address), 'health-check');
    assert.equal(await bodiesOf(mesh, 4), 'two');
    one.status = 200;
    await after(1000, 'it is asked', () => one.checks() === 5);
    await new Promise(setImmediate);
    assert.equal(stateOf(one.address), 'health-check');
    await after(1000, 'it is back', () => stateOf(one.address) === 'healthy');
    assert.equal(events.length, 4);
  });

  it('survive an endpoint that flaps, with one event for each change', async (t) => {
    const [one, two] = [await startService('one'), await startService('two')];
    const { after, events } = await checkedMesh(t, [one.address, two.address], [check]);
    await eventually('both are known', () => events.length === 2);
    for (let round = 1; round <= 6; round++) {
      one.status = round % 2 === 1 ? 503 : 200;
      await after(1000, `round ${round}`, () => events.length === 2 + round);
    }
    assert.deepEqual(
      events.slice(2).map((event) => event.split(' ')[1]),
      ['unhealthy', 'healthy', 'unhealthy', 'healthy', 'unhealthy', 'healthy'],
    );
  });

  it('send what is degraded nothing while the others suffice', async (t) => {
    const services = await Promise.all(['one', 'two', 'three', 'four'].map((name) => startService(name)));
    const four = services[3]!;
    four.headers = { 'x-envoy-degraded': '' };
    const { mesh, events, after } = await checkedMesh(
      t,
      services.map(({ address }) => address),
      [check],
    );
    await eventually('all are known', () => events.length === 4);
    assert.ok(events.includes(`${four.address} degraded`));
    // 75 % are well, which is 105 % with Envoy's overprovisioning.
    assert.equal(await bodiesOf(mesh, 8), 'one three two');
    four.headers = {};
    await after(1000, 'it is well', () => events.length === 5);
    assert.equal(await bodiesOf(mesh, 8), 'four one three two');
  });

  it('take an endpoint out at once that says so in an answer to a request', async (t) => {
    const services = [await startService('one'), await startService('two'), await startService('three')];
    const { mesh, stateOf, events, after } = await checkedMesh(
      t,
      services.map(({ address }) => address),
      [check],
    );
    assert.equal(await bodiesOf(mesh, 6), 'one three two');
    const [one] = services;
    one!.answerHeaders = { 'x-envoy-immediate-health-check-fail': 'true' };
    await bodiesOf(mesh, 3);
    assert.equal(stateOf(one!.address), 'health-check');
    assert.equal(await bodiesOf(mesh, 6), 'three two');
    assert.match(events.at(-1)!, /unhealthy http check: answered a request with x-envoy-immediate-health-check-fail/);
    await after(1000, 'a check brings it back', () => stateOf(one!.address) === 'healthy');
  });

  it('must all pass where there are several', async (t) => {
    const [one, two] = [await startService('one'), await startService('two')];
    const tcp: HealthCheckConfig = { ...check, kind: 'tcp', port: one.port };
    const { stateOf, after } = await checkedMesh(t, [one.address, two.address], [check, tcp]);
    await eventually('both are well', () => stateOf(one.address) === 'healthy' && stateOf(two.address) === 'healthy');
    two.status = 503;
    await after(1000, 'one check suffices to fail', () => stateOf(two.address) === 'health-check');
    assert.equal(stateOf(one.address), 'healthy');
  });

  it('are made once for clusters that ask the same', async (t) => {
    const one = await startService('one');
    const shared = { ...check, host: 'orders' };
    const { plane, after, mesh } = await checkedMesh(t, [one.address], [shared]);
    await eventually('it is checked', () => one.checks() === 1);
    await plane.deliver([
      allTo('billing', 'billing'),
      staticCluster('billing', [endpointAt(one.address)], { healthChecks: [{ ...shared }] }),
      allTo('other', 'other'),
      staticCluster('other', [endpointAt(one.address)], { healthChecks: [{ ...shared, path: '/other' }] }),
    ]);
    await eventually('the other question is asked', () => one.served() === 1);
    // The second cluster knows at once what the first has found out.
    assert.equal((await ask(mesh)).status, 200);
    await after(1000, 'the next round', () => one.checks() === 2);
    await new Promise(setImmediate);
    assert.equal(one.checks(), 2);
    // The check of the two goes on while one of them is left.
    await plane.deliver(
      [],
      [
        { kind: 'listener', name: 'out-billing' },
        { kind: 'cluster', name: 'billing' },
      ],
    );
    await after(1000, 'the next round', () => one.checks() === 3);
  });

  it('end with the cluster, with the endpoint, and with the configuration that asked for them', async (t) => {
    const [one, two] = [await startService('one'), await startService('two')];
    const { plane, clock, mesh, stateOf, after } = await checkedMesh(t, [one.address, two.address], [check]);
    const bothAt = [endpointAt(one.address), endpointAt(two.address)];
    await eventually('both are checked', () => one.checks() === 1 && two.checks() === 1);
    await plane.deliver([staticCluster('orders', [bothAt[0]!], { healthChecks: [check] })]);
    one.status = 503;
    await after(1000, 'one is checked', () => stateOf(one.address) === 'health-check');
    assert.equal(two.checks(), 1);
    await plane.deliver([staticCluster('orders', bothAt)]);
    assert.equal(stateOf(one.address), 'healthy');
    await clock.advance(5000);
    assert.equal(one.checks(), 2);
    await mesh.close();
    await clock.advance(5000);
    assert.deepEqual([one.checks(), two.checks()], [2, 1]);
  });

  it('that come to a running cluster leave its endpoints in until they have spoken', async (t) => {
    const [one, two] = [await startService('one'), await startService('two', 'hangs')];
    const { plane, mesh, clock, stateOf } = await checkedMesh(t, [one.address, two.address], []);
    assert.equal(await bodiesOf(mesh, 4), 'one two');
    await plane.deliver([staticCluster('orders', [endpointAt(one.address), endpointAt(two.address)], { healthChecks: [check] })]);
    assert.deepEqual([stateOf(one.address), stateOf(two.address)], ['healthy', 'healthy']);
    assert.equal(await bodiesOf(mesh, 4), 'one two');
    await eventually('two is asked', () => two.checks() === 1);
    await clock.advance(1000);
    assert.equal(stateOf(two.address), 'health-check');
  });

  it('keep a new endpoint of a running cluster out until it has passed', async (t) => {
    const [one, two] = [await startService('one'), await startService('two', 'hangs')];
    const { plane, mesh, stateOf, events } = await checkedMesh(t, [one.address], [check]);
    assert.equal(await bodiesOf(mesh, 2), 'one');
    await eventually('it is known', () => events.length === 1);
    await plane.deliver([staticCluster('orders', [endpointAt(one.address), endpointAt(two.address)], { healthChecks: [check] })]);
    assert.equal(stateOf(two.address), 'health-check');
    assert.equal(await bodiesOf(mesh, 4), 'one');
  });

  it('pass over an endpoint that is not to be checked, and ask others at their own port', async (t) => {
    const [one, two, health] = [await startService('one', 503), await startService('two', 503), await startService('health')];
    const { plane, mesh, stateOf } = await checkedMesh(t, [], []);
    await plane.deliver([
      staticCluster(
        'orders',
        [
          endpointAt(one.address, { healthCheck: { isDisabled: true } }),
          endpointAt(two.address, { healthCheck: { port: health.port, hostname: 'two.internal' } }),
        ],
        { healthChecks: [check] },
      ),
    ]);
    assert.equal(await bodiesOf(mesh, 4), 'one two');
    assert.deepEqual([stateOf(one.address), stateOf(two.address)], ['healthy', 'healthy']);
    assert.deepEqual([one.checks(), two.checks(), health.requests[0]!.headers.host], [0, 0, 'two.internal']);
  });

  it('neither take connections from requests nor count as requests', async (t) => {
    const one = await startService('one');
    const { mesh, after } = await checkedMesh(t, [one.address], [check], { limits: { maxConnections: 1, maxRequests: 1 } });
    await eventually('it is checked', () => one.checks() === 1);
    assert.equal(connectionsOf(mesh), 0);
    assert.equal((await ask(mesh)).status, 200);
    await after(1000, 'it is checked again', () => one.checks() === 2);
    assert.equal(connectionsOf(mesh), 1);
    assert.equal((await ask(mesh)).status, 200);
  });

  it('come as often as they are to be from the first request on', async (t) => {
    const one = await startService('one');
    const { mesh, clock, after } = await checkedMesh(t, [one.address], [{ ...check, noTrafficIntervalMs: 60_000 }]);
    await eventually('it is checked', () => one.checks() === 1);
    await clock.advance(30_000);
    assert.equal(one.checks(), 1);
    assert.equal((await ask(mesh)).status, 200);
    await after(0, 'it is checked', () => one.checks() === 2);
    await after(1000, 'it is checked', () => one.checks() === 3);
  });

  it('come as often also where another check noticed the first request', async (t) => {
    const [one, two] = [await startService('one'), await startService('two', 'hangs')];
    const rare = { ...check, timeoutMs: 500, noTrafficIntervalMs: 60_000 };
    const { mesh, clock, after } = await checkedMesh(t, [one.address, two.address], [rare]);
    await eventually('both are asked', () => one.checks() === 1 && two.checks() === 1);
    one.server.prependListener('request', (asked: IncomingMessage, response: ServerResponse) => {
      // Its answer does not come in the time of this test.
      if (asked.url === '/') response.end = () => response;
    });
    const abort = new AbortController();
    const asked = ask(mesh, { signal: abort.signal });
    await eventually('it has gone out', () => one.served() === 1);
    await clock.advance(500);
    assert.equal(one.checks(), 1);
    await after(500, 'it is checked', () => one.checks() === 2);
    abort.abort(new Error('enough'));
    await assert.rejects(asked, /enough/);
  });

  it('end an ejection when they pass, unless the policy says no', async (t) => {
    for (const unejectOnHealthCheck of [true, false]) {
      const [one, two] = [await startService('one'), await startService('two')];
      const outlierDetection = {
        consecutiveLocalOriginFailure: 1,
        consecutive5xx: 1,
        baseEjectionMs: 600_000,
        maxEjectionMs: 600_000,
        maxEjectionPercent: 50,
        unejectOnHealthCheck,
      };
      const { mesh, stateOf, after } = await checkedMesh(t, [one.address, two.address], [check], { outlierDetection });
      await bodiesOf(mesh, 2);
      const [request] = one.server.listeners('request') as ((...args: unknown[]) => void)[];
      one.server.removeAllListeners('request');
      let isBroken = true;
      one.server.on('request', (message: IncomingMessage, response: ServerResponse) => {
        if (isBroken && message.url === '/') response.writeHead(500).end();
        else request!(message, response);
      });
      await bodiesOf(mesh, 4);
      assert.equal(stateOf(one.address), 'outlier');
      isBroken = false;
      const before = one.checks();
      await after(1000, 'it is checked', () => one.checks() > before);
      await new Promise((resolve) => setTimeout(resolve, 20));
      assert.equal(stateOf(one.address), unejectOnHealthCheck ? 'healthy' : 'outlier');
      await mesh.close();
    }
  });

  it('let an aggregate look past a member whose endpoints all fail, from the first request on', async (t) => {
    const [one, two] = [await startService('one', 'hangs'), await startService('two')];
    const { plane, mesh, clock } = await checkedMesh(t, [one.address], [check]);
    await plane.deliver([
      allTo('both', 'both'),
      staticCluster('first', [endpointAt(one.address)], { healthChecks: [{ ...check, host: 'first' }] }),
      staticCluster('second', [endpointAt(two.address)], { healthChecks: [check] }),
      {
        kind: 'cluster',
        name: 'both',
        value: {
          name: 'both',
          discovery: { kind: 'aggregate', clusters: ['first', 'second'] },
          loadBalancing: { policy: 'round-robin' },
        },
      },
    ]);
    await clock.advance(1);
    const asked = request('http://both/', { dispatcher: mesh.dispatcher });
    await eventually('it is checked', () => one.checks() === 2);
    await clock.advance(1000);
    assert.equal(await (await asked).body.text(), 'two');
    assert.equal(one.served(), 0);
  });
});

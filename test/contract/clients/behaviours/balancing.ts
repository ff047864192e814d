import assert from 'node:assert/strict';
import type { Subject } from '../behaviour.ts';
import { answered, textOf } from '../outcome.ts';
import { closedAddress, ordersAt, shares } from '../setting.ts';
import { eventually, held } from '../../../support/mesh-of.ts';
import { hidesHandshake } from './reasons.ts';

/** Which of the endpoints gets a request. */
export const balancing: Subject = {
  title: 'Balancing and failover',
  behaviours: [
    {
      name: 'round-robin',
      says: 'Round robin gives each endpoint as many requests: the choice is made for each request, not for each connection.',
      async check(setting) {
        const upstreams = [await setting.upstream('a'), await setting.upstream('b'), await setting.upstream('c')];
        await setting.orders(upstreams);
        for (const outcome of await setting.calls(12)) answered(outcome);
        assert.deepEqual(shares(upstreams), [4, 4, 4]);
      },
    },
    {
      name: 'weights',
      says: 'An endpoint of three times the weight gets three times the requests.',
      async check(setting) {
        const upstreams = [await setting.upstream('heavy'), await setting.upstream('light')];
        await setting.orders(upstreams, {
          endpoints: upstreams.map(({ address }, index) => ({ address, weight: index === 0 ? 3 : 1 })),
        });
        for (const outcome of await setting.calls(12)) answered(outcome);
        assert.deepEqual(shares(upstreams), [9, 3]);
      },
    },
    {
      name: 'least-request',
      says: 'An endpoint with requests in flight gets no further one while another has none.',
      async check(setting) {
        const { promise, resolve } = Promise.withResolvers<void>();
        const upstreams = [await setting.upstream('a'), await setting.upstream('b')];
        for (const upstream of upstreams)
          upstream.does(({ headers }) => (headers['x-slow'] === undefined ? {} : { after: promise }));
        const mesh = await setting.orders(upstreams, { loadBalancing: { policy: 'least-request' } });
        const slow = setting.call({ headers: { 'x-slow': '1' } });
        await eventually('the slow one is there', () => upstreams.some(({ requests }) => requests.length === 1));
        const idle = upstreams.find(({ requests }) => requests.length === 0)!;
        for (let count = 0; count < 6; count++) {
          assert.equal(textOf(await setting.call()), idle.name);
          await eventually('the slow one alone is in flight', () => held(mesh).inFlight === 1);
        }
        resolve();
        answered(await slow);
      },
    },
    {
      name: 'hash-of-a-header',
      says: 'Ring hash keeps the requests of one header value on one endpoint, and spreads the values.',
      async check(setting) {
        const upstreams = [await setting.upstream('a'), await setting.upstream('b'), await setting.upstream('c')];
        await setting.orders(upstreams, { loadBalancing: { policy: 'ring-hash' }, hash: [{ header: 'x-user' }] });
        const outcomes = await setting.calls(24, (index) => ({ headers: { 'x-user': `user-${index % 12}` } }));
        const names = outcomes.map(textOf);
        assert.deepEqual(names.slice(0, 12), names.slice(12));
        assert.ok(new Set(names).size > 1, 'all values on one endpoint');
      },
    },
    {
      name: 'session',
      says: 'A session keeps to the endpoint of its first request, by a header that the caller sends back.',
      notFor: hidesHandshake,
      async check(setting) {
        const upstreams = [await setting.upstream('a'), await setting.upstream('b')];
        await setting.orders(upstreams, { sessionAffinity: { header: 'x-session' } });
        const first = answered(await setting.call());
        const session = first.headers!['x-session'];
        assert.ok(session !== undefined, 'no session was begun');
        const outcomes = await setting.calls(5, () => ({ headers: { 'x-session': session } }));
        for (const outcome of outcomes) assert.equal(textOf(outcome), first.body.toString());
      },
    },
    {
      name: 'own-zone-first',
      says: 'With zone-aware balancing the endpoints of our own zone get the requests.',
      async check(setting) {
        const upstreams = [await setting.upstream('here'), await setting.upstream('there')];
        await setting.orders(
          upstreams,
          {
            endpoints: upstreams.map(({ address, name }) => ({ address, zone: name })),
            localities: { mode: 'zone-aware', zoneAwareMinClusterSize: 1 },
          },
          { locality: { zone: 'here' } },
        );
        for (const outcome of await setting.calls(6)) assert.equal(textOf(outcome), 'here');
        assert.deepEqual(shares(upstreams), [6, 0]);
      },
    },
    {
      name: 'failover-to-the-next-priority',
      says: 'Endpoints of the next priority get the requests once those of the first are out.',
      async check(setting) {
        const [first, second] = [await setting.upstream('first', { status: 503 }), await setting.upstream('second')];
        await setting.orders([], {
          endpoints: [
            { address: first.address, priority: 0 },
            { address: second.address, priority: 1 },
          ],
          outlierDetection: { cusum: false, consecutive5xx: 2, baseEjectionMs: 60_000, maxEjectionPercent: 100 },
        });
        for (const outcome of await setting.calls(2)) setting.answered(outcome, 503);
        for (const outcome of await setting.calls(4)) assert.equal(textOf(outcome), 'second');
        assert.deepEqual(shares([first, second]), [2, 4]);
      },
    },
    {
      name: 'health-checks',
      says: 'An endpoint whose health check fails gets no requests.',
      async check(setting) {
        const upstreams = [
          await setting.upstream('well'),
          await setting.upstream('ill', ({ path }) => (path === '/healthz' ? { status: 503 } : {})),
        ];
        const mesh = await setting.orders(upstreams, { healthChecks: ['/healthz'], localities: { panicThresholdPercent: 0 } });
        await eventually('both were checked', () => {
          const states = mesh.status().clusters[0]?.endpoints.map(({ state }) => state);
          return states?.[0] === 'healthy' && states[1] === 'health-check';
        });
        for (const outcome of await setting.calls(4)) assert.equal(textOf(outcome), 'well');
        assert.ok(upstreams[1]!.requests.every(({ path }) => path === '/healthz'));
      },
    },
    {
      name: 'draining-endpoint',
      says: 'An endpoint that drains gets no new requests.',
      async check(setting) {
        const upstreams = [await setting.upstream('stays'), await setting.upstream('leaves')];
        await setting.orders(upstreams, {
          endpoints: [{ address: upstreams[0]!.address }, { address: upstreams[1]!.address, health: 'draining' }],
        });
        for (const outcome of await setting.calls(4)) assert.equal(textOf(outcome), 'stays');
        assert.deepEqual(shares(upstreams), [4, 0]);
      },
    },
    {
      name: 'panic',
      says: 'With too few endpoints left all are used again.',
      async check(setting) {
        const upstreams = [await setting.upstream('a'), await setting.upstream('b')];
        await setting.orders(upstreams, {
          endpoints: upstreams.map(({ address }) => ({ address, health: 'unhealthy' })),
          localities: { panicThresholdPercent: 50 },
        });
        for (const outcome of await setting.calls(4)) answered(outcome);
        assert.deepEqual(shares(upstreams), [2, 2]);
      },
    },
    {
      name: 'no-endpoint',
      says: 'Without an endpoint that may be used a request fails at once, and says so.',
      async check(setting) {
        const upstream = await setting.upstream('leaves');
        await setting.orders([upstream], { endpoints: [{ address: upstream.address, health: 'draining' }] });
        setting.failed(await setting.call(), 'MESH_NO_HEALTHY_ENDPOINT');
        assert.equal(upstream.connections(), 0);
      },
    },
    {
      name: 'nobody-listens',
      says: 'An endpoint where nobody listens is a failure to connect, with nothing sent.',
      async check(setting) {
        await setting.mesh({ orders: ordersAt([], { endpoints: [await closedAddress()] }) });
        const error = setting.failed(await setting.call(), 'MESH_CONNECT_FAILED');
        if (error !== undefined) assert.equal(error.mayHaveBeenProcessed, false);
      },
    },
  ],
};

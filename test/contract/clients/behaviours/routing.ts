import assert from 'node:assert/strict';
import type { Subject } from '../behaviour.ts';
import { answered, textOf } from '../outcome.ts';
import { ordersAt, shares } from '../setting.ts';
import { onlyPosts, onlyGets, noQuery } from './reasons.ts';

/** Which endpoints a request may go to, and what they are told. */
export const routing: Subject = {
  title: 'Routing',
  behaviours: [
    {
      name: 'by-path',
      says: 'A route takes the requests, or the calls of a method, whose path it names.',
      async check(setting) {
        const [first, second] = [await setting.upstream('first'), await setting.upstream('second')];
        await setting.mesh({
          orders: ordersAt([first], {
            routes: [{ match: { path: { prefix: '/shop.Orders/List' } }, to: [{ service: 'list' }] }, {}],
          }),
          list: ordersAt([second]),
        });
        assert.equal(textOf(await setting.call({ path: '/shop.Orders/Get' })), 'first');
        assert.equal(textOf(await setting.call({ path: '/shop.Orders/List' })), 'second');
        assert.deepEqual(shares([first, second]), [1, 1]);
        assert.equal(second.requests[0]!.path, '/shop.Orders/List');
      },
    },
    {
      name: 'by-header',
      says: 'A route takes the requests with a header, or metadata, of that value.',
      async check(setting) {
        const [first, second] = [await setting.upstream('first'), await setting.upstream('second')];
        await setting.mesh({
          orders: ordersAt([first], { routes: [{ match: { headers: { 'x-canary': 'yes' } }, to: [{ service: 'next' }] }, {}] }),
          next: ordersAt([second]),
        });
        assert.equal(textOf(await setting.call({ headers: { 'x-canary': 'yes' } })), 'second');
        assert.equal(textOf(await setting.call({ headers: { 'x-canary': 'no' } })), 'first');
        assert.equal(textOf(await setting.call()), 'first');
        assert.equal(second.requests[0]!.headers['x-canary'], 'yes');
      },
    },
    {
      name: 'by-method',
      says: 'A route takes the requests of a method of HTTP.',
      notFor: { 'grpc-js': onlyPosts, 'Connect (gRPC)': onlyPosts, ...onlyGets },
      async check(setting) {
        const [first, second] = [await setting.upstream('first'), await setting.upstream('second')];
        await setting.mesh({
          orders: ordersAt([first], { routes: [{ match: { methods: ['POST'] }, to: [{ service: 'write' }] }, {}] }),
          write: ordersAt([second]),
        });
        assert.equal(textOf(await setting.call({ method: 'GET' })), 'first');
        assert.equal(textOf(await setting.call({ method: 'POST', body: Buffer.from('tea') })), 'second');
        assert.equal((await second.requests[0]!.body).toString(), 'tea');
      },
    },
    {
      name: 'by-query',
      says: 'A route takes the requests with a query parameter of that value.',
      notFor: noQuery,
      async check(setting) {
        const [first, second] = [await setting.upstream('first'), await setting.upstream('second')];
        await setting.mesh({
          orders: ordersAt([first], { routes: [{ match: { query: { version: '2' } }, to: [{ service: 'next' }] }, {}] }),
          next: ordersAt([second]),
        });
        assert.equal(textOf(await setting.call({ path: '/items?version=2' })), 'second');
        assert.equal(textOf(await setting.call({ path: '/items?version=1' })), 'first');
      },
    },
    {
      name: 'to-a-subset',
      says: 'A route with a subset sends to the endpoints with those labels alone.',
      async check(setting) {
        const upstreams = [await setting.upstream('v1'), await setting.upstream('v2'), await setting.upstream('v2 too')];
        await setting.mesh({
          orders: ordersAt([], {
            endpoints: upstreams.map(({ address }, index) => ({ address, metadata: { version: index === 0 ? 'v1' : 'v2' } })),
            subsets: { v2: { version: 'v2' } },
            routes: [{ to: [{ subset: 'v2' }] }],
          }),
        });
        for (const outcome of await setting.calls(6)) answered(outcome);
        assert.deepEqual(shares(upstreams), [0, 3, 3]);
      },
    },
    {
      name: 'split-by-weight',
      says: 'A split of 90 to 10 sends a tenth to the smaller part.',
      async check(setting) {
        const [large, small] = [await setting.upstream('large'), await setting.upstream('small')];
        let drawn = 0;
        await setting.mesh(
          {
            orders: ordersAt([large], { routes: [{ to: [{ weight: 90 }, { service: 'small', weight: 10 }] }] }),
            small: ordersAt([small]),
          },
          // Evenly spread numbers: of 50 draws 5 are in any tenth, and one may lie on its edge.
          { random: () => (drawn++ * 0.618_033_988_749_895) % 1 },
        );
        for (const outcome of await setting.calls(50)) answered(outcome);
        assert.equal(large.requests.length + small.requests.length, 50);
        assert.ok(small.requests.length >= 3 && small.requests.length <= 7, `${small.requests.length} of 50`);
      },
    },
    {
      name: 'path-is-rewritten',
      says: 'A rewrite of the path is what the endpoint gets.',
      async check(setting) {
        const upstream = await setting.upstream('one');
        await setting.orders([upstream], {
          routes: [{ match: { path: { prefix: '/shop.Orders/' } }, rewrite: { path: { prefix: '/shop.v2.Orders/' } } }],
        });
        assert.equal(textOf(await setting.call({ path: '/shop.Orders/Get' })), 'one');
        assert.equal(upstream.requests[0]!.path, '/shop.v2.Orders/Get');
      },
    },
    {
      name: 'host-is-rewritten',
      says: 'The endpoint is told the host that the caller wrote, or the one of the rewrite.',
      async check(setting) {
        const upstream = await setting.upstream('one');
        await setting.orders([upstream], {
          routes: [{ match: { path: { exact: '/shop.Orders/List' } }, rewrite: { host: 'orders.internal' } }, {}],
        });
        answered(await setting.call({ path: '/shop.Orders/Get' }));
        answered(await setting.call({ path: '/shop.Orders/List' }));
        assert.deepEqual(
          upstream.requests.map(({ host }) => host),
          ['orders', 'orders.internal'],
        );
      },
    },
    {
      name: 'request-headers-are-edited',
      says: 'Headers, or metadata, of a request are added, set and taken off.',
      async check(setting) {
        const upstream = await setting.upstream('one');
        await setting.orders([upstream], {
          requestHeaders: { remove: ['x-secret'], set: { 'x-team': 'shop' }, setIfAbsent: { 'x-kept': 'no' } },
        });
        answered(await setting.call({ headers: { 'x-secret': '1', 'x-team': 'other', 'x-kept': 'yes' } }));
        const { headers } = upstream.requests[0]!;
        assert.deepEqual([headers['x-secret'], headers['x-team'], headers['x-kept']], [undefined, 'shop', 'yes']);
      },
    },
    {
      name: 'response-headers-are-edited',
      says: 'Headers, or initial metadata, of a response are added, set and taken off.',
      notFor: { WebSocket: 'The WebSocket of the web shows no headers of its handshake.' },
      async check(setting) {
        const upstream = await setting.upstream('one', { headers: { 'x-internal': '1', 'x-team': 'other' } });
        await setting.orders([upstream], { responseHeaders: { remove: ['x-internal'], set: { 'x-team': 'shop' } } });
        const { headers } = answered(await setting.call());
        assert.deepEqual([headers!['x-internal'], headers!['x-team']], [undefined, 'shop']);
      },
    },
    {
      name: 'redirect-of-a-route',
      says: 'A redirect of a route comes without an endpoint; clients that follow redirects follow it, through the mesh.',
      notFor: {
        rpc: 'RPC has no redirects: the answer is an error of the transport.',
        websocket: 'A handshake is not redirected (RFC 6455, section 4.1, lets clients fail).',
      },
      async check(setting) {
        const upstream = await setting.upstream('one');
        await setting.orders([upstream], {
          routes: [{ match: { path: { exact: '/old' } }, redirect: { status: 307, path: { full: '/new' } } }, {}],
        });
        const outcome = await setting.call({ path: '/old' });
        const follows = !['undici', 'node:http', 'AWS SDK'].includes(setting.client.name);
        const { headers } = answered(outcome, follows ? 200 : 307);
        if (!follows) assert.equal(headers!['location'], 'http://orders/new');
        assert.deepEqual(
          upstream.requests.map(({ path }) => path),
          follows ? ['/new'] : [],
        );
      },
    },
    {
      name: 'answer-of-a-route',
      says: 'A route may answer itself, without an endpoint.',
      async check(setting) {
        const upstream = await setting.upstream('one');
        await setting.orders([upstream], { routes: [{ respond: { status: 403, body: 'closed' } }] });
        setting.answered(await setting.call(), 403);
        assert.equal(upstream.requests.length, 0);
      },
    },
    {
      name: 'unknown-host',
      says: 'A host that no control plane knows is refused where the mesh is told to.',
      async check(setting) {
        const upstream = await setting.upstream('one');
        await setting.orders([upstream]);
        const outcome = await setting.call({ host: 'unknown' });
        // A request that no part of the configuration takes up is no request of the mesh's telemetry.
        if (setting.client.name === 'WebSocket') assert.equal(outcome.kind, 'failure');
        else setting.failed(outcome, 'MESH_UNKNOWN_HOST');
        assert.equal(upstream.connections(), 0);
      },
    },
    {
      name: 'no-route',
      says: 'A request that no route takes fails, and says so.',
      async check(setting) {
        const upstream = await setting.upstream('one');
        await setting.orders([upstream], { routes: [{ match: { path: { exact: '/shop.Orders/List' } } }] });
        setting.failed(await setting.call({ path: '/shop.Orders/Get' }), 'MESH_NO_ROUTE');
        answered(await setting.call({ path: '/shop.Orders/List' }));
        assert.equal(upstream.requests.length, 1);
      },
    },
    {
      name: 'by-the-configuration-of-now',
      says: 'A change of the configuration holds for the next request.',
      async check(setting) {
        const [first, second] = [await setting.upstream('first'), await setting.upstream('second')];
        const plane = await setting.plane([first]);
        assert.equal(textOf(await setting.call()), 'first');
        await plane([second]);
        assert.equal(textOf(await setting.call()), 'second');
      },
    },
  ],
};

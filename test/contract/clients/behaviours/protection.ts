import assert from 'node:assert/strict';
import type { Clock } from 'meshfetch';
import { eventually, held, type ServiceInput } from '../../../support/mesh-of.ts';
import type { Subject } from '../behaviour.ts';
import { answered, textOf } from '../outcome.ts';
import { shares } from '../setting.ts';
import { meshFetchClient } from '../adapters/fetch-clients.ts';
import { undiciClient } from '../adapters/undici-client.ts';

const ejectAfterTwo: ServiceInput = {
  outlierDetection: { cusum: false, consecutive5xx: 2, baseEjectionMs: 30_000, maxEjectionPercent: 100 },
  localities: { panicThresholdPercent: 0 },
};
const breaker: ServiceInput = {
  circuitBreaker: { errorThresholdPercent: 50, minimumRequests: 2, openMs: 5000, windowMs: 10_000, scope: 'service' },
};

/** What is kept from endpoints that fail, and from services that have enough to do. */
export const protection: Subject = {
  title: 'Ejection, breakers, limits and faults',
  behaviours: [
    {
      name: 'ejection',
      says: 'An endpoint that fails in a row is ejected, and gets no requests meanwhile.',
      async check(setting) {
        const upstreams = [await setting.upstream('bad', { status: 503 }), await setting.upstream('good')];
        await setting.orders(upstreams, ejectAfterTwo, { clock: setting.clock() });
        await setting.calls(12);
        assert.equal(upstreams[0]!.requests.length, 2);
        assert.equal(upstreams[1]!.requests.length, 10);
        assert.equal(setting.heard('host:ejected').length, 1);
      },
    },
    {
      name: 'return-of-an-ejected-endpoint',
      says: 'After its ejection an endpoint gets one request, and its share again when that succeeds.',
      async check(setting) {
        let isWell = false;
        const bad = await setting.upstream('bad', () => (isWell ? {} : { status: 503 }));
        await setting.orders([bad, await setting.upstream('good')], {
          ...ejectAfterTwo,
          outlierDetection: { cusum: false, consecutive5xx: 2, baseEjectionMs: 100, maxEjectionMs: 100, maxEjectionPercent: 100 },
        });
        while (setting.heard('host:ejected').length === 0) await setting.call();
        isWell = true;
        while (setting.heard('host:returned').length === 0) answered(await setting.call());
        assert.equal(bad.requests.length, 3, 'two that failed, and the one that asked');
        for (const outcome of await setting.calls(20)) answered(outcome);
        assert.ok(bad.requests.length > 3, 'it has a share again');
      },
    },
    {
      name: 'ejection-by-another-client',
      says: 'What one client found out holds for all: an endpoint that another client’s requests ejected is left alone.',
      async check(setting) {
        const upstreams = [await setting.upstream('bad', { status: 503 }), await setting.upstream('good')];
        const mesh = await setting.orders(upstreams, ejectAfterTwo, { clock: setting.clock() });
        const other = (setting.client === meshFetchClient ? undiciClient : meshFetchClient).over(mesh);
        for (let count = 0; count < 4; count++) await other.call({});
        assert.deepEqual(shares(upstreams), [2, 2]);
        for (const outcome of await setting.calls(4)) assert.equal(textOf(outcome), 'good');
        assert.deepEqual(shares(upstreams), [2, 6]);
      },
    },
    {
      name: 'open-breaker',
      says: 'An open circuit breaker fails requests at once, with nothing sent.',
      async check(setting) {
        const upstream = await setting.upstream('one', { status: 503 });
        await setting.orders([upstream], breaker, { clock: setting.clock() });
        for (const outcome of await setting.calls(2)) setting.answered(outcome, 503);
        await eventually('it opened', () => setting.heard('breaker:opened').length === 1);
        setting.failed(await setting.call(), 'MESH_CIRCUIT_OPEN');
        assert.equal(upstream.requests.length, 2);
      },
    },
    {
      name: 'half-open-breaker',
      says: 'After its time a breaker lets one request through, and closes when that succeeds.',
      async check(setting) {
        const upstream = await setting.upstream('one', ({ number }) => (number <= 2 ? { status: 503 } : {}));
        await setting.orders([upstream], { circuitBreaker: { ...(breaker.circuitBreaker as object), openMs: 400 } });
        await setting.calls(2);
        setting.failed(await setting.call(), 'MESH_CIRCUIT_OPEN');
        assert.equal(upstream.requests.length, 2);
        // What fails at once leaves the loop no turn: the time of the breaker needs one.
        let outcome = await setting.call();
        for (; outcome.kind === 'failure'; outcome = await setting.call()) await new Promise((turn) => setTimeout(turn, 5));
        assert.equal(textOf(outcome), 'one');
        await eventually('it closed', () => setting.heard('breaker:closed').length === 1);
        assert.equal(textOf(await setting.call()), 'one');
        assert.equal(upstream.requests.length, 4);
      },
    },
    {
      name: 'fallback-of-a-breaker',
      says: 'While the breaker of a service is open another service answers, where the policy names one.',
      async check(setting) {
        const upstreams = [await setting.upstream('one', { status: 503 }), await setting.upstream('other')];
        const { address } = upstreams[1]!;
        await setting.mesh(
          {
            orders: {
              endpoints: [upstreams[0]!.address],
              retry: { maxAttempts: 1 },
              outlierDetection: false,
              circuitBreaker: { ...(breaker.circuitBreaker as object), fallback: { service: 'other' } },
            },
            other: { endpoints: [address] },
          },
          { clock: setting.clock() },
        );
        await setting.calls(2);
        assert.equal(textOf(await setting.call()), 'other');
        assert.deepEqual(shares(upstreams), [2, 1]);
      },
    },
    {
      name: 'limit-of-requests',
      says: 'Above the limit of requests in flight a request fails at once.',
      async check(setting) {
        const { promise, resolve } = Promise.withResolvers<void>();
        const upstream = await setting.upstream('one', { after: promise });
        await setting.orders([upstream], { limits: { maxRequests: 1 } });
        const first = setting.call();
        await eventually('the first is there', () => upstream.requests.length === 1);
        setting.failed(await setting.call(), 'MESH_OVERFLOW');
        resolve();
        assert.equal(textOf(await first), 'one');
        assert.equal(upstream.requests.length, 1);
      },
    },
    {
      name: 'limit-over-all-clients',
      says: 'Limits are those of the service in this process, whichever clients its requests come from.',
      async check(setting) {
        const { promise, resolve } = Promise.withResolvers<void>();
        const upstream = await setting.upstream('one', { after: promise });
        const mesh = await setting.orders([upstream], { limits: { maxRequests: 1 } });
        const other = (setting.client === meshFetchClient ? undiciClient : meshFetchClient).over(mesh);
        const first = other.call({});
        await eventually('the first is there', () => upstream.requests.length === 1);
        setting.failed(await setting.call(), 'MESH_OVERFLOW');
        resolve();
        assert.equal(textOf(await first), 'one');
      },
    },
    {
      name: 'limit-of-pending-requests',
      says: 'With one connection and one place to wait, the third request fails at once.',
      notFor: {
        rpc: 'Calls share a connection of HTTP/2, where none waits.',
      },
      async check(setting) {
        const { promise, resolve } = Promise.withResolvers<void>();
        const upstream = await setting.upstream('one', { after: promise });
        const mesh = await setting.orders([upstream], {
          protocol: 'http1',
          limits: { maxConnections: 1, maxPendingRequests: 1 },
        });
        const first = setting.call();
        await eventually('the first is there', () => upstream.requests.length === 1);
        const second = setting.call();
        await eventually('the second waits', () => held(mesh).requests === 2);
        setting.failed(await setting.call(), 'MESH_OVERFLOW');
        resolve();
        assert.equal(textOf(await first), 'one');
        assert.equal(textOf(await second), 'one');
        assert.equal(upstream.connections() <= 2, true);
      },
    },
    {
      name: 'rate-limit',
      says: 'A rate limit refuses what is above it, with nothing sent.',
      async check(setting) {
        const upstream = await setting.upstream('one');
        await setting.orders([upstream], { rateLimit: { requests: 2, perMs: 60_000 } }, { clock: setting.clock() });
        const [first, second, third] = await setting.calls(3);
        answered(first!);
        answered(second!);
        // RPC knows 429 as UNAVAILABLE (HTTP to gRPC status codes; Connect's the same).
        setting.answered(third!, setting.client.family === 'rpc' ? 503 : 429);
        assert.equal(upstream.requests.length, 2);
      },
    },
    {
      name: 'fault-abort',
      says: 'An injected fault answers in place of the endpoint.',
      async check(setting) {
        const upstream = await setting.upstream('one');
        await setting.orders([upstream], { fault: { abort: { status: 503 } } });
        setting.answered(await setting.call(), 503);
        assert.equal(upstream.connections(), 0);
      },
    },
    {
      name: 'fault-delay',
      says: 'An injected delay holds a request back before it is sent.',
      async check(setting) {
        const clock = setting.clock();
        let isHeldBack = false;
        const watched: Clock = {
          ...clock,
          setTimer(callback, delayMs) {
            if (delayMs === 700) isHeldBack = true;
            return clock.setTimer(callback, delayMs);
          },
        };
        const upstream = await setting.upstream('one');
        const mesh = await setting.orders([upstream], { fault: { delay: { fixedMs: 700 } } }, { clock: watched });
        const outcome = setting.call();
        await eventually('it is held back', () => isHeldBack);
        await clock.advance(699);
        assert.equal(upstream.requests.length, 0);
        await clock.advance(2);
        assert.equal(textOf(await outcome), 'one');
        await eventually('nothing is held', () => held(mesh).requests === 0);
      },
    },
  ],
};

import assert from 'node:assert/strict';
import { eventually, type ServiceInput } from '../../../support/mesh-of.ts';
import type { Script } from '../act.ts';
import type { Subject } from '../behaviour.ts';
import { answered, failed, textOf } from '../outcome.ts';
import { closedAddress, shares } from '../setting.ts';
import { alwaysRepeatable, handshakeOnce, onlyGets } from './reasons.ts';

const on = ['connect-failure', 'refused-stream', 'reset', 'gateway-error', 'unavailable'] as const;
const backoff = { baseMs: 1, maxMs: 1 };

/** So many attempts, in all, of what fails in any way. */
function retrying(maxAttempts: number, more: NonNullable<ServiceInput['retry']> = {}): ServiceInput {
  return { retry: { maxAttempts, on: [...on], backoff, ...more } };
}

/** 503 for the first requests, 200 after that. */
const failing =
  (count: number, more: object = {}): Script =>
  ({ number }) =>
    number <= count ? { status: 503, ...more } : {};

/** Attempts after the first, at the same time as it or later. */
export const retries: Subject = {
  title: 'Retries and hedges',
  behaviours: [
    {
      name: 'retry-of-503',
      says: 'A request that is answered 503 (UNAVAILABLE) is sent again, to another endpoint.',
      notFor: handshakeOnce,
      async check(setting) {
        const upstreams = [await setting.upstream('bad', { status: 503 }), await setting.upstream('good')];
        await setting.orders(upstreams, retrying(2));
        for (const outcome of await setting.calls(4)) assert.equal(textOf(outcome), 'good');
        assert.equal(upstreams[1]!.requests.length, 4);
        assert.ok(upstreams[0]!.requests.length > 0, 'nothing was retried');
      },
    },
    {
      name: 'retry-of-a-reset',
      says: 'A request whose connection, or stream, breaks before the response is sent again.',
      notFor: handshakeOnce,
      async check(setting) {
        const upstream = await setting.upstream('one', ({ number }) => (number === 1 ? { breaksOff: 'before-head' } : {}));
        await setting.orders([upstream], retrying(2, { nonIdempotent: 'as-configured' }));
        assert.equal(textOf(await setting.call()), 'one');
        assert.equal(upstream.requests.length, 2);
      },
    },
    {
      name: 'retry-of-a-failed-connection',
      says: 'A request for which no connection can be made goes to another endpoint, whatever its method.',
      async check(setting) {
        const upstream = await setting.upstream('one');
        await setting.orders([upstream], { endpoints: [await closedAddress(), upstream.address], ...retrying(2) });
        for (const outcome of await setting.calls(4, () => ({ method: 'POST', body: Buffer.from('tea') })))
          assert.equal(textOf(outcome), 'one');
        assert.equal(upstream.requests.length, 4);
        assert.equal((await upstream.requests[0]!.body).toString(), 'tea');
      },
    },
    {
      name: 'retry-of-a-refused-stream',
      says: 'A request whose stream of HTTP/2 is refused is sent again: it was not processed.',
      notFor: { websocket: 'A WebSocket takes HTTP/1.1, which refuses no streams.' },
      async check(setting) {
        const upstream = await setting.upstream('one', ({ number }) => (number === 1 ? { isRefused: true } : {}));
        await setting.orders([upstream], { protocol: 'http2', ...retrying(2, { on: ['refused-stream'] }) });
        assert.equal(textOf(await setting.call({ method: 'POST', body: Buffer.from('tea') })), 'one');
        assert.equal(upstream.requests.length, 2);
      },
    },
    {
      name: 'body-is-sent-again',
      says: 'Another attempt carries the whole request body again.',
      notFor: { websocket: 'Messages follow the handshake, and the handshake alone is tried again.' },
      async check(setting) {
        const upstream = await setting.upstream('one', failing(1));
        await setting.orders([upstream], retrying(2, { nonIdempotent: 'as-configured' }));
        const body = Buffer.alloc(10_000, 'tea ');
        answered(await setting.call({ method: 'PUT', body }));
        assert.equal(upstream.requests.length, 2);
        for (const request of upstream.requests) assert.deepEqual(await request.body, body);
      },
    },
    {
      name: 'no-second-post',
      says: 'A POST that may have been processed is not sent again.',
      notFor: { ...onlyGets, ...alwaysRepeatable },
      async check(setting) {
        const upstream = await setting.upstream('one', { breaksOff: 'before-head' });
        await setting.orders([upstream], retrying(3));
        const error = failed(await setting.call({ method: 'POST', body: Buffer.from('tea') }), 'MESH_RESET');
        assert.equal(error.mayHaveBeenProcessed, true);
        assert.equal(upstream.requests.length, 1);
      },
    },
    {
      name: 'attempts-are-bounded',
      says: 'When every attempt fails, the last answer is what the client sees.',
      notFor: handshakeOnce,
      async check(setting) {
        const upstream = await setting.upstream('one', { status: 503 });
        await setting.orders([upstream], retrying(3));
        setting.answered(await setting.call(), 503);
        assert.equal(upstream.requests.length, 3);
      },
    },
    {
      name: 'attempts-are-numbered',
      says: 'The endpoint is told which attempt it gets, and the client how many there were where the route says so.',
      notFor: handshakeOnce,
      async check(setting) {
        const upstream = await setting.upstream('one', failing(1));
        await setting.orders([upstream], retrying(2));
        answered(await setting.call());
        const numbers = upstream.requests.map(({ headers }) => headers['x-envoy-attempt-count'] ?? '1');
        assert.deepEqual(numbers, ['1', '2']);
        if (setting.client.name !== 'grpc-js') return;
        assert.equal(upstream.requests[1]!.headers['grpc-previous-rpc-attempts'], '1');
      },
    },
    {
      name: 'budget',
      says: 'A budget bounds the retries of a service that fails altogether.',
      notFor: handshakeOnce,
      async check(setting) {
        const upstream = await setting.upstream('one', { status: 503 });
        await setting.orders([upstream], retrying(2, { budget: { ratio: 0, minTokens: 2 } }));
        await setting.calls(8);
        const retried = upstream.requests.length - 8;
        assert.ok(retried > 0 && retried < 8, `${retried} retries of 8 requests`);
        assert.ok(setting.heard('retry:denied').some(({ reason }) => reason === 'budget'));
      },
    },
    {
      name: 'backoff',
      says: 'The wait before another attempt is by chance, from the back-off of the policy.',
      notFor: handshakeOnce,
      async check(setting) {
        const clock = setting.clock();
        const upstream = await setting.upstream('one', failing(1));
        await setting.orders([upstream], retrying(2, { backoff: { baseMs: 1000, maxMs: 1000 } }), { clock, random: () => 0.5 });
        const outcome = setting.call();
        await eventually('it waits', () => setting.heard('retry:scheduled').length === 1);
        const { delayMs } = setting.heard('retry:scheduled')[0]!;
        assert.ok(delayMs > 400 && delayMs < 600, `${delayMs} ms`);
        await clock.advance(delayMs - 1);
        assert.equal(upstream.requests.length, 1);
        await clock.advance(2);
        assert.equal(textOf(await outcome), 'one');
        assert.equal(upstream.requests.length, 2);
      },
    },
    {
      name: 'wait-that-the-server-asks-for',
      says: 'Another attempt waits as long as the response asks (Retry-After, grpc-retry-pushback-ms).',
      notFor: handshakeOnce,
      async check(setting) {
        const clock = setting.clock();
        const headers = { 'retry-after': '3', 'grpc-retry-pushback-ms': '3000' };
        const upstream = await setting.upstream('one', failing(1, { headers }));
        await setting.orders([upstream], retrying(2), { clock });
        const outcome = setting.call();
        await eventually('it waits', () => setting.heard('retry:scheduled').length === 1);
        await clock.advance(2999);
        assert.equal(upstream.requests.length, 1);
        await clock.advance(2);
        assert.equal(textOf(await outcome), 'one');
      },
    },
    {
      name: 'hedge',
      says: 'When the first attempt takes long a second one starts, the first answer wins and the other attempt is cancelled.',
      notFor: { websocket: 'An upgrade is not hedged: the one that loses would stay open.' },
      async check(setting) {
        const clock = setting.clock();
        const upstreams = [await setting.upstream('silent', { isSilent: true }), await setting.upstream('quick')];
        await setting.orders(
          upstreams,
          { hedge: { delayMs: 100 }, retry: { maxAttempts: 2, on: ['gateway-error'], nonIdempotent: 'as-configured' } },
          { clock },
        );
        const outcome = setting.call();
        await eventually('one was asked', () => upstreams.some(({ requests }) => requests.length === 1));
        if (upstreams[0]!.requests.length === 1) await clock.advance(101);
        assert.equal(textOf(await outcome), 'quick');
        if (upstreams[0]!.requests.length === 0) {
          const second = setting.call();
          await eventually('the silent one was asked', () => upstreams[0]!.requests.length === 1);
          await clock.advance(101);
          assert.equal(textOf(await second), 'quick');
        }
        await eventually('the loser was given up', () => upstreams[0]!.requests[0]!.isGivenUp);
        assert.ok(shares(upstreams)[1]! >= 1);
      },
    },
    {
      name: 'per-try-timeout',
      says: 'An attempt that takes too long is given up, and the next one answers.',
      notFor: handshakeOnce,
      async check(setting) {
        const clock = setting.clock();
        const upstream = await setting.upstream('one', ({ number }) => ({ isSilent: number === 1 }));
        await setting.orders(
          [upstream],
          retrying(2, { on: [...on, 'per-try-timeout'], perTryTimeoutMs: 200, nonIdempotent: 'as-configured' }),
          {
            clock,
            random: () => 0,
          },
        );
        const outcome = setting.call();
        await eventually('it was asked', () => upstream.requests.length === 1);
        await clock.advance(201);
        await eventually('it was asked again', () => upstream.requests.length === 2, 5000);
        assert.equal(textOf(await outcome), 'one');
        await eventually('the first was given up', () => upstream.requests[0]!.isGivenUp);
      },
    },
  ],
};

import assert from 'node:assert/strict';
import { requestContextFrom, withRequestContext } from 'meshfetch';
import { eventually, held } from '../../../support/mesh-of.ts';
import type { Subject } from '../behaviour.ts';
import { handshakeOnce, ownSocket } from './reasons.ts';
import { meshErrorIn, outcomeOf } from '../outcome.ts';

/** The first part, and nothing after it. */
async function* stalls(): AsyncGenerator<Buffer> {
  yield Buffer.from('first');
  await new Promise(() => {});
}

/** How long a request may take, and what ends one. */
export const time: Subject = {
  title: 'Timeouts, deadlines and aborts',
  behaviours: [
    {
      name: 'timeout-of-the-route',
      says: 'The timeout of a route ends a request, and the endpoint is told.',
      async check(setting) {
        const clock = setting.clock();
        const upstream = await setting.upstream('one', { isSilent: true });
        const mesh = await setting.orders([upstream], { timeoutMs: 500 }, { clock });
        const outcome = setting.call();
        await eventually('it was asked', () => upstream.requests.length === 1);
        await clock.advance(501);
        setting.failed(await outcome, 'MESH_TIMEOUT');
        await eventually('it was given up', () => upstream.requests[0]!.isGivenUp);
        await eventually('nothing is held', () => held(mesh).requests === 0 && held(mesh).inFlight === 0);
      },
    },
    {
      name: 'deadline-of-the-inbound-request',
      says: 'A request made while serving another one ends with the deadline of that, which the endpoint is told.',
      async check(setting) {
        const clock = setting.clock();
        const upstream = await setting.upstream('one', { isSilent: true });
        await setting.orders([upstream], {}, { clock });
        const context = requestContextFrom({ 'grpc-timeout': '2S' }, { now: clock.now(), isTrusted: true });
        const outcome = withRequestContext(context, () => setting.call());
        await eventually('it was asked', () => upstream.requests.length === 1);
        const { headers } = upstream.requests[0]!;
        const told = headers['grpc-timeout'] ?? headers['x-envoy-expected-rq-timeout-ms'];
        assert.ok(told === '2000' || told === '2000m' || told === '2S', `told ${told}`);
        await clock.advance(2001);
        setting.failed(await outcome, 'MESH_TIMEOUT');
      },
    },
    {
      name: 'silence-within-the-response',
      says: 'A response that stands still for too long is ended.',
      notFor: ownSocket,
      async check(setting) {
        const clock = setting.clock();
        const upstream = await setting.upstream('one', { messages: stalls() });
        const mesh = await setting.orders([upstream], { streamIdleTimeoutMs: 1000 }, { clock });
        const exchange = await setting.open();
        const messages = exchange.messages[Symbol.asyncIterator]();
        assert.equal((await messages.next()).value?.toString(), 'first');
        const next = outcomeOf(messages.next().then(() => exchange));
        await clock.advance(1001);
        const outcome = await next;
        assert.equal(outcome.kind, 'failure');
        assert.equal(setting.codeOf(outcome), 'MESH_IDLE_TIMEOUT');
        await eventually('nothing is held', () => held(mesh).requests === 0 && held(mesh).inFlight === 0);
      },
    },
    {
      name: 'longest-stream',
      says: 'A stream that moves on is ended when it lasts longer than a stream may.',
      notFor: ownSocket,
      async check(setting) {
        const clock = setting.clock();
        const upstream = await setting.upstream('one', { messages: stalls() });
        await setting.orders([upstream], { maxStreamDurationMs: 5000 }, { clock });
        const exchange = await setting.open();
        const messages = exchange.messages[Symbol.asyncIterator]();
        await messages.next();
        const next = outcomeOf(messages.next().then(() => exchange));
        await clock.advance(5001);
        assert.equal(setting.codeOf(await next), 'MESH_STREAM_DURATION');
        await eventually('it was given up', () => upstream.requests[0]!.isGivenUp);
      },
    },
    {
      name: 'no-time-is-added',
      says: 'Without a configured limit a response may be silent for an hour.',
      async check(setting) {
        const clock = setting.clock();
        const { promise, resolve } = Promise.withResolvers<void>();
        const upstream = await setting.upstream('one', { after: promise });
        await setting.orders([upstream], {}, { clock });
        const outcome = setting.call();
        await eventually('it was asked', () => upstream.requests.length === 1);
        await clock.advance(3_600_000);
        resolve();
        setting.answered(await outcome, 200);
      },
    },
    {
      name: 'abort-before-it-is-sent',
      says: 'A request that is given up at once is not sent.',
      notFor: { 'grpc-js': 'grpc-js sends a call that is cancelled in the turn that made it, with a mesh and without.' },
      async check(setting) {
        const upstream = await setting.upstream('one');
        const mesh = await setting.orders([upstream]);
        const outcome = await setting.call({ signal: AbortSignal.abort() });
        assert.equal(outcome.kind, 'failure');
        assert.equal(meshErrorIn(outcome.error), undefined, 'it is no failure of the mesh');
        assert.deepEqual(held(mesh), { requests: 0, inFlight: 0 });
        assert.equal(upstream.requests.length, 0);
      },
    },
    {
      name: 'abort-while-it-waits',
      says: 'A request that is given up while it waits for the response is cancelled at the endpoint.',
      async check(setting) {
        const upstream = await setting.upstream('one', { isSilent: true });
        const mesh = await setting.orders([upstream]);
        const caller = new AbortController();
        const outcome = setting.call({ signal: caller.signal });
        await eventually('it was asked', () => upstream.requests.length === 1);
        caller.abort();
        const result = await outcome;
        assert.equal(result.kind, 'failure');
        assert.equal(meshErrorIn(result.error), undefined, 'it is no failure of the mesh');
        await eventually('it was given up', () => upstream.requests[0]!.isGivenUp);
        await eventually('nothing is held', () => held(mesh).requests === 0 && held(mesh).inFlight === 0);
        assert.equal(mesh.status().clusters[0]!.endpoints[0]!.failures, 0, 'it counts as no failure of the endpoint');
      },
    },
    {
      name: 'abort-within-the-response',
      says: 'A request that is given up within its response is cancelled at the endpoint.',
      async check(setting) {
        const upstream = await setting.upstream('one', { messages: stalls() });
        const mesh = await setting.orders([upstream]);
        const exchange = await setting.open();
        const messages = exchange.messages[Symbol.asyncIterator]();
        assert.equal((await messages.next()).value?.toString(), 'first');
        const next = messages.next().then(
          () => {},
          () => {},
        );
        exchange.cancel();
        await next;
        await eventually('it was given up', () => upstream.requests[0]!.isGivenUp);
        await eventually('nothing is held', () => held(mesh).requests === 0 && held(mesh).inFlight === 0);
      },
    },
    {
      name: 'abort-while-it-waits-for-another-attempt',
      says: 'A request that is given up between two attempts is not sent again.',
      notFor: handshakeOnce,
      async check(setting) {
        const clock = setting.clock();
        const upstream = await setting.upstream('one', { status: 503 });
        const mesh = await setting.orders(
          [upstream],
          { retry: { maxAttempts: 2, on: ['gateway-error', 'unavailable'], backoff: { baseMs: 1000, maxMs: 1000 } } },
          { clock, random: () => 0.9 },
        );
        const caller = new AbortController();
        const outcome = setting.call({ signal: caller.signal });
        await eventually('it waits', () => setting.heard('retry:scheduled').length === 1);
        caller.abort();
        assert.equal((await outcome).kind, 'failure');
        await clock.advance(2000);
        assert.equal(upstream.requests.length, 1);
        assert.deepEqual(held(mesh), { requests: 0, inFlight: 0 });
      },
    },
  ],
};

import assert from 'node:assert/strict';
import { eventually } from '../../../support/mesh-of.ts';
import { standsStill } from '../../../support/stands-still.ts';
import type { Script } from '../act.ts';
import type { Subject } from '../behaviour.ts';
import { answered, outcomeOf } from '../outcome.ts';
import type { Setting } from '../setting.ts';
import { hidesHandshake, noTrailers, onlyGets } from './reasons.ts';

const mebibyte = 1_048_576;

/** Bytes that differ from place to place. */
function bytesOf(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE((at * 2_654_435_761) % 4_294_967_296, at);
  return bytes;
}

/** Answers when the request is there; a WebSocket is accepted first, and closed then. */
function afterTheRequest({ client }: Setting): Script {
  return (request) => (client.family === 'websocket' ? {} : { after: request.body });
}

/** What goes through, whole, in parts and at what pace. */
export const bodies: Subject = {
  title: 'Bodies and streams',
  behaviours: [
    {
      name: 'large-response',
      says: 'Four mebibytes of a response arrive as they were sent.',
      async check(setting) {
        const body = bytesOf(4 * mebibyte);
        const upstream = await setting.upstream('one', { body });
        await setting.orders([upstream]);
        assert.ok(answered(await setting.call()).body.equals(body));
      },
    },
    {
      name: 'large-request',
      says: 'Four mebibytes of a request arrive as they were sent.',
      async check(setting) {
        const body = bytesOf(4 * mebibyte);
        const upstream = await setting.upstream('one', afterTheRequest(setting));
        await setting.orders([upstream]);
        answered(await setting.call({ method: 'POST', body }));
        assert.ok((await upstream.requests[0]!.body).equals(body));
        assert.equal(upstream.requests.length, 1);
      },
    },
    {
      name: 'response-in-parts',
      says: 'The first part of a response is there before the next one is sent.',
      async check(setting) {
        const { promise, resolve } = Promise.withResolvers<void>();
        const parts = async function* (): AsyncGenerator<Buffer> {
          yield Buffer.from('first');
          await promise;
          yield Buffer.from('second');
        };
        const upstream = await setting.upstream('one', { messages: parts() });
        await setting.orders([upstream]);
        const exchange = await setting.open();
        const messages = exchange.messages[Symbol.asyncIterator]();
        assert.equal((await messages.next()).value?.toString(), 'first');
        assert.equal(upstream.requests[0]!.sent, 5);
        resolve();
        assert.equal((await messages.next()).value?.toString(), 'second');
        assert.equal((await messages.next()).done, true);
      },
    },
    {
      name: 'request-in-parts',
      says: 'The first part of a request is at the endpoint before the next one is written.',
      async check(setting) {
        const upstream = await setting.upstream('one', afterTheRequest(setting));
        await setting.orders([upstream]);
        const parts = async function* (): AsyncGenerator<Buffer> {
          yield Buffer.from('first ');
          await eventually('the first is there', () => upstream.requests[0]?.received === 6);
          yield Buffer.from('second');
        };
        answered(await outcomeOf(setting.open({ method: 'POST', body: parts() })));
        assert.equal((await upstream.requests[0]!.body).toString(), 'first second');
      },
    },
    {
      name: 'both-ways-at-once',
      says: 'Parts of the response come while parts of the request are still written.',
      notFor: {
        meshFetch: 'fetch is half duplex: its response comes when the request is sent (WHATWG fetch, `duplex`).',
        'axios (fetch)': 'As fetch.',
        ky: 'As fetch.',
        axios: 'axios gives the response when the request is sent.',
        got: 'got ends its stream of the response with the request.',
        Connect: 'The endpoint of this table serves streams of Connect over gRPC.',
      },
      async check(setting) {
        const upstream = await setting.upstream('one', (request) => ({ messages: echoes(request) }));
        await setting.orders([upstream]);
        const heard = Promise.withResolvers<void>();
        const parts = async function* (): AsyncGenerator<Buffer> {
          yield Buffer.from('tea!');
          await heard.promise;
          yield Buffer.from('milk');
        };
        const exchange = await setting.open({ method: 'POST', body: parts() });
        const messages = exchange.messages[Symbol.asyncIterator]();
        assert.equal((await messages.next()).value?.toString(), 'got 4');
        heard.resolve();
        assert.equal((await messages.next()).value?.toString(), 'got 8');
        assert.equal((await messages.next()).done, true);
      },
    },
    {
      name: 'slow-reader',
      says: 'A caller that does not read stops the endpoint: no more than buffers is sent.',
      notFor: { websocket: 'A WebSocket has no way to stop its peer: messages come as events.' },
      async check(setting) {
        const chunk = Buffer.alloc(65_536, 'x');
        const total = 64 * mebibyte;
        const parts = async function* (): AsyncGenerator<Buffer> {
          for (let sent = 0; sent < total; sent += chunk.length) yield chunk;
        };
        const upstream = await setting.upstream('one', { messages: parts() });
        await setting.orders([upstream]);
        const exchange = await setting.open();
        const messages = exchange.messages[Symbol.asyncIterator]();
        await messages.next();
        const sent = await standsStill(() => upstream.requests[0]!.sent);
        assert.ok(sent < total / 2, `${sent} bytes were sent to somebody who does not read`);
        exchange.cancel();
        await eventually('it was given up', () => upstream.requests[0]!.isGivenUp);
      },
    },
    {
      name: 'broken-response',
      says: 'A response that breaks off is a failure, never a short response; it is not sent again.',
      async check(setting) {
        const upstream = await setting.upstream('one', { breaksOff: 'in-body' });
        await setting.orders([upstream], { retry: { maxAttempts: 3, on: ['reset', 'connect-failure'] } });
        const outcome = await outcomeOf(setting.open());
        assert.equal(outcome.kind, 'failure');
        if (setting.client.family !== 'websocket') assert.equal(setting.codeOf(outcome), 'MESH_BODY_ABORTED');
        assert.equal(upstream.requests.length, 1);
      },
    },
    {
      name: 'trailers',
      says: 'Trailers, or trailing metadata, reach the caller.',
      notFor: noTrailers,
      async check(setting) {
        const upstream = await setting.upstream('one', {
          messages: (async function* () {
            yield Buffer.from('x');
          })(),
          trailers: { 'x-checksum': 'abc' },
        });
        await setting.orders([upstream]);
        const outcome = answered(await outcomeOf(setting.open()));
        assert.equal(outcome.trailers!['x-checksum'], 'abc');
      },
    },
    {
      name: 'early-hints',
      says: 'A response 103 reaches the caller before the final one.',
      notFor: {
        rpc: 'RPC has no informational responses.',
        ...onlyGets,
        websocket: 'A handshake has no informational responses.',
        meshFetch: 'fetch shows no responses 1xx.',
        'axios (fetch)': 'fetch shows no responses 1xx.',
        ky: 'fetch shows no responses 1xx.',
        axios: 'axios does not tell of them.',
        got: 'got does not tell of them.',
        'AWS SDK': 'The handler does not tell of them.',
      },
      async check(setting) {
        const upstream = await setting.upstream('one', { earlyHints: { 'x-hint': 'soon' } });
        await setting.orders([upstream]);
        const early: unknown[] = [];
        const outcome = await setting.call({ onInformation: (status, headers) => early.push([status, headers['x-hint']]) });
        answered(outcome);
        assert.deepEqual(early, [[103, 'soon']]);
      },
    },
    {
      name: 'response-headers',
      says: 'Headers of the endpoint, or initial metadata, reach the caller as they are.',
      notFor: hidesHandshake,
      async check(setting) {
        const upstream = await setting.upstream('one', { headers: { 'x-answer': 'forty-two' } });
        await setting.orders([upstream]);
        assert.equal(answered(await setting.call()).headers!['x-answer'], 'forty-two');
      },
    },
    {
      name: 'failure-of-the-endpoint',
      says: 'An answer of the endpoint that is no success is the endpoint’s, and no error of the mesh.',
      async check(setting) {
        const upstream = await setting.upstream('one', { status: 404 });
        await setting.orders([upstream]);
        setting.answered(await setting.call(), 404);
        assert.equal(upstream.requests.length, 1);
      },
    },
  ],
};

async function* echoes(request: { readonly received: number }): AsyncGenerator<Buffer> {
  for (const count of [4, 8]) {
    await eventually('a part is there', () => request.received >= count);
    yield Buffer.from(`got ${count}`);
  }
}

/** Requests that no typed program can write. None throws out of `dispatch`, and each ends once, as a MeshError, and holds nothing. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Dispatcher } from 'undici';
import { request, upgrade } from 'undici';
import type { RequestPolicy } from '../../src/model/route.ts';
import { held, ordersAt } from '../support/mesh-of.ts';
import { policyMesh } from '../support/policy-mesh.ts';
import { answer, startServer } from '../support/servers.ts';

/** Every end that the handler hears of: a code, or the message of what is no MeshError. */
function endsOf(dispatcher: Dispatcher, odd: Record<string, unknown>): Promise<readonly string[]> {
  const ends: string[] = [];
  return new Promise((resolve) => {
    const end = (how: string): void => {
      ends.push(how);
      // Whatever else it hears, it hears soon.
      setImmediate(() => resolve(ends));
    };
    const options = { origin: 'http://orders', path: '/', method: 'GET', ...odd } as unknown as Dispatcher.DispatchOptions;
    dispatcher.dispatch(options, {
      onRequestStart() {},
      onResponseStart() {},
      onResponseData() {},
      onResponseEnd: () => end('answered'),
      onResponseError: (_controller, error) => end((error as { code?: string }).code ?? error.message),
    });
  });
}

const throwing = (): never => {
  throw new Error('mine');
};

const rows: readonly { name: string; odd: Record<string, unknown> }[] = [
  { name: 'headers-of-text', odd: { headers: 'x: y' } },
  { name: 'headers-of-a-number', odd: { headers: 5 } },
  { name: 'headers-whose-iterator-throws', odd: { headers: { [Symbol.iterator]: throwing } } },
  { name: 'headers-without-pairs', odd: { headers: new Set([null]) } },
  { name: 'headers-with-a-symbol', odd: { headers: new Map([[Symbol('x'), 'y']]) } },
  { name: 'headers-with-a-number', odd: { headers: new Map([[1, 'y']]) } },
  { name: 'header-that-throws', odd: { headers: Object.defineProperty({}, 'x-a', { get: throwing, enumerable: true }) } },
  { name: 'no-path', odd: { path: undefined } },
  { name: 'path-of-null', odd: { path: null } },
  { name: 'path-of-a-number', odd: { path: 7 } },
  { name: 'origin-of-null', odd: { origin: null } },
  { name: 'origin-of-a-number', odd: { origin: 5 } },
  { name: 'body-of-a-number', odd: { method: 'POST', body: 5 } },
  { name: 'body-of-an-object', odd: { method: 'POST', body: {} } },
  { name: 'body-of-a-symbol', odd: { method: 'POST', body: Symbol('x') } },
  { name: 'body-of-a-function', odd: { method: 'POST', body: () => 1 } },
  { name: 'body-whose-iterator-throws', odd: { method: 'POST', body: { [Symbol.asyncIterator]: throwing } } },
  { name: 'body-without-an-iterator', odd: { method: 'POST', body: { [Symbol.asyncIterator]: () => null } } },
  { name: 'upgrade-without-a-taker', odd: { upgrade: 'websocket' } },
  { name: 'tunnel-without-a-taker', odd: { method: 'CONNECT' } },
];

const policies: Readonly<Record<string, RequestPolicy>> = {
  plain: {},
  retried: { retry: { maxAttempts: 3, on: ['5xx'] } },
  edited: { overrideHeaders: 'envoy', requestHeaders: { set: [['x-b', '1']] }, retry: { maxAttempts: 3, on: ['5xx'] } },
};

for (const [policy, config] of Object.entries(policies))
  describe(`an odd request under a policy that is ${policy}`, () => {
    for (const { name, odd } of rows)
      it(`is refused: ${name}`, async (t) => {
        const server = await startServer(answer('reached'));
        const { mesh } = await policyMesh(t, [server.address], config);
        assert.deepEqual(await endsOf(mesh.dispatcher, odd), ['MESH_REQUEST_INVALID']);
        assert.equal(server.requests.length, 0);
        assert.deepEqual(held(mesh), { requests: 0, inFlight: 0 });
      });
  });

describe('a request whose handler throws', () => {
  it('hears of its own error as it is, from a response that the mesh gives itself too', async (t) => {
    const { mesh } = await policyMesh(t, [], {
      fault: { abort: { fraction: { numerator: 100, denominator: 100 }, httpStatus: 418 } },
    });
    const own = new Error('mine');
    const heard = await new Promise<Error>((resolve) =>
      mesh.dispatcher.dispatch(
        { origin: 'http://orders', path: '/', method: 'GET' },
        {
          onRequestStart() {},
          onResponseStart() {
            throw own;
          },
          onResponseError: (_controller, error) => resolve(error),
        },
      ),
    );
    assert.equal(heard, own);
  });
});

describe('an upgrade', () => {
  it('is refused where `request` asks for it, and not where `upgrade` does', async () => {
    const server = await startServer(answer('no'));
    server.server.on('upgrade', (_request, socket) => {
      socket.end('HTTP/1.1 101 Switching Protocols\r\nupgrade: foo\r\nconnection: upgrade\r\n\r\n');
    });
    await using mesh = await ordersAt([server.address]);
    const { dispatcher } = mesh;
    await assert.rejects(request('http://orders/', { dispatcher, upgrade: 'foo' }), { code: 'MESH_REQUEST_INVALID' });
    const { socket } = await upgrade('http://orders/', { dispatcher, protocol: 'foo' });
    socket.destroy();
  });
});

/** What goes wrong in one request, or in a part that the program brings, is no other request's trouble. */
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { describe, it } from 'node:test';
import { request } from 'undici';
import { loadBalancingPolicies } from '../../src/data-plane/load-balancing/index.ts';
import type { LoadBalancingPolicy } from '../../src/model/contracts.ts';
import { clusterPlane } from '../support/cluster-plane.ts';
import { eventually, held, ordersAt } from '../support/mesh-of.ts';
import { startServer } from '../support/servers.ts';

describe('a request that waited for a connection', () => {
  it('is sent in its own async context, and not in that of the request that made room', async () => {
    const tenant = new AsyncLocalStorage<string>();
    const sent: string[] = [];
    const note = (event: unknown): void => {
      sent.push(`${(event as { request: { path: string } }).request.path} ${tenant.getStore()}`);
    };
    subscribe('undici:request:create', note);
    try {
      const server = await startServer((incoming, response) => {
        if (incoming.url === '/b') response.end('served');
      });
      await using mesh = await clusterPlane([server.address], { limits: { maxConnections: 1 } });
      const { dispatcher } = mesh;
      const caller = new AbortController();
      const first = tenant.run('a', () => request('http://orders/a', { dispatcher, signal: caller.signal }));
      await eventually('the first is there', () => server.requests.length === 1);
      const second = tenant.run('b', () => request('http://orders/b', { dispatcher }));
      tenant.run('a', () => caller.abort());
      await assert.rejects(first, { name: 'AbortError' });
      assert.equal(await (await second).body.text(), 'served');
      assert.deepEqual(sent, ['/a a', '/b b']);
    } finally {
      unsubscribe('undici:request:create', note);
    }
  });
});

describe('a load-balancing policy that throws', () => {
  it('fails the request, and keeps no place under a limit', async () => {
    const broken: LoadBalancingPolicy = {
      name: 'broken',
      doc: '',
      options: { parse: () => ({}), fields: [] },
      build: () => ({
        pick() {
          throw new Error('mine');
        },
      }),
    };
    const policies = loadBalancingPolicies as Map<string, LoadBalancingPolicy>;
    policies.set('broken', broken);
    try {
      const server = await startServer((_, response) => void response.end());
      await using mesh = await clusterPlane([server.address], {
        loadBalancing: { policy: 'broken' },
        limits: { maxRequests: 1 },
      });
      for (let index = 0; index < 3; index++)
        await assert.rejects(request('http://orders/', { dispatcher: mesh.dispatcher }), {
          code: 'MESH_NO_HEALTHY_ENDPOINT',
          message: /threw: mine/,
        });
      assert.deepEqual(held(mesh), { requests: 0, inFlight: 0 });
    } finally {
      policies.delete('broken');
    }
  });
});

describe('a handler that throws when it hears of the end', () => {
  it('does not keep destroy() from ending the other requests', async (t) => {
    const server = await startServer(() => {});
    await using mesh = await ordersAt([server.address]);
    const heard: string[] = [];
    const send = (name: string): void => {
      mesh.dispatcher.dispatch(
        { origin: 'http://orders', path: '/', method: 'GET' },
        {
          onRequestStart() {},
          onResponseStart() {},
          onResponseData() {},
          onResponseEnd() {},
          onResponseError() {
            heard.push(name);
            throw new Error(name);
          },
        },
      );
    };
    for (const name of ['a', 'b', 'c']) send(name);
    await eventually('they are there', () => server.requests.length === 3);
    const later = t.mock.method(globalThis, 'queueMicrotask', () => {});
    const done = mesh.dispatcher.destroy(new Error('over'));
    later.mock.restore();
    await done;
    assert.deepEqual(heard.toSorted(), ['a', 'b', 'c']);
    // Each mistake is told to the process.
    const thrown = later.mock.calls.flatMap(({ arguments: [task] }) => {
      try {
        task!();
        return [];
      } catch (error) {
        return [(error as Error).message];
      }
    });
    assert.deepEqual(thrown.filter((name) => heard.includes(name)).toSorted(), ['a', 'b', 'c']);
  });
});

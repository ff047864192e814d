/** What the plugin for Fastify does about paths: one form for the rules and the router, whatever the app is made with. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, it, type TestContext } from 'node:test';
import fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify';
import { createMesh } from 'meshfetch';
import { meshFastify } from 'meshfetch/fastify';
import { TestControlPlane } from '../support/cluster-plane.ts';
import { policyOf, send, wayIn } from '../support/inbound.ts';
import { eventually } from '../support/mesh-of.ts';

const denied = policyOf('deny', [{ kind: 'path', match: { kind: 'prefix', value: '/admin' } }]);

async function appWith(t: TestContext, options: FastifyServerOptions = {}, withRoutes = (_app: FastifyInstance): void => {}) {
  const plane = new TestControlPlane();
  const mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 100 });
  const app = fastify(options);
  const ran: string[] = [];
  for (const hook of ['onRequest', 'onResponse'] as const)
    app.addHook(hook, (request: { readonly url: string }, ...rest: readonly unknown[]) => {
      ran.push(`${hook} ${request.url}`);
      (rest.at(-1) as () => void)();
    });
  await app.register(meshFastify, { mesh });
  app.get('/admin', () => 'secret');
  app.get('/orders', () => 'orders');
  withRoutes(app);
  await app.listen({ port: 0, host: '127.0.0.1' });
  t.after(async () => {
    await app.close();
    await mesh.close();
  });
  await plane.deliver([wayIn({ authorization: [denied] })]);
  const { port } = app.server.address() as AddressInfo;
  // The way in is loaded by the first request.
  if (!('http2' in options)) assert.equal((await send(port, '/orders')).body, 'orders');
  ran.length = 0;
  return { app, ran, port };
}

describe('an app of Fastify', () => {
  const rows = [
    { target: '/api/orders', status: 200 },
    { target: '/api//orders', status: 200 },
    { target: '/api/admin', status: 403 },
    { target: '/api//admin', status: 403 },
    { target: '/api/api//admin', status: 404 },
    { target: '/api/api/./admin', status: 404 },
    { target: '/api/api/%61dmin', status: 404 },
    { target: '/api/%2e/admin', status: 403 },
  ];
  for (const { target, status } of rows)
    it(`rewrites a path once, before the rules look at it: ${target}`, async (t) => {
      const { app, port } = await appWith(t, { rewriteUrl: ({ url }) => url!.replace(/^\/api(?=\/)/, '') });
      assert.equal((await send(port, target)).status, status);
      const another = createServer((request, response) => app.routing(request, response)).listen(0, '127.0.0.1');
      t.after(() => another.close());
      await once(another, 'listening');
      assert.equal(
        (await send((another.address() as AddressInfo).port, target)).status,
        status,
        'over a server of somebody else',
      );
    });

  it('is not asked a second time when what it rewrites a path to is no normal form', async (t) => {
    const { ran, port } = await appWith(t, { rewriteUrl: ({ url }) => url!.replace(/^\/api/, '/') });
    assert.equal((await send(port, '/api/api/admin')).status, 404, 'the rules saw /api/admin, and so does the router');
    assert.equal((await send(port, '/api/admin')).status, 403);
    assert.equal((await send(port, '/api/orders')).body, 'orders');
    assert.ok(ran.includes('onRequest /orders'));
  });

  it('runs its hooks once for a path that has another form', async (t) => {
    const { ran, port } = await appWith(t);
    for (const target of ['//orders', '/./orders', '/x/../orders', '/%6frders']) {
      ran.length = 0;
      assert.equal((await send(port, target)).body, 'orders');
      assert.deepEqual(ran, ['onRequest /orders', 'onResponse /orders'], target);
    }
  });

  it('has one form of a path over HTTP/2 too', async (t) => {
    const options = { http2: true, rewriteUrl: ({ url }: { readonly url?: string }) => url!.replace(/^\/api(?=\/)/, '') };
    const { ran, port } = await appWith(t, options as FastifyServerOptions);
    const session = connect(`http://127.0.0.1:${port}`);
    t.after(() => session.destroy());
    const statusOf = async (path: string): Promise<unknown> => {
      const stream = session.request({ ':path': path }).resume();
      const [headers] = (await once(stream, 'response')) as [{ readonly ':status'?: number }];
      return headers[':status'];
    };
    // The way in is loaded by the first request.
    for (const path of ['/orders', '/x/../orders']) {
      ran.length = 0;
      assert.equal(await statusOf(path), 200);
      await eventually('its response is over', () => ran.includes('onResponse /orders'));
      assert.deepEqual(ran, ['onRequest /orders', 'onResponse /orders']);
    }
    for (const [path, status] of [
      ['/api//admin', 403],
      ['/api/api/./admin', 404],
    ] as const)
      assert.equal(await statusOf(path), status, path);
  });

  it('that takes ";" for the beginning of the query is held to the rules for the path before it', async (t) => {
    const { port } = await appWith(t, { useSemicolonDelimiter: true });
    for (const target of ['/admin;x', '/admin;x?y=1', '/./admin;x']) assert.equal((await send(port, target)).status, 403, target);
    assert.equal((await send(port, '/orders;page=2')).body, 'orders');
  });

  it('that takes ";" for the beginning of the query does so with one that was escaped, too', async (t) => {
    const { app, port } = await appWith(t, { useSemicolonDelimiter: true });
    const another = createServer((request, response) => app.routing(request, response)).listen(0, '127.0.0.1');
    t.after(() => another.close().closeAllConnections());
    await once(another, 'listening');
    for (const at of [port, (another.address() as AddressInfo).port]) {
      for (const target of ['/admin%3Bx', '/admin%3bx?y', '/./admin%3Bx;y'])
        assert.equal((await send(at, target)).status, 403, target);
      assert.equal((await send(at, '/orders%3Bpage=2')).body, 'orders');
    }
  });

  it('finds routes by the host that the rules saw', async (t) => {
    const { port } = await appWith(t, {}, (before) => {
      before.get('/where', () => 'anybody');
      before.get('/where', { constraints: { host: 'internal.example' } }, () => 'internal');
    });
    for (const host of ['internal.example', 'INTERNAL.example.', 'internal.example:80'])
      assert.equal((await send(port, '/where', { headers: { host } })).body, 'internal', host);
    assert.equal((await send(port, '/where')).body, 'anybody');
  });

  it('over HTTP/2 gets no request with two hosts', async (t) => {
    const mesh = await createMesh({ drainTimeoutMs: 100 });
    const app = fastify({ http2: true });
    await app.register(meshFastify, { mesh });
    app.get('/where', () => 'anybody');
    app.get('/where', { constraints: { host: 'internal.example' } }, () => 'internal');
    await app.listen({ port: 0, host: '127.0.0.1' });
    const client = connect(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}`);
    t.after(async () => {
      client.close();
      await app.close();
      await mesh.close();
    });
    const ask = async (host: string): Promise<string> => {
      const stream = client.request({ ':path': '/where', ':authority': 'public.example', host });
      const [{ ':status': status }] = (await once(stream, 'response')) as [{ readonly ':status': number }];
      return `${status} ${await text(stream)}`;
    };
    assert.equal(await ask('internal.example'), '400 ');
    assert.equal(await ask('public.example'), '200 anybody');
  });
});

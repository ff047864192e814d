/** What a caller is told of a call that a handler made and that failed: a status, and nothing of what is behind the service. */
import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import express from 'express';
import fastify from 'fastify';
import { createMesh, type Mesh } from 'meshfetch';
import { meshErrors, meshExpress } from 'meshfetch/express';
import { meshErrorHandler, meshFastify } from 'meshfetch/fastify';
import { allTo, endpointAt, staticCluster, TestControlPlane } from '../support/cluster-plane.ts';
import { policyOf, send, wayIn, type Reply } from '../support/inbound.ts';

const frameworks: Readonly<Record<string, (mesh: Mesh, call: () => Promise<unknown>) => Promise<RequestListener>>> = {
  express(mesh, call) {
    const app = express().set('env', 'production').use(meshExpress(mesh));
    app.get('/call', call);
    app.get('/half', async (_request, response) => {
      response.write('half');
      await call();
    });
    app.get('/own', () => Promise.reject(new Error('password=hunter2')));
    app.use(meshErrors());
    // What the program does with errors of its own.
    app.use(((_error, _request, response, next) => {
      if (response.headersSent) response.destroy();
      else response.status(500).end('own handler');
      void next;
    }) satisfies express.ErrorRequestHandler);
    return Promise.resolve(app);
  },
  async fastify(mesh, call) {
    const app = fastify();
    app.setErrorHandler((_error, _request, reply) => reply.code(500).send('own handler'));
    await app.register(meshFastify, { mesh });
    await app.register(async (scope) => {
      scope.setErrorHandler(meshErrorHandler);
      scope.get('/call', call);
      scope.get('/half', async (_request, reply) => {
        reply.raw.write('half');
        await call();
      });
      scope.get('/own', () => Promise.reject(new Error('password=hunter2')));
    });
    await app.ready();
    return (request, response) => app.routing(request, response);
  },
};

async function served(t: TestContext, framework: string) {
  const plane = new TestControlPlane();
  const mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 100 });
  const listener = await frameworks[framework]!(mesh, () => mesh.fetch('http://stock-internal/secret?key=1'));
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    server.close();
    server.closeAllConnections();
    await mesh.close();
  });
  await plane.deliver([
    wayIn({ authorization: [policyOf('deny', [{ kind: 'path', match: { kind: 'prefix', value: '/admin' } }])] }),
    allTo('stock-internal', 'stock-internal', { timeoutMs: 30_000 }),
    staticCluster('stock-internal', [endpointAt('127.0.0.1:1')]),
  ]);
  return (path: string): Promise<Reply> => send((server.address() as AddressInfo).port, path);
}

for (const framework of Object.keys(frameworks))
  describe(`an answer of ${framework} for a call that failed`, () => {
    it('has its status, and no word of the service that failed', async (t) => {
      const ask = await served(t, framework);
      const { status, headers, body } = await ask('/call');
      assert.ok([502, 503].includes(status), `${status} ${body}`);
      assert.deepEqual(Object.keys(JSON.parse(body) as object).sort(), ['error', 'message', 'statusCode']);
      assert.doesNotMatch(JSON.stringify([headers, body]), /stock-internal|secret|MESH_|127\.0\.0\.1|ECONN|stack/);
    });

    it('leaves what the program threw itself to the handler of the program', async (t) => {
      const ask = await served(t, framework);
      const { status, body } = await ask('/own');
      assert.deepEqual([status, body], [500, 'own handler']);
    });

    it('breaks off a response that had begun', async (t) => {
      const ask = await served(t, framework);
      await assert.rejects(ask('/half'));
    });

    it('is none for a request that was refused', async (t) => {
      const ask = await served(t, framework);
      assert.deepEqual([(await ask('/admin')).status, (await ask('/admin')).body], [403, 'RBAC: access denied']);
    });
  });

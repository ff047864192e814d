/**
 * Routers that take `/ADMIN/` for `/admin`: what the policy says of the one path holds for whatever leads to its handler, through every
 * framework, be it a rule, a token or a route with rules of its own.
 */
// oxlint-disable-next-line no-unassigned-import -- Nest reads what it keeps there
import 'reflect-metadata';
import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import express from 'express';
import fastify from 'fastify';
import { createMesh, type Mesh } from 'meshfetch';
import { meshExpress } from 'meshfetch/express';
import { meshFastify } from 'meshfetch/fastify';
import { MeshModule } from 'meshfetch/nestjs';
import type { FilterChainConfig } from '../../../src/model/listener.ts';
import { TestControlPlane } from '../../support/cluster-plane.ts';
import { policyOf, send, wayIn } from '../../support/inbound.ts';
import { ecKey } from '../../support/token-issuer.ts';

const paths = ['/denied', '/with-token', '/by-route', '/open'];
const exactly = (value: string) => ({ kind: 'exact', value }) as const;
const denyAll = policyOf('deny', [{ kind: 'any' }]);
const document = JSON.stringify({ keys: [ecKey().jwk({ kid: 'one' })] });

const chain: Partial<FilterChainConfig> = {
  authorization: [
    {
      name: 'no',
      action: 'deny',
      // So many that they are looked up by the path.
      rules: ['/denied', ...Array.from({ length: 12 }, (_, index) => `/other${index}`)].map((path) => ({
        name: path,
        principals: [{ kind: 'any' }],
        permissions: [{ kind: 'path', match: exactly(path) }],
      })),
    },
  ],
  jwt: [{ name: 'login', issuer: 'https://login.example', audiences: [], jwks: { kind: 'inline', document } }],
  jwtRules: [{ match: { path: exactly('/with-token') }, requires: { kind: 'provider', provider: 'login' } }],
  routes: {
    name: 'routes',
    virtualHosts: [
      {
        name: 'all',
        domains: ['*'],
        routes: [
          { path: exactly('/by-route'), authorization: [denyAll] },
          { path: undefined, authorization: undefined },
        ].map(({ path, authorization }) => ({
          name: path?.value ?? 'rest',
          match: path === undefined ? {} : { path },
          action: { kind: 'forward', to: [{ cluster: 'app', weight: 1 }] },
          ...(authorization !== undefined && { policy: { authorization } }),
        })),
      },
    ],
  },
};

/** What each path is answered, however it is spelled. */
const statuses = { '/denied': 403, '/with-token': 401, '/by-route': 403, '/open': 200 } as const;

type Serve = (t: TestContext, mesh: Mesh) => Promise<number>;

async function owned(t: TestContext, listener: RequestListener): Promise<number> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(() => server.close().closeAllConnections());
  return (server.address() as AddressInfo).port;
}

async function listened(mesh: Mesh, listener: RequestListener, options = {}): Promise<number> {
  return (await mesh.listen(listener, { port: 0, host: '127.0.0.1', ...options })).port;
}

function expressApp(before?: express.RequestHandler) {
  const app = express();
  if (before !== undefined) app.use(before);
  for (const path of paths) app.get(path, (_request, response) => void response.end('served'));
  return app;
}

/** The app is strict; a Router does not hear of it. */
function appWithRouter(before?: express.RequestHandler) {
  const app = express().enable('case sensitive routing').enable('strict routing');
  if (before !== undefined) app.use(before);
  const router = express.Router();
  for (const path of paths) router.get(path, (_request, response) => void response.end('served'));
  return app.use(router);
}

async function fastifyApp(mesh: Mesh | undefined) {
  const app = fastify({ routerOptions: { caseSensitive: false, ignoreTrailingSlash: true } });
  if (mesh !== undefined) await app.register(meshFastify, { mesh });
  for (const path of paths) app.get(path, () => 'served');
  await app.ready();
  return app;
}

function nestRoot(mesh: Mesh, isGuarded: boolean) {
  class App {
    served(): string {
      return 'served';
    }
  }
  Get(paths)(App.prototype, 'served', Object.getOwnPropertyDescriptor(App.prototype, 'served')!);
  Controller()(App);
  // oxlint-disable-next-line no-extraneous-class -- modules of Nest are classes
  class Root {}
  Module({ imports: [MeshModule.forRoot({ mesh, inbound: isGuarded ? {} : false })], controllers: [App] })(Root);
  return Root;
}

const quiet = { logger: false, abortOnError: false } as const;

async function nestOverExpress(t: TestContext, mesh: Mesh, isGuarded: boolean): Promise<RequestListener> {
  const app = await NestFactory.create(nestRoot(mesh, isGuarded), quiet);
  t.after(() => app.close());
  await app.init();
  return app.getHttpAdapter().getInstance() as RequestListener;
}

async function nestOverFastify(t: TestContext, mesh: Mesh): Promise<RequestListener> {
  const adapter = new FastifyAdapter({ routerOptions: { caseSensitive: false, ignoreTrailingSlash: true } });
  const app = await NestFactory.create(nestRoot(mesh, true), adapter, quiet);
  t.after(() => app.close());
  await app.init();
  await adapter.getInstance().ready();
  return (request, response) => adapter.getInstance().routing(request, response);
}

const options = { ignorePathCase: true, ignoreTrailingSlash: true };
const servers: Readonly<Record<string, Serve>> = {
  express: (t, mesh) => owned(t, expressApp(meshExpress(mesh))),
  'a Router of Express': (t, mesh) => owned(t, appWithRouter(meshExpress(mesh))),
  async fastify(t, mesh) {
    const app = await fastifyApp(mesh);
    t.after(() => app.close());
    return owned(t, (request, response) => app.routing(request, response));
  },
  'nest over express': async (t, mesh) => owned(t, await nestOverExpress(t, mesh, true)),
  'nest over fastify': async (t, mesh) => owned(t, await nestOverFastify(t, mesh)),
  'mesh.listen with express': (_t, mesh) => listened(mesh, expressApp()),
  'mesh.listen with a Router of Express': (_t, mesh) => listened(mesh, appWithRouter()),
  'mesh.listen with nest over express': async (t, mesh) => listened(mesh, await nestOverExpress(t, mesh, false)),
  async 'mesh.listen with fastify and the options'(t, mesh) {
    const app = await fastifyApp(undefined);
    t.after(() => app.close());
    return listened(mesh, (request, response) => app.routing(request, response), options);
  },
};

async function surroundings(t: TestContext, serve: Serve) {
  const plane = new TestControlPlane();
  const mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 100 });
  t.after(() => mesh.close());
  return { plane, port: await serve(t, mesh) };
}

describe('a path', () => {
  for (const [name, serve] of Object.entries(servers))
    it(`is the same in every spelling that leads to its handler: ${name}`, async (t) => {
      const { plane, port } = await surroundings(t, serve);
      await plane.deliver([wayIn()]);
      const spellings = (path: string) => [path, path.toUpperCase(), `${path}/`, `${path.toUpperCase()}/?x`];
      for (const path of spellings('/denied')) assert.equal((await send(port, path)).body, 'served', path);
      await plane.deliver([wayIn(chain)]);
      for (const [path, status] of Object.entries(statuses))
        for (const spelling of spellings(path)) assert.equal((await send(port, spelling)).status, status, spelling);
    });

  it('is the same with a final slash where Express has mounted something, whatever the settings of the app', async (t) => {
    const app = express().enable('case sensitive routing').enable('strict routing');
    app.use('/denied', (_request, response) => void response.end('served'));
    const { plane, port } = await surroundings(t, (_t, mesh) => listened(mesh, app));
    await plane.deliver([wayIn()]);
    assert.equal((await send(port, '/denied/')).body, 'served');
    await plane.deliver([wayIn(chain)]);
    assert.equal((await send(port, '/denied/')).status, 403);
    assert.equal((await send(port, '/denied/x')).body, 'served', 'a rule for one path is none for what is below it');
  });

  it('is compared as it is written where the options say so', async (t) => {
    const exact = { ignorePathCase: false, ignoreTrailingSlash: false };
    const { plane, port } = await surroundings(t, (_t, mesh) => listened(mesh, expressApp(), exact));
    await plane.deliver([wayIn(chain)]);
    assert.equal((await send(port, '/denied')).status, 403);
    assert.equal((await send(port, '/DENIED')).body, 'served');
  });

  it('is compared as it is written where it is let in whoever asks', async (t) => {
    const { plane, port } = await surroundings(t, (_t, mesh) => listened(mesh, expressApp()));
    await plane.deliver([wayIn(chain, { mode: 'strict', plaintextPaths: ['/open'] })]);
    assert.equal((await send(port, '/open')).body, 'served');
    for (const path of ['/OPEN', '/open/']) assert.equal((await send(port, path)).status, 403, path);
  });
});

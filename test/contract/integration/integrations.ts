/** Each way to serve an application behind the way in: a line here is all that a new one needs to be held to the contract. */
// oxlint-disable-next-line no-unassigned-import -- Nest reads what it keeps there
import 'reflect-metadata';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import {
  Body,
  Controller,
  Get,
  HttpCode,
  Module,
  Post,
  Req,
  type INestApplication,
  type NestApplicationOptions,
} from '@nestjs/common';
import { APP_FILTER, NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import express from 'express';
import fastify from 'fastify';
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { Hono } from 'hono';
import type { Mesh } from 'meshfetch';
import { meshErrors, meshExpress } from 'meshfetch/express';
import { meshErrorHandler, meshFastify } from 'meshfetch/fastify';
import { MeshExceptionFilter, MeshModule } from 'meshfetch/nestjs';
import { meshListener } from 'meshfetch/node-http';
import { askFurther, askNobody, whoAsks } from './app.ts';

/** Serves the application; resolves with its port. The test closes it. */
export interface Integration {
  readonly serve: (t: TestContext, mesh: Mesh) => Promise<number>;
  /** What its clients speak. */
  readonly protocol: 'http/1.1' | 'h2';
}

async function listening(t: TestContext, listener: RequestListener): Promise<number> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text;
}

/** The status that a failed call says. */
function statusOf(call: Promise<never>): Promise<number> {
  return call.catch((error: unknown) => (error as { cause: { status: number } }).cause.status);
}

/** The application on node:http alone. */
export function plainApp(mesh: Mesh): RequestListener {
  return (request, response) => {
    const path = request.url!.split('?')[0]!;
    const answer = async (): Promise<{ status: number; body: string }> => {
      if (path === '/orders' && request.method === 'POST') return { status: 201, body: `made ${await textOf(request)}` };
      if (path === '/orders' || path === '/admin') return { status: 200, body: whoAsks(request) };
      if (path === '/broken') return { status: await statusOf(askNobody(mesh)), body: '' };
      if (path === '/further') return { status: 200, body: await askFurther(mesh) };
      if (path === '/further-after-body') {
        // By events, whose listeners run in whatever context the socket is read in.
        return new Promise((resolve, reject) => {
          request.on('data', () => {});
          request.on('end', () => void askFurther(mesh).then((body) => resolve({ status: 200, body }), reject));
        });
      }
      return { status: 404, body: 'not found' };
    };
    void answer().then(
      ({ status, body }) => response.writeHead(status, { 'content-type': 'text/plain' }).end(body),
      () => response.writeHead(500).end(),
    );
  };
}

/** The application on Express. */
export function expressApp(mesh: Mesh, before?: express.RequestHandler): express.Express {
  const app = express();
  if (before !== undefined) app.use(before);
  app.use(express.text({ type: '*/*' }));
  app.get(['/orders', '/admin'], (request, response) => void response.type('text/plain').send(whoAsks(request)));
  app.post(
    '/orders',
    (request, response) =>
      void response
        .status(201)
        .type('text/plain')
        .send(`made ${request.body as string}`),
  );
  app.get('/further', async (_request, response) => void response.type('text/plain').send(await askFurther(mesh)));
  app.post('/further-after-body', async (_request, response) => void response.type('text/plain').send(await askFurther(mesh)));
  app.get('/broken', () => askNobody(mesh));
  app.use(meshErrors());
  return app;
}

/** The application on Hono. */
export function honoApp(mesh: Mesh): Hono<{ Bindings: HttpBindings }> {
  const app = new Hono<{ Bindings: HttpBindings }>();
  for (const path of ['/orders', '/admin']) app.get(path, (context) => context.text(whoAsks(context.env.incoming)));
  app.post('/orders', async (context) => context.text(`made ${await context.req.text()}`, 201));
  app.get('/further', async (context) => context.text(await askFurther(mesh)));
  app.post('/further-after-body', async (context) => {
    await context.req.text();
    return context.text(await askFurther(mesh));
  });
  app.get('/broken', async (context) => context.text('', (await statusOf(askNobody(mesh))) as 503));
  return app;
}

/** The application on Fastify. */
export async function fastifyApp(mesh: Mesh, isGuarded: boolean) {
  const app = fastify();
  if (isGuarded) await app.register(meshFastify, { mesh });
  app.setErrorHandler(meshErrorHandler);
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
  app.get('/orders', (request) => whoAsks(request.raw));
  app.get('/admin', (request) => whoAsks(request.raw));
  app.post('/orders', (request, reply) => reply.code(201).send(`made ${request.body as string}`));
  app.get('/further', () => askFurther(mesh));
  app.post('/further-after-body', () => askFurther(mesh));
  app.get('/broken', () => askNobody(mesh));
  await app.ready();
  return app;
}

// Decorators are called: Node runs these files as they are.
function nestRoot(mesh: Mesh, isGuarded: boolean) {
  class Orders {
    orders(request: IncomingMessage | { raw: IncomingMessage }): string {
      return whoAsks('raw' in request ? request.raw : request);
    }
    make(body: unknown): string {
      return `made ${typeof body === 'string' ? body : ''}`;
    }
    further(): Promise<string> {
      return askFurther(mesh);
    }
    furtherAfterBody(): Promise<string> {
      return askFurther(mesh);
    }
    broken(): Promise<never> {
      return askNobody(mesh);
    }
  }
  const { prototype } = Orders;
  const route = (name: keyof Orders, decorator: MethodDecorator): unknown =>
    decorator(prototype, name, Object.getOwnPropertyDescriptor(prototype, name)!);
  Req()(prototype, 'orders', 0);
  Body()(prototype, 'make', 0);
  route('orders', Get(['orders', 'admin']));
  route('make', Post('orders'));
  route('further', Get('further'));
  route('furtherAfterBody', Post('further-after-body'));
  route('furtherAfterBody', HttpCode(200));
  route('broken', Get('broken'));
  Controller()(Orders);
  // oxlint-disable-next-line no-extraneous-class -- modules of Nest are classes
  class Root {}
  Module({
    imports: [MeshModule.forRoot({ mesh, inbound: isGuarded ? {} : false })],
    controllers: [Orders],
    providers: [{ provide: APP_FILTER, useFactory: (filter: MeshExceptionFilter) => filter, inject: [MeshExceptionFilter] }],
  })(Root);
  return Root;
}

const nestOptions: NestApplicationOptions = { logger: false, abortOnError: false, bodyParser: true };

/** The application on Nest over Express. */
export async function nestOverExpress(mesh: Mesh, isGuarded: boolean): Promise<INestApplication> {
  const app = await NestFactory.create(nestRoot(mesh, isGuarded), nestOptions);
  (app as unknown as { useBodyParser(type: string, options: object): void }).useBodyParser('text', { type: '*/*' });
  await app.init();
  return app;
}

/** The application on Nest over Fastify. */
export async function nestOverFastify(mesh: Mesh, isGuarded: boolean): Promise<INestApplication> {
  const app = await NestFactory.create(nestRoot(mesh, isGuarded), new FastifyAdapter(), nestOptions);
  await app.init();
  await (app.getHttpAdapter().getInstance() as { ready(): Promise<unknown> }).ready();
  return app;
}

type Serve = Integration['serve'];

/** Servers that the program owns. */
const owned: Readonly<Record<string, Serve>> = {
  'node-http': (t, mesh) => listening(t, meshListener(mesh, plainApp(mesh))),
  express: (t, mesh) => listening(t, expressApp(mesh, meshExpress(mesh))),
  async fastify(t, mesh) {
    const app = await fastifyApp(mesh, true);
    t.after(() => app.close());
    return listening(t, (request, response) => app.routing(request, response));
  },
  async 'nest-over-express'(t, mesh) {
    const app = await nestOverExpress(mesh, true);
    t.after(() => app.close());
    return listening(t, app.getHttpAdapter().getInstance() as RequestListener);
  },
  async 'nest-over-fastify'(t, mesh) {
    const app = await nestOverFastify(mesh, true);
    t.after(() => app.close());
    return listening(t, (app.getHttpAdapter().getInstance() as { routing: RequestListener }).routing);
  },
};

/** Applications that know nothing of the way in: it stands before them. */
const applications: Readonly<Record<string, (t: TestContext, mesh: Mesh) => RequestListener | Promise<RequestListener>>> = {
  'node-http': (_t, mesh) => plainApp(mesh),
  express: (_t, mesh) => expressApp(mesh),
  async fastify(t, mesh) {
    const app = await fastifyApp(mesh, false);
    t.after(() => app.close());
    return (request, response) => app.routing(request, response);
  },
  async 'nest-over-express'(t, mesh) {
    const app = await nestOverExpress(mesh, false);
    t.after(() => app.close());
    return app.getHttpAdapter().getInstance() as RequestListener;
  },
  async 'nest-over-fastify'(t, mesh) {
    const app = await nestOverFastify(mesh, false);
    t.after(() => app.close());
    return (app.getHttpAdapter().getInstance() as { routing: RequestListener }).routing;
  },
  hono: (_t, mesh) => getRequestListener(honoApp(mesh).fetch),
};

function listened(application: (typeof applications)[string], http2: 'bridge' | 'native'): Serve {
  return async (t, mesh) => {
    const server = await mesh.listen(await application(t, mesh), { port: 0, host: '127.0.0.1', http2, drainTimeoutMs: 100 });
    t.after(() => server.close());
    return server.port;
  };
}

/** By name. */
export const integrations: Readonly<Record<string, Integration>> = Object.fromEntries([
  ...Object.entries(owned).map(([name, serve]) => [name, { serve, protocol: 'http/1.1' }] as const),
  ...Object.entries(applications).flatMap(([name, application]) =>
    (['http/1.1', 'h2'] as const).map(
      (protocol) => [`mesh.listen with ${name} over ${protocol}`, { serve: listened(application, 'bridge'), protocol }] as const,
    ),
  ),
  [
    'mesh.listen with node-http over native h2',
    { serve: listened(applications['node-http']!, 'native'), protocol: 'h2' },
  ] as const,
]);

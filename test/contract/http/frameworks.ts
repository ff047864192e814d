/** One application in every framework: a line here is all that another one needs to be held to the contract. */
// oxlint-disable-next-line no-unassigned-import -- Nest reads what it keeps there
import 'reflect-metadata';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { getRequestListener } from '@hono/node-server';
import { Controller, Get, Post, Req, Res } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import express, { type Request, type Response } from 'express';
import fastify from 'fastify';
import { Hono } from 'hono';
import { stream, streamSSE } from 'hono/streaming';

/** Size of what is downloaded and uploaded: some windows and buffers. */
export const largeBytes = 3 << 20;

const large = (): Readable => Readable.from(Array.from({ length: 48 }, (_, index) => Buffer.alloc(65_536, index)));

async function sizeOf(body: AsyncIterable<Uint8Array>): Promise<number> {
  let size = 0;
  for await (const chunk of body) size += chunk.length;
  return size;
}

async function eventsTo(response: ServerResponse): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (let index = 0; index < 3; index++) response.write(`data: ${index}\n\n`);
  response.end();
}

function plain(): RequestListener {
  return (request, response) => {
    void (async () => {
      const { pathname, searchParams } = new URL(request.url!, 'http://a');
      if (pathname === '/json') {
        response.setHeader('set-cookie', ['a=1', 'b=2']);
        response.setHeader('content-type', 'application/json');
        response.end(
          JSON.stringify({
            query: searchParams.get('q') ?? '',
            cookie: request.headers.cookie,
            ip: request.socket.remoteAddress,
          }),
        );
      } else if (pathname === '/upload') response.end(String(await sizeOf(request)));
      else if (pathname === '/echo') {
        response.writeHead(201);
        request.pipe(response);
      } else if (pathname === '/download') await pipeline(large(), response);
      else if (pathname === '/nothing') response.writeHead(204).end();
      else if (pathname === '/moved') response.writeHead(302, { location: '/json' }).end();
      else if (pathname === '/events') await eventsTo(response);
      else if (pathname === '/throws') response.writeHead(500).end();
      else response.writeHead(404).end();
    })();
  };
}

function expressApp(): RequestListener {
  const app = express();
  app.set('env', 'test');
  app.get('/json', (request: Request, response: Response) => {
    response.setHeader('set-cookie', ['a=1', 'b=2']);
    response.json({ query: request.query['q'], cookie: request.get('cookie'), ip: request.ip });
  });
  app.post('/upload', async (request: Request, response: Response) => void response.send(String(await sizeOf(request))));
  app.post('/echo', express.text(), (request: Request, response: Response) => void response.status(201).send(request.body));
  app.get('/download', (_request: Request, response: Response) => void large().pipe(response));
  app.get('/nothing', (_request: Request, response: Response) => void response.sendStatus(204));
  app.get('/moved', (_request: Request, response: Response) => response.redirect('/json'));
  app.get('/events', (_request: Request, response: Response) => eventsTo(response));
  app.get('/throws', () => Promise.reject(new Error('no')));
  return app as RequestListener;
}

async function fastifyApp(): Promise<RequestListener> {
  const app = fastify();
  app.addContentTypeParser('application/octet-stream', (_request, body, done) => done(null, body));
  app.get('/json', (request, reply) => {
    const { q } = request.query as { q: string };
    return reply.header('set-cookie', ['a=1', 'b=2']).send({ query: q, cookie: request.headers.cookie, ip: request.ip });
  });
  app.post('/upload', async (request) => String(await sizeOf(request.body as Readable)));
  app.post('/echo', (request, reply) => reply.code(201).send(request.body));
  app.get('/download', (_request, reply) => reply.send(large()));
  app.get('/nothing', (_request, reply) => reply.code(204).send());
  app.get('/moved', (_request, reply) => reply.redirect('/json'));
  app.get('/events', async (_request, reply) => {
    reply.hijack();
    await eventsTo(reply.raw);
  });
  app.get('/throws', () => Promise.reject(new Error('no')));
  await app.ready();
  return (request, response) => app.routing(request, response);
}

function honoApp(): RequestListener {
  const app = new Hono();
  app.get('/json', (context) => {
    context.header('set-cookie', 'a=1', { append: true });
    context.header('set-cookie', 'b=2', { append: true });
    const { incoming } = context.env as { incoming: IncomingMessage };
    return context.json({
      query: context.req.query('q'),
      cookie: context.req.header('cookie'),
      ip: incoming.socket.remoteAddress,
    });
  });
  app.post('/upload', async (context) =>
    context.text(String(await sizeOf(context.req.raw.body as unknown as AsyncIterable<Uint8Array>))),
  );
  app.post('/echo', async (context) => context.text(await context.req.text(), 201));
  app.get('/download', (context) => stream(context, (to) => to.pipe(Readable.toWeb(large()) as ReadableStream)));
  app.get('/nothing', (context) => context.body(null, 204));
  app.get('/moved', (context) => context.redirect('/json'));
  app.get('/events', (context) =>
    streamSSE(context, async (to) => {
      for (let index = 0; index < 3; index++) await to.writeSSE({ data: String(index) });
    }),
  );
  app.get('/throws', () => Promise.reject(new Error('no')));
  app.onError((_error, context) => context.text('', 500));
  const listener = getRequestListener(app.fetch);
  return (request, response) => void listener(request, response);
}

/** Decorators are called as functions, since Node cannot take them off. */
class Orders {
  json(request: Request, response: Response): void {
    response.setHeader('set-cookie', ['a=1', 'b=2']);
    response.json({ query: request.query['q'], cookie: request.get('cookie'), ip: request.ip });
  }
  async upload(request: Request): Promise<string> {
    return String(await sizeOf(request));
  }
  echo(request: Request): unknown {
    return request.body;
  }
  download(response: Response): void {
    large().pipe(response);
  }
  nothing(response: Response): void {
    response.status(204).end();
  }
  moved(response: Response): void {
    response.redirect('/json');
  }
  events(response: Response): Promise<void> {
    return eventsTo(response);
  }
  throws(): Promise<never> {
    return Promise.reject(new Error('no'));
  }
}

function handles(method: keyof Orders, decorator: MethodDecorator, ...parameters: readonly ParameterDecorator[]): void {
  decorator(Orders.prototype, method, Object.getOwnPropertyDescriptor(Orders.prototype, method)!);
  for (const [index, parameter] of parameters.entries()) parameter(Orders.prototype, method, index);
}

async function nestApp(): Promise<RequestListener> {
  Controller()(Orders);
  handles('json', Get('json'), Req(), Res());
  handles('upload', Post('upload'), Req());
  handles('echo', Post('echo'), Req());
  handles('download', Get('download'), Res());
  handles('nothing', Get('nothing'), Res());
  handles('moved', Get('moved'), Res());
  handles('events', Get('events'), Res());
  handles('throws', Get('throws'));
  const server = express();
  server.use(express.text());
  const app = await NestFactory.create({ module: Orders, controllers: [Orders] }, new ExpressAdapter(server), { logger: false });
  await app.init();
  return server as RequestListener;
}

/** What makes the application, and which rows its own code cannot do with Node's objects of HTTP/2; absent = none at all. */
export interface Framework {
  readonly make: () => RequestListener | Promise<RequestListener>;
  readonly notNative?: readonly string[];
}

/** Every framework. */
export const frameworks: Readonly<Record<string, Framework>> = {
  'node:http': { make: plain, notNative: [] },
  // Both put prototypes of HTTP/1.1's classes under the objects that they get.
  express: { make: expressApp },
  nest: { make: nestApp },
  fastify: { make: fastifyApp, notNative: [] },
  // It sets `transfer-encoding`, at which Node's response of HTTP/2 throws.
  hono: { make: honoApp, notNative: ['server-sent-events'] },
};

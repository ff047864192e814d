/**
 * The application that is served, once in each framework: it answers `GET /api/items` with the same JSON, in the way a program in that
 * framework would. With a mesh the way in stands before it as the framework's integration puts it there. Frameworks are loaded only by
 * the process that measures them.
 */
import type { RequestListener } from 'node:http';
import { answer } from '../answer.ts';
import type { Mesh } from '../../src/mesh-interface.ts';

/** Makes the application; `mesh` = guarded by the integration of its framework. */
export type Application = (mesh: Mesh | undefined) => Promise<RequestListener>;

export const path = '/api/items?page=2&order=price';
const route = 'api/items';
/** What it is as a service of gRPC: a path that the rules of the mesh have, too. */
export const grpcMethod = '/api/Items';

/** Also for `node:http2`, whose objects it uses as those of `node:http`. */
const nodeApp: Application = async (mesh) => {
  const handler: RequestListener = (_request, response) => {
    response.setHeader('content-type', 'application/json; charset=utf-8');
    response.end(JSON.stringify(answer));
  };
  if (mesh === undefined) return handler;
  const { meshListener } = await import('../../src/integrations/node-http.ts');
  return meshListener(mesh, handler);
};

const expressApp: Application = async (mesh) => {
  const { default: express } = await import('express');
  const app = express();
  if (mesh !== undefined) app.use((await import('../../src/integrations/express.ts')).meshExpress(mesh));
  app.get(`/${route}`, (_request, response) => {
    response.json(answer);
  });
  return app;
};

const fastifyApp: Application = async (mesh) => {
  const { default: fastify } = await import('fastify');
  const app = fastify();
  if (mesh !== undefined) await app.register((await import('../../src/integrations/fastify.ts')).meshFastify, { mesh });
  app.get(`/${route}`, () => answer);
  await app.ready();
  return (request, response) => app.routing(request, response);
};

const nestApp: Application = async (mesh) => {
  // oxlint-disable-next-line no-unassigned-import -- Nest reads what it keeps there
  await import('reflect-metadata');
  const [{ Controller, Get, Module }, { NestFactory }] = await Promise.all([import('@nestjs/common'), import('@nestjs/core')]);
  // Decorators are called: Node runs these files as they are.
  class Items {
    items(): object {
      return answer;
    }
  }
  const { prototype } = Items;
  Get(route)(prototype, 'items', Object.getOwnPropertyDescriptor(prototype, 'items')!);
  Controller()(Items);
  // oxlint-disable-next-line no-extraneous-class -- modules of Nest are classes
  class Root {}
  const imports =
    mesh === undefined ? [] : [(await import('../../src/integrations/nestjs/index.ts')).MeshModule.forRoot({ mesh })];
  Module({ imports, controllers: [Items] })(Root);
  const app = await NestFactory.create(Root, { logger: false, abortOnError: false });
  await app.init();
  return app.getHttpAdapter().getInstance() as RequestListener;
};

const grpcApp: Application = async () => {
  const [{ grpcHandler }, { grpcService }] = await Promise.all([
    import('../../src/integrations/grpc/index.ts'),
    import('./grpc-service.ts'),
  ]);
  return grpcHandler(grpcService());
};

export const applications: Readonly<Record<string, Application>> = {
  'node:http': nodeApp,
  'node:http2': nodeApp,
  Express: expressApp,
  Fastify: fastifyApp,
  Nest: nestApp,
  'grpc-js': grpcApp,
};

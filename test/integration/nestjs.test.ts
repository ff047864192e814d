/** Applications of Nest on servers of their own, over Express and over Fastify. Decorators are called: Node runs this file as it is. */
// oxlint-disable-next-line no-unassigned-import -- Nest reads what it keeps there
import 'reflect-metadata';
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import {
  Controller,
  Get,
  Inject,
  Module,
  Param,
  UseGuards,
  type INestApplication,
  type ModuleMetadata,
  type Type,
} from '@nestjs/common';
import { APP_FILTER, NestFactory, Reflector } from '@nestjs/core';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { HealthCheck, HealthCheckService, TerminusModule } from '@nestjs/terminus';
import { createMesh, type Mesh, type MeshRequest } from 'meshfetch';
import {
  MeshCaller,
  type MeshClient,
  MeshExceptionFilter,
  MeshGuard,
  MeshHealthIndicator,
  MeshModule,
  MeshPolicy,
  InjectMesh,
  InjectMeshClient,
  meshToken,
} from 'meshfetch/nestjs';
import type { FilterChainConfig } from '../../src/model/listener.ts';
import type { ConfigSink, ControlPlane } from '../../src/model/contracts.ts';
import { allTo, staticCluster, TestControlPlane } from '../support/cluster-plane.ts';
import { policyOf, send, wayIn } from '../support/inbound.ts';
import { eventually } from '../support/mesh-of.ts';
import { startServer } from '../support/servers.ts';
import { ecKey, signToken } from '../support/token-issuer.ts';

const adapters = { express: () => undefined, fastify: () => new FastifyAdapter() } as const;
type Over = keyof typeof adapters;
const overs = Object.keys(adapters) as Over[];

const key = ecKey();
const tokenOf = (sub: string): Record<string, string> => ({
  authorization: `Bearer ${signToken({ alg: 'ES256', kid: 'one' }, { iss: 'https://login.example', sub, groups: ['staff'], exp: 4_102_444_800 }, key.sign)}`,
});
const withTokens: Partial<FilterChainConfig> = {
  jwt: [
    {
      name: 'login',
      issuer: 'https://login.example',
      audiences: [],
      jwks: { kind: 'inline', document: JSON.stringify({ keys: [key.jwk({ kid: 'one' })] }) },
    },
  ],
  jwtRules: [{ match: {}, requires: { kind: 'missing' } }],
  authorization: [policyOf('deny', [{ kind: 'path', match: { kind: 'prefix', value: '/admin' } }])],
};

function moduleOf(metadata: ModuleMetadata): Type {
  // oxlint-disable-next-line no-extraneous-class -- modules of Nest are classes
  class Root {}
  Module(metadata)(Root);
  return Root;
}

/** Puts decorators on a method of a controller. */
function method(controller: Type, name: string, ...decorators: readonly (MethodDecorator | ParameterDecorator)[]): void {
  const { prototype } = controller as { prototype: object };
  const descriptor = Object.getOwnPropertyDescriptor(prototype, name)!;
  for (const decorate of decorators) (decorate as MethodDecorator)(prototype, name, descriptor);
}

async function started(t: TestContext, over: Over, root: Type): Promise<{ app: INestApplication; port: number }> {
  const adapter = adapters[over]();
  const options = { logger: false, abortOnError: false } as const;
  const app = await (adapter === undefined ? NestFactory.create(root, options) : NestFactory.create(root, adapter, options));
  t.after(() => app.close());
  await app.listen(0, '127.0.0.1');
  return { app, port: ((app.getHttpServer() as Server).address() as AddressInfo).port };
}

async function ownMesh(t: TestContext): Promise<{ mesh: Mesh; plane: TestControlPlane }> {
  const plane = new TestControlPlane();
  const mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 100 });
  t.after(() => mesh.close());
  return { mesh, plane };
}

/** Asks to leave HTTP: what comes back first. */
async function leave(t: TestContext, port: number, path: string): Promise<{ socket: Socket; head: string }> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  t.after(() => socket.destroy());
  socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n`);
  const [first] = (await once(socket, 'data')) as [Buffer];
  return { socket, head: first.toString('latin1') };
}

for (const over of overs)
  describe(`an application of Nest over ${over}`, () => {
    it('has the mesh that a factory describes, with clients of the services that a module names', async (t) => {
      const stock = await startServer((request, response) => void response.end(JSON.stringify({ path: request.url })));
      class Settings {
        readonly services = { stock: { endpoints: [stock.address] } };
      }
      const settings = { module: moduleOf({ providers: [Settings], exports: [Settings] }) };
      class Orders {
        readonly stock: MeshClient;
        readonly mesh: Mesh;
        constructor(client: MeshClient, mesh: Mesh) {
          this.stock = client;
          this.mesh = mesh;
        }
        left(item: string): Promise<unknown> {
          return this.stock.json(`/items/${item}`);
        }
      }
      InjectMeshClient('stock')(Orders, undefined, 0);
      InjectMesh()(Orders, undefined, 1);
      Controller('orders')(Orders);
      method(Orders as Type, 'left', Get(':item'));
      Param('item')(Orders.prototype, 'left', 0);
      const feature = moduleOf({ imports: [MeshModule.forFeature('stock', 'http://users:8080')], controllers: [Orders] });
      const root = moduleOf({
        imports: [
          MeshModule.forRootAsync({
            imports: [settings],
            inject: [Settings],
            useFactory: ({ services }: Settings) => Promise.resolve({ controlPlane: { services } }),
          }),
          feature,
        ],
      });
      const { app, port } = await started(t, over, root);
      assert.deepEqual(JSON.parse((await send(port, '/orders/tea')).body), { path: '/items/tea' });
      const orders = app.get(Orders);
      assert.equal(orders.mesh, app.get(meshToken));
      assert.equal(orders.stock.origin, 'http://stock');
    });

    it('holds requests to the policies beside its handlers', async (t) => {
      const { mesh, plane } = await ownMesh(t);
      class Orders {
        list(caller: MeshRequest): string {
          return `for ${caller.requestPrincipal}`;
        }
        remove(): string {
          return 'removed';
        }
        named(): string {
          return 'by name';
        }
      }
      Controller('orders')(Orders);
      UseGuards(MeshGuard)(Orders);
      MeshPolicy({ claims: { groups: ['staff'] } })(Orders);
      method(Orders as Type, 'list', Get('list'));
      MeshCaller()(Orders.prototype, 'list', 0);
      method(Orders as Type, 'remove', Get('remove'), MeshPolicy({ requestPrincipals: ['https://login.example/admin*'] }));
      method(Orders as Type, 'named', Get('named'), MeshPolicy({ identities: ['*'] }));
      const { port } = await started(t, over, moduleOf({ imports: [MeshModule.forRoot({ mesh })], controllers: [Orders] }));
      await plane.deliver([wayIn(withTokens)]);
      const asked = async (path: string, headers = {}): Promise<string> => {
        const { status, body } = await send(port, path, { headers });
        return status === 200 ? body : String(status);
      };
      assert.equal(await asked('/orders/list'), '403', 'nobody has no claims');
      assert.equal(await asked('/orders/list', tokenOf('alice')), 'for https://login.example/alice');
      assert.equal(await asked('/orders/remove', tokenOf('alice')), '403');
      assert.equal(await asked('/orders/remove', tokenOf('admin-1')), 'removed');
      assert.equal(await asked('/orders/named', tokenOf('admin-1')), '403', 'a peer without a certificate has no name');
      assert.equal(await asked('/orders/../admin', tokenOf('admin-1')), '403', 'the policy of the port stands before them');
    });

    it('lets no gateway have a connection that the policy of the port does not let in', async (t) => {
      const { mesh, plane } = await ownMesh(t);
      const { app, port } = await started(t, over, moduleOf({ imports: [MeshModule.forRoot({ mesh })] }));
      const callers: (MeshRequest | undefined)[] = [];
      (app.getHttpServer() as Server).on('upgrade', (request, socket) => {
        callers.push((request as { mesh?: MeshRequest }).mesh);
        socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n');
        socket.pipe(socket);
      });
      // What Socket.IO does: it takes requests of its own off the server, before the router.
      const server = app.getHttpServer() as Server;
      const listeners = server.listeners('request');
      server.removeAllListeners('request');
      server.on('request', (request, response) => {
        if (request.url!.startsWith('/admin/poll')) response.end('polled');
        else for (const each of listeners) (each as (...of: unknown[]) => void).call(server, request, response);
      });
      await plane.deliver([wayIn(withTokens)]);
      assert.match((await leave(t, port, '/admin/ws')).head, /^HTTP\/1\.1 403 Forbidden\r\n[^]*RBAC: access denied$/);
      assert.match((await leave(t, port, '/x/../admin')).head, /^HTTP\/1\.1 403 /);
      assert.equal((await send(port, '/admin/poll')).status, 403);
      assert.equal(callers.length, 0);
      const { socket, head } = await leave(t, port, '/chat');
      assert.match(head, /^HTTP\/1\.1 101 /);
      socket.write('ping');
      assert.equal(String((await once(socket, 'data'))[0]), 'ping');
      assert.equal(callers[0]?.path, '/chat');
      socket.destroy();
      await eventually('it counts no more', () => mesh.status().inbound.every(({ requestsInFlight }) => requestsInFlight === 0));
      await plane.deliver([wayIn({}, { mode: 'strict' })]);
      assert.match((await leave(t, port, '/chat')).head, /^HTTP\/1\.1 403 /);
    });

    it('tells a caller nothing of the services behind it when a call fails', async (t) => {
      const { mesh, plane } = await ownMesh(t);
      class Orders {
        left(): Promise<Response> {
          return mesh.fetch('http://stock-internal/');
        }
        own(): never {
          throw new Error('password=hunter2');
        }
      }
      Controller()(Orders);
      method(Orders as Type, 'left', Get('left'));
      method(Orders as Type, 'own', Get('own'));
      const providers = [{ provide: APP_FILTER, useExisting: MeshExceptionFilter }];
      const { port } = await started(
        t,
        over,
        moduleOf({ imports: [MeshModule.forRoot({ mesh })], controllers: [Orders], providers }),
      );
      await plane.deliver([wayIn(), allTo('stock-internal', 'stock-internal'), staticCluster('stock-internal', [])]);
      const failed = await send(port, '/left');
      assert.deepEqual([failed.status, failed.headers['retry-after']], [503, '1']);
      assert.doesNotMatch(JSON.stringify(failed), /stock-internal|MESH_|cluster/);
      const own = await send(port, '/own');
      assert.equal(own.status, 500);
      assert.doesNotMatch(own.body, /hunter2/);
    });

    it('is as healthy as its mesh for Terminus', async (t) => {
      const ready = Promise.withResolvers<ConfigSink>();
      const controlPlane: ControlPlane = {
        name: 'test',
        run: ({ sink, signal }) =>
          new Promise((resolve) => {
            ready.resolve(sink);
            signal.addEventListener('abort', () => resolve());
          }),
      };
      class Health {
        readonly health: HealthCheckService;
        readonly mesh: MeshHealthIndicator;
        constructor(health: HealthCheckService, indicator: MeshHealthIndicator) {
          this.health = health;
          this.mesh = indicator;
        }
        check() {
          return this.health.check([() => this.mesh.isHealthy()]);
        }
      }
      Inject(HealthCheckService)(Health, undefined, 0);
      Inject(MeshHealthIndicator)(Health, undefined, 1);
      Controller('health')(Health);
      method(Health as Type, 'check', Get(), HealthCheck());
      const imports = [MeshModule.forRoot({ controlPlane, inbound: false }), TerminusModule.forRoot({ logger: false })];
      const { port } = await started(t, over, moduleOf({ imports, controllers: [Health] }));
      const asked = async (): Promise<unknown[]> => {
        const { status, body } = await send(port, '/health');
        const { details, status: overall } = JSON.parse(body) as { status: string; details: { mesh: { status: string } } };
        return [status, overall, details.mesh.status];
      };
      const sink = await ready.promise;
      assert.deepEqual(await asked(), [503, 'error', 'down']);
      sink.status({ state: 'connected' });
      assert.deepEqual(await asked(), [200, 'ok', 'up']);
      sink.status({ state: 'disconnected', error: 'it went away' });
      assert.deepEqual(await asked(), [200, 'degraded', 'degraded']);
    });

    it('answers what is under way before it closes the mesh', async (t) => {
      const release = Promise.withResolvers<void>();
      const arrived = Promise.withResolvers<void>();
      const stock = await startServer((_request, response) => void response.end('tea'));
      class Orders {
        readonly stock: MeshClient;
        constructor(client: MeshClient) {
          this.stock = client;
        }
        async left(): Promise<string> {
          arrived.resolve();
          await release.promise;
          return (await this.stock.fetch('/')).text();
        }
      }
      InjectMeshClient('stock')(Orders, undefined, 0);
      Controller()(Orders);
      method(Orders as Type, 'left', Get('left'));
      const controlPlane = { services: { stock: { endpoints: [stock.address] } } };
      const root = moduleOf({
        imports: [MeshModule.forRoot({ controlPlane, inbound: { policyMissing: 'allow' } }), MeshModule.forFeature('stock')],
        controllers: [Orders],
      });
      const { app, port } = await started(t, over, root);
      const mesh = app.get<Mesh>(meshToken);
      const reply = send(port, '/left');
      await arrived.promise;
      const closed = app.close();
      release.resolve();
      assert.equal((await reply).body, 'tea');
      await closed;
      await assert.rejects(
        mesh.fetch('http://stock/'),
        (error: { cause?: { code?: string } }) => error.cause?.code === 'MESH_CLOSED',
      );
    });

    it('leaves a mesh open that somebody else made, for the other applications of that mesh', async (t) => {
      const { mesh, plane } = await ownMesh(t);
      await plane.deliver([wayIn(withTokens)]);
      const root = (): Type => moduleOf({ imports: [MeshModule.forRoot({ mesh })] });
      const [one, two] = [await started(t, over, root()), await started(t, over, root())];
      for (const { port } of [one, two])
        assert.deepEqual([(await send(port, '/admin')).status, (await send(port, '/')).status], [403, 404]);
      assert.deepEqual(
        mesh.status().inbound.map(({ port }) => port),
        [one.port, two.port],
      );
      await one.app.close();
      assert.equal((await send(two.port, '/admin')).status, 403);
    });
  });

describe('a policy beside a handler', () => {
  const guard = new MeshGuard(new Reflector());
  const ask = (type: string, args: readonly unknown[], policy = true): boolean => {
    class Gateway {
      handle(this: void): void {}
    }
    if (policy) MeshPolicy({ requestPrincipals: ['*'] })(Gateway);
    const context = new ExecutionContextHost([...args], Gateway, Gateway.prototype.handle);
    context.setType(type);
    return guard.canActivate(context);
  };
  const mesh = { peer: { dnsNames: [] }, tokens: [], requestPrincipal: 'https://login.example/alice' };
  const rows: readonly { name: string; type: string; args: readonly unknown[]; allowed: boolean }[] = [
    { name: 'graphql-of-apollo', type: 'graphql', args: [{}, {}, { req: { mesh } }, {}], allowed: true },
    { name: 'graphql-over-fastify', type: 'graphql', args: [{}, {}, { req: { raw: { mesh } } }, {}], allowed: true },
    {
      name: 'graphql-of-mercurius',
      type: 'graphql',
      args: [{}, {}, { reply: { request: { raw: { mesh } } } }, {}],
      allowed: true,
    },
    { name: 'graphql-subscription', type: 'graphql', args: [{}, {}, { extra: { request: { mesh } } }, {}], allowed: true },
    { name: 'graphql-that-the-mesh-never-saw', type: 'graphql', args: [{}, {}, { req: {} }, {}], allowed: false },
    { name: 'graphql-without-a-context', type: 'graphql', args: [{}, {}, undefined, {}], allowed: false },
    { name: 'socket-io', type: 'ws', args: [{ request: { mesh } }, 'message'], allowed: true },
    { name: 'websocket-of-nobody', type: 'ws', args: [{}, 'message'], allowed: false },
    { name: 'a-message-of-a-queue', type: 'rpc', args: [{ mesh }, { mesh }], allowed: false },
    { name: 'a-kind-that-nobody-knows', type: 'other', args: [{ mesh, req: { mesh } }], allowed: false },
    { name: 'http', type: 'http', args: [{ mesh }, {}], allowed: true },
    { name: 'http-that-the-mesh-never-saw', type: 'http', args: [{}, {}], allowed: false },
  ];
  for (const { name, type, args, allowed } of rows)
    it(`fails nothing open where there is no request to look at: ${name}`, () => {
      if (allowed) assert.equal(ask(type, args), true);
      else assert.throws(() => ask(type, args), /RBAC: access denied/);
      assert.equal(ask(type, args, false), true, 'no policy, nothing to hold');
    });
});

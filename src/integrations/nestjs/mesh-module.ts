/**
 * The mesh as a module of Nest: `MeshModule.forRoot({ controlPlane: 'mesh.yaml' })` makes the mesh, puts its way in before everything else
 * of the application (parsers included), and closes it when the application shuts down. Decorators are called as functions, because
 * Node runs these sources as they are.
 */
import type { Server } from 'node:http';
import {
  Module,
  type DynamicModule,
  type FactoryProvider,
  type OnApplicationShutdown,
  type OnModuleInit,
  type Provider,
} from '@nestjs/common';
import { APP_GUARD, HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance } from 'fastify';
import { createMesh } from '../../mesh.ts';
import type { Mesh } from '../../mesh-interface.ts';
import type { InboundDoorOptions } from '../../model/inbound.ts';
import type { MeshOptions } from '../../options.ts';
import { expressDoor, middlewareOf } from '../express.ts';
import { addMeshHooks } from '../fastify.ts';
import { guardServer } from '../guard-server.ts';
import { MeshClient } from './mesh-client.ts';
import { MeshExceptionFilter } from './mesh-exception-filter.ts';
import { MeshGuard } from './mesh-guard.ts';
import { MeshHealthIndicator } from './mesh-health-indicator.ts';
import { meshClientToken, meshToken } from './tokens.ts';

/** What `forRoot` takes: the options of `createMesh`, or a mesh that the program has made (and closes) itself. */
export interface MeshModuleOptions extends MeshOptions {
  readonly mesh?: Mesh;
  /** The way in. `false` = none: the application only calls others, or `mesh.listen` is in front of it. */
  readonly inbound?: InboundDoorOptions | false;
}

/** What `forRootAsync` takes. */
export interface MeshModuleAsyncOptions {
  readonly imports?: DynamicModule['imports'];
  readonly inject?: FactoryProvider['inject'];
  readonly useFactory: (...dependencies: never[]) => MeshModuleOptions | Promise<MeshModuleOptions>;
}

const optionsToken = Symbol.for('meshfetch.nestjs.options');

/**
 * Puts the way in before the application and closes the mesh with it. On the server of the application it stands before gateways too, which
 * listen beside the router.
 */
class MeshBinding implements OnModuleInit, OnApplicationShutdown {
  private readonly mesh: Mesh;
  private readonly isOwn: boolean;
  private guard: (() => void) | undefined = undefined;

  constructor(mesh: Mesh, options: MeshModuleOptions, host: HttpAdapterHost | undefined) {
    this.mesh = mesh;
    this.isOwn = options.mesh === undefined;
    const { inbound = {} } = options;
    // A program without HTTP (a microservice, a task) has no adapter.
    const adapter = host?.httpAdapter;
    if (inbound === false || adapter === undefined) return;
    // Nest calls its parsers in only when it starts, so that this stands before them.
    if (adapter.getType() === 'fastify') {
      const app = adapter.getInstance<FastifyInstance>();
      guardServer(app.server, addMeshHooks(app, mesh, inbound), ['request']);
    } else {
      const door = expressDoor(mesh, inbound);
      adapter.use(middlewareOf(door));
      // The server is made after the modules.
      this.guard = () => guardServer(adapter.getHttpServer() as Server, door, ['request', 'upgrade', 'connect']);
    }
  }

  onModuleInit(): void {
    this.guard?.();
  }

  async onApplicationShutdown(): Promise<void> {
    if (this.isOwn) await this.mesh.close();
  }
}

const binding: Provider = {
  provide: MeshBinding,
  useFactory: (mesh: Mesh, options: MeshModuleOptions, host?: HttpAdapterHost) => new MeshBinding(mesh, options, host),
  inject: [meshToken, optionsToken, { token: HttpAdapterHost, optional: true }],
};

const meshProvider: Provider = {
  provide: meshToken,
  useFactory: ({ mesh, inbound: _inbound, ...options }: MeshModuleOptions) => mesh ?? createMesh(options),
  inject: [optionsToken],
};

/** The module. It is global: import it once, at the root. */
// oxlint-disable-next-line no-extraneous-class -- modules of Nest are classes with static makers
export class MeshModule {
  /** The mesh of these options, for the whole application. */
  static forRoot(options: MeshModuleOptions = {}): DynamicModule {
    return moduleWith({ provide: optionsToken, useValue: options }, []);
  }

  /** As `forRoot`, with options that other providers give. */
  static forRootAsync({ imports = [], inject = [], useFactory }: MeshModuleAsyncOptions): DynamicModule {
    return moduleWith({ provide: optionsToken, useFactory, inject }, imports);
  }

  /** Clients of these services, for the providers of the module that imports it: `@InjectMeshClient('orders') orders: MeshClient`. */
  static forFeature(...services: readonly string[]): DynamicModule {
    const providers = services.map((service): Provider => ({
      provide: meshClientToken(service),
      useFactory: (mesh: Mesh) => new MeshClient(mesh, service),
      inject: [meshToken],
    }));
    return { module: MeshModule, providers, exports: providers };
  }
}
Module({})(MeshModule);

function moduleWith(options: Provider, imports: NonNullable<DynamicModule['imports']>): DynamicModule {
  return {
    module: MeshModule,
    global: true,
    imports,
    // The guard of the whole application: a policy beside a handler that nobody holds requests to would be worse than none.
    providers: [
      options,
      meshProvider,
      binding,
      MeshGuard,
      { provide: APP_GUARD, useExisting: MeshGuard },
      MeshExceptionFilter,
      MeshHealthIndicator,
    ],
    exports: [meshToken, MeshGuard, MeshExceptionFilter, MeshHealthIndicator],
  };
}

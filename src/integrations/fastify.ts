/**
 * The way in for Fastify: `await app.register(meshFastify, { mesh })`, before anything else. What it lets in has `request.mesh`; what it
 * refuses goes through `onSend` and `onResponse` like every answer, and reaches no handler. `app.mesh` is the mesh. A server that
 * `mesh.listen(app.routing)` owns has been through the way in before Fastify sees a request; the plugin then adds the decorations.
 */
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import type { Mesh } from '../mesh-interface.ts';
import type { InboundAnswer, InboundDoor, InboundDoorOptions, InboundRequest, MeshRequest } from '../model/inbound.ts';
import { failureAnswer, meshErrorIn } from './failure-answer.ts';
import { guardServer } from './guard-server.ts';

declare module 'fastify' {
  interface FastifyInstance {
    readonly mesh: Mesh;
  }
  interface FastifyRequest {
    /** What the mesh knows of the request. */
    readonly mesh: MeshRequest;
  }
}

/** What the plugin takes. */
export interface MeshFastifyOptions extends InboundDoorOptions {
  readonly mesh: Mesh;
}

const plugin: FastifyPluginAsync<MeshFastifyOptions> = async (app, { mesh, ...options }) => {
  // A scope is made out of the one around it: routes beside it would be open to everybody.
  if ('register' in (Object.getPrototypeOf(app) as object))
    throw new TypeError(
      'meshFastify is registered inside of another plugin, and would guard its routes alone; register it at the root',
    );
  app.decorate('mesh', mesh);
  addMeshHooks(app, mesh, options);
};

/** Puts the way in before everything that the app does with a request. */
export function addMeshHooks(app: FastifyInstance, mesh: Mesh, options: InboundDoorOptions): InboundDoor {
  const door = mesh.inbound({ ...pathRulesOf(app), ...options });
  const prepare = cutsAtSemicolon(app) ? withQuestionMark : undefined;
  app.decorateRequest('mesh', {
    getter(this: FastifyRequest): MeshRequest {
      return (this.raw as InboundRequest).mesh!;
    },
  });
  // Fastify looks for a route before any hook: what comes over its own server has the path of the rules by then.
  app.server.prependListener('request', (request: InboundRequest) => {
    prepare?.(request);
    door.normalize(request);
  });
  guardServer(app.server, door, ['upgrade', 'connect']);
  let hasConstraints = false;
  app.addHook('onRoute', ({ constraints = {} }) => {
    if (Object.keys(constraints).length > 0) hasConstraints = true;
  });
  const routedAgain = new WeakSet<object>();
  app.addHook('onRequest', (request, reply, done) => {
    const raw = request.raw as InboundRequest;
    if (routedAgain.delete(raw)) releaseTarget(raw);
    // Of a target that was let in too: `%3B` is `;` by now. It has another path then, and is judged again.
    prepare?.(raw);
    const routed = raw.url;
    const headers = hasConstraints ? headersOf(raw) : undefined;
    door.admit(raw, reply.raw, (refusal) => {
      if (refusal !== undefined) answer(reply, door.answerOf(raw, refusal));
      else if (raw.url === routed && (headers === undefined || headersOf(raw) === headers)) done();
      else {
        // Its route was found by another form of the path, or by other headers (constraints: its host), than the rules looked at.
        reply.hijack();
        routedAgain.add(raw);
        holdTarget(raw);
        app.routing(request.raw, reply.raw);
      }
    });
  });
  return door;
}

/** Keeps the path that was let in until its route is found: `rewriteUrl` would make another one of it, which no rule has seen. */
function holdTarget(raw: InboundRequest): void {
  const { url } = raw;
  Object.defineProperty(raw, 'url', { configurable: true, enumerable: true, get: () => url, set: () => {} });
}

function releaseTarget(raw: InboundRequest): void {
  const { url } = raw;
  delete raw.url;
  raw.url = url;
}

/** Tells headers that were edited from those that were not: Node makes another view then, where it does not keep the one of HTTP/2. */
function headersOf({ httpVersionMajor, headers, rawHeaders }: InboundRequest): object | string {
  return httpVersionMajor < 2 ? headers : rawHeaders.join('\n');
}

/** For the router `;` begins the query, for the rules `?` does. */
function withQuestionMark(raw: InboundRequest): void {
  raw.url = raw.url?.replace(/^([^?#;]+);/, '$1?');
}

/** How the app's own router compares paths. */
function pathRulesOf({ initialConfig }: FastifyInstance): Pick<InboundDoorOptions, 'ignorePathCase' | 'ignoreTrailingSlash'> {
  const { caseSensitive, ignoreTrailingSlash, routerOptions } = initialConfig as {
    readonly caseSensitive?: boolean;
    readonly ignoreTrailingSlash?: boolean;
    readonly routerOptions?: { readonly caseSensitive?: boolean; readonly ignoreTrailingSlash?: boolean };
  };
  return {
    ignorePathCase: (routerOptions?.caseSensitive ?? caseSensitive) === false,
    ignoreTrailingSlash: (routerOptions?.ignoreTrailingSlash ?? ignoreTrailingSlash) === true,
  };
}

function cutsAtSemicolon({ initialConfig }: FastifyInstance): boolean {
  const { useSemicolonDelimiter, routerOptions } = initialConfig as {
    readonly useSemicolonDelimiter?: boolean;
    readonly routerOptions?: { readonly useSemicolonDelimiter?: boolean };
  };
  return useSemicolonDelimiter === true || routerOptions?.useSemicolonDelimiter === true;
}

function answer(reply: FastifyReply, { status, headers, body }: InboundAnswer): void {
  reply.code(status);
  for (const [name, value] of Object.entries(headers)) reply.header(name, value);
  void reply.send(body === '' ? undefined : body);
}

/**
 * An error handler: `app.setErrorHandler(meshErrorHandler)`. A MeshError of a call that a handler made becomes its status (503, 504 …)
 * without a word of what is inside the mesh. Other errors go on to the handler that stands around it.
 */
export function meshErrorHandler(error: unknown, _request: FastifyRequest, reply: FastifyReply): void {
  const failure = meshErrorIn(error);
  if (failure === undefined) throw error;
  const { status, headers, body } = failureAnswer(failure);
  void reply.code(status).headers(headers).send(body);
}

// Without a scope of its own, so that its hook holds for the whole app. Source: the symbols that fastify-plugin sets.
export const meshFastify = Object.assign(plugin, {
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: 'meshfetch',
  [Symbol.for('plugin-meta')]: { name: 'meshfetch', fastify: '5.x' },
});

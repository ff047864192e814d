/**
 * The way in for Express: `app.use(meshExpress(mesh))`, before anything else. What it lets in has `request.mesh`; what it refuses no other
 * middleware sees. A server that `mesh.listen(app)` owns needs none of this: there the way in comes before Express.
 */
import type { ErrorRequestHandler, RequestHandler } from 'express';
import type { Mesh } from '../mesh-interface.ts';
import type { InboundDoor, InboundDoorOptions, InboundRequest, MeshRequest } from '../model/inbound.ts';
import { failureAnswer, meshErrorIn } from './failure-answer.ts';

declare global {
  // oxlint-disable-next-line no-namespace
  namespace Express {
    interface Request {
      /** What the mesh knows of the request; set by `meshExpress` and by `mesh.listen`. */
      mesh?: MeshRequest | undefined;
    }
  }
}

/**
 * A middleware that lets requests in by the mesh's policy. Mount it at the root and first: rules look at whole paths, and what runs before
 * it runs for everybody.
 *
 * Paths are compared as routers of Express do, in any case, with or without a final slash, unless the options say otherwise. The settings
 * of the app do not: a `Router()` is made without them, and what is mounted (`app.use('/admin', …)`) takes a final slash under `strict
 * routing` too. A prefix that is mounted is held by a rule for `/admin` and `/admin/*`; patterns of Express are no patterns of rules.
 */
export function meshExpress(mesh: Mesh, options: InboundDoorOptions = {}): RequestHandler {
  return middlewareOf(expressDoor(mesh, options));
}

/** The middleware of a door. */
export function middlewareOf(door: InboundDoor): RequestHandler {
  return function meshMiddleware(request, response, next) {
    if (request.baseUrl !== '') {
      next(new TypeError(`meshExpress stands at ${request.baseUrl}; mount it at the root: app.use(meshExpress(mesh))`));
      return;
    }
    const inbound: InboundRequest = request;
    door.admit(inbound, response, (refusal) => {
      if (refusal !== undefined) {
        door.refuse(inbound, response, refusal);
        return;
      }
      // One form of the path for the rules and for whoever looks at the original one.
      request.originalUrl = request.url;
      next();
    });
  };
}

/** A door that compares paths as routers of Express do, unless the options say otherwise. */
export function expressDoor(mesh: Mesh, options: InboundDoorOptions): InboundDoor {
  const { ignorePathCase = true, ignoreTrailingSlash = true } = options;
  return mesh.inbound({ ...options, ignorePathCase, ignoreTrailingSlash });
}

/**
 * An error handler, to stand last: a MeshError of a call that a handler made becomes its status (503, 504 …) without a word of what is
 * inside the mesh. Other errors go on.
 */
export function meshErrors(): ErrorRequestHandler {
  return function meshErrorHandler(error, _request, response, next) {
    const failure = meshErrorIn(error);
    if (failure === undefined || response.headersSent) {
      next(error);
      return;
    }
    const { status, headers, body } = failureAnswer(failure);
    response.status(status).set(headers).json(body);
  };
}

/**
 * Hands calls to a server of grpc-js that has no port of its own. A server connects itself with any number of HTTP/2 servers, of which it
 * hears two events; this is one that consists of these two events.
 */
import { EventEmitter } from 'node:events';
import type { Http2Session, IncomingHttpHeaders } from 'node:http2';
import type { Server, ServerInterceptor } from '@grpc/grpc-js';
import type { GrpcStream } from './grpc-stream.ts';

/** Hands a call over. */
export type ServeStream = (stream: GrpcStream, headers: IncomingHttpHeaders) => void;

interface ServerInternals {
  /** By path. */
  readonly handlers?: ReadonlyMap<string, unknown>;
  _setupHandlers(http2Server: object, interceptors: readonly ServerInterceptor[]): void;
}

/** What takes calls of a server. `interceptors` stand below those that the server was made with. Throws a TypeError for what is no server. */
export function streamServer(server: Server, interceptors: readonly ServerInterceptor[]): ServeStream {
  const internals = server as unknown as Partial<ServerInternals> | null | undefined;
  if (typeof internals?._setupHandlers !== 'function')
    throw new TypeError('grpcHandler: the first argument must be a Server of @grpc/grpc-js 1.14');
  const connections = Object.assign(new EventEmitter(), { address: () => null });
  internals._setupHandlers(connections, interceptors);
  const known = new WeakSet<Http2Session>();
  return (stream, headers) => {
    const { session } = stream;
    // The server's own options for connections (keepalive, age, idle time) and its channelz hold from the first call on.
    if (session !== undefined && !known.has(session)) {
      known.add(session);
      connections.emit('session', session);
    }
    connections.emit('stream', stream, headers);
  };
}

/** Whether a server has a method at this path, now. */
export function methodsOf(server: Server): (path: string) => boolean {
  const { handlers } = server as unknown as Pick<ServerInternals, 'handlers'>;
  return (path) => handlers?.has(path) === true;
}

import type { ServerInterceptor } from '@grpc/grpc-js';
import type { InboundRequest, MeshRequest } from '../../../model/inbound.ts';

/** What grpc-js has one of for each call, and finds again through all interceptors. */
interface Recorded {
  getMetricsRecorder(): object;
}

const meshOf = Symbol('meshfetch.request');

/** A property: a weak map would make work for the garbage collector with each call. */
interface Marked {
  [meshOf]?: MeshRequest;
}

/**
 * What the mesh knows of a call that came in by `mesh.listen`: the identity of its caller, tokens, how long the caller waits. Handlers ask
 * with their `call`, server interceptors with theirs. Undefined where the call came another way.
 */
export function meshRequest(call: Recorded): MeshRequest | undefined {
  return (call.getMetricsRecorder() as Marked)[meshOf];
}

/** Makes {@link meshRequest} know the calls that begin while `request` is set. */
export interface CallContext {
  request: InboundRequest | undefined;
  readonly interceptor: ServerInterceptor;
}

/** See {@link CallContext}. */
export function createCallContext(): CallContext {
  const context: CallContext = {
    request: undefined,
    interceptor: (_method, call) => {
      const mesh = context.request?.mesh;
      if (mesh !== undefined) ((call as unknown as Recorded).getMetricsRecorder() as Marked)[meshOf] = mesh;
      return call as ReturnType<ServerInterceptor>;
    },
  };
  return context;
}

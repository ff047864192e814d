import type { ServerInterceptor } from '@grpc/grpc-js';
import type { InboundRequest, MeshRequest } from '../../../model/inbound.ts';

/** What grpc-js has for each call, and finds again through all interceptors. */
interface Recorded {
  getMetricsRecorder(): object;
}

const requests = new WeakMap<object, MeshRequest>();

/**
 * What the mesh knows of a call that came in by `mesh.listen`: the identity of its caller, tokens, how long the caller waits. Handlers ask
 * with their `call`, server interceptors with theirs. Undefined where the call came another way.
 */
export function meshRequest(call: Recorded): MeshRequest | undefined {
  return requests.get(call.getMetricsRecorder());
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
      if (mesh !== undefined) requests.set((call as unknown as Recorded).getMetricsRecorder(), mesh);
      return call as ReturnType<ServerInterceptor>;
    },
  };
  return context;
}

import { MeshError } from '../../base/errors.ts';
import { grpcCodes, GrpcError, openGrpc } from '../../wire/grpc-client.ts';
import type { WorkloadEndpoint } from './endpoint.ts';
import { emptyMessage } from './messages.ts';

/** Methods of the Workload API whose answers follow one another. */
export type WatchedMethod = 'FetchX509SVID' | 'FetchX509Bundles' | 'FetchJWTBundles';
/** Methods with one answer. */
export type AskedMethod = 'FetchJWTSVID' | 'ValidateJWTSVID';

/** The SPIFFE Workload API at one endpoint. */
export interface WorkloadApi {
  /** Gives every answer to `onMessage` until the signal aborts; rejects with what {@link failureOf} makes of the end. */
  watch(method: WatchedMethod, onMessage: (bytes: Uint8Array) => void, signal: AbortSignal): Promise<void>;
  ask(method: AskedMethod, request: Uint8Array, signal?: AbortSignal): Promise<Uint8Array>;
}

/**
 * Proves that the caller is no browser or proxy that was led here: each call has it, and a server refuses those without. Source: SPIFFE
 * Workload Endpoint standard, section 4.
 */
const metadata = { 'workload.spiffe.io': 'true' };
/** An agent may attest the caller first, which takes a second. */
const askTimeoutMs = 10_000;

/** Each call has a connection of its own: whoever calls decides about back-off. */
export function createWorkloadApi(endpoint: WorkloadEndpoint): WorkloadApi {
  return {
    watch: (method, onMessage, signal) =>
      new Promise((resolve, reject) => {
        const connection = openGrpc({ address: endpoint.address });
        const onAbort = (): void => stream.cancel();
        const stream = connection.stream(pathOf(method), {
          metadata,
          onMessage,
          onEnd(error) {
            signal.removeEventListener('abort', onAbort);
            connection.close();
            if (error === undefined || signal.aborted) resolve();
            else reject(failureOf(error, method, endpoint));
          },
        });
        signal.addEventListener('abort', onAbort, { once: true });
        if (signal.aborted) stream.cancel();
        stream.send(emptyMessage);
        stream.end();
      }),
    async ask(method, request, signal) {
      const connection = openGrpc({ address: endpoint.address });
      try {
        return await connection.unary(pathOf(method), request, {
          metadata,
          timeoutMs: askTimeoutMs,
          ...(signal !== undefined && { signal }),
        });
      } catch (error) {
        if (error instanceof GrpcError) throw failureOf(error, method, endpoint);
        throw error;
      } finally {
        connection.close();
      }
    },
  };
}

/** The service has no package. */
function pathOf(method: WatchedMethod | AskedMethod): string {
  return `/SpiffeWorkloadAPI/${method}`;
}

/** An error of the Workload API. Asking again may help, unless it `isFinal`. */
export class WorkloadApiError extends MeshError {
  /** The server will never take such a request. Source: SPIFFE Workload Endpoint standard, section 6: INVALID_ARGUMENT is not retried. */
  readonly isFinal: boolean;
  constructor(message: string, isFinal: boolean, cause: unknown) {
    super('MESH_CONTROL_PLANE', message, { cause });
    this.isFinal = isFinal;
  }
}

/** What the end of a call means, and what to do. */
function failureOf(error: GrpcError, method: string, { text }: WorkloadEndpoint): WorkloadApiError {
  const said = `the SPIFFE Workload API at ${text} answered ${method} with ${error.message}`;
  switch (error.code) {
    case grpcCodes.invalidArgument:
      if (method === 'FetchJWTSVID' || method === 'ValidateJWTSVID')
        return new WorkloadApiError(`${said}; look at the audience and the token`, true, error);
      return new WorkloadApiError(`${said}; it is not asked again: see that a Workload API is what listens there`, true, error);
    case grpcCodes.permissionDenied:
      return new WorkloadApiError(
        `${said}; it has no identity for this process: make an entry for it (\`spire-server entry create\`), it is asked again`,
        false,
        error,
      );
    case grpcCodes.unavailable:
      return new WorkloadApiError(
        `the SPIFFE Workload API at ${text} cannot be reached (${error.details || error.codeName}); see that the agent runs and that this user may open the socket`,
        false,
        error,
      );
    case grpcCodes.unimplemented:
      return new WorkloadApiError(`${said}; see that a Workload API is what listens there, and its version`, false, error);
    default:
      return new WorkloadApiError(`${said}; see the log of the agent`, false, error);
  }
}

import type { BodySizes } from './body-sizes.ts';
import { otherName } from './bounded-names.ts';
import { grpcStatusName } from './grpc-call.ts';
import type { Instruments } from './instruments.ts';
import type { MeshScope } from './mesh-scope.ts';
import type { ServerFacts } from './server-facts.ts';

/**
 * The metrics of one gRPC call that came in. Made for those alone, and only where an SDK is registered. A caller may make up any name, so a
 * method is named only where the handler said that it knows it (`grpcMethod` of the response) for this call or an earlier one. Source:
 * gRFC A66, "Server Per-Call Instruments" and `grpc.method`.
 */
export class GrpcServerCall {
  private readonly scope: MeshScope;
  private readonly instruments: Instruments;
  private readonly facts: ServerFacts;
  private method: string | undefined = undefined;

  constructor(scope: MeshScope, instruments: Instruments, facts: ServerFacts) {
    this.scope = scope;
    this.instruments = instruments;
    this.facts = facts;
  }

  /** The handler has it, or never will. Further calls do nothing. */
  begin(): void {
    if (this.method !== undefined) return;
    this.method = this.methodLabel();
    this.instruments.get('grpc.server.call.started').add(1, { 'grpc.method': this.method });
  }

  /** The call is over. */
  end(isCancelled: boolean, durationMs: number, sizes: BodySizes | undefined): void {
    this.begin();
    const { instruments, method = 'other', facts } = this;
    const status = facts.response?.grpcStatus ?? sizes?.grpcStatus;
    const labels = {
      'grpc.method': method,
      'grpc.status': grpcStatusName(status, status === undefined && isCancelled ? 'cancelled' : undefined),
    };
    instruments.get('grpc.server.call.duration').record(durationMs / 1000, labels);
    instruments.get('grpc.server.call.sent_total_compressed_message_size').record(sizes?.responseMessages?.bytes ?? 0, labels);
    instruments.get('grpc.server.call.rcvd_total_compressed_message_size').record(sizes?.requestMessages?.bytes ?? 0, labels);
  }

  private methodLabel(): string {
    const { scope, facts } = this;
    const told = facts.response?.grpcMethod;
    if (told !== undefined) {
      const label = scope.servedGrpcMethods.label(told);
      return label === otherName ? 'other' : label;
    }
    // Refused before it reached the handler.
    const method = facts.pathOnly.slice(1);
    return scope.servedGrpcMethods.has(method) ? method : 'other';
  }
}

/** The metrics of a request that came in, where it is a call of gRPC; gRPC-Web has its status in the body, which nobody reads. */
export function grpcServerCallOf(
  scope: MeshScope,
  instruments: Instruments | undefined,
  facts: ServerFacts,
): GrpcServerCall | undefined {
  if (instruments === undefined) return undefined;
  const type = facts.header('content-type');
  const isGrpc = typeof type === 'string' && /^application\/grpc(?:[+; ]|$)/i.test(type);
  return isGrpc ? new GrpcServerCall(scope, instruments, facts) : undefined;
}

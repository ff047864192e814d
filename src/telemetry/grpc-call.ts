import type { Attributes } from '@opentelemetry/api';
import { errorTable } from '../base/errors.ts';
import { grpcStatusNames } from '../base/grpc-status.ts';
import type { FailureType } from './events.ts';
import { GrpcMessages } from './grpc-messages.ts';
import type { Instruments } from './instruments.ts';
import type { MeshScope } from './mesh-scope.ts';
import type { RequestFacts } from './request-span.ts';

/** The label of a status: a number that gRPC does not know, and a response without one, are UNKNOWN. */
export function grpcStatusName(status: unknown, error?: FailureType): string {
  if (error === 'cancelled') return 'CANCELLED';
  if (error !== undefined) return errorTable[error].grpcStatus;
  return grpcStatusNames[Number(status ?? 2)] ?? 'UNKNOWN';
}

/** What of a request names a call. */
type GrpcFacts = Pick<RequestFacts, 'path' | 'scheme' | 'host' | 'port'>;

/** One gRPC call: how it ended, and its metrics where an SDK is registered. Made for gRPC requests alone. */
export class GrpcCall {
  /** `grpc-status` of the response that its caller gets. */
  status: unknown = undefined;
  readonly scope: MeshScope;
  readonly instruments: Instruments | undefined;
  /** Of every metric of the call; none where there are no metrics. */
  readonly labels: Attributes;

  /** The path is `/package.Service/Method`; the target is what a channel to the host would be made with. */
  constructor(scope: MeshScope, instruments: Instruments | undefined, { path, scheme, host, port }: GrpcFacts) {
    this.scope = scope;
    this.instruments = instruments;
    this.labels = {};
    if (instruments === undefined) return;
    const authority = port === (scheme === 'https' ? 443 : 80) ? host : `${host}:${port}`;
    const query = path.indexOf('?');
    const method = scope.grpcMethods.label(path.slice(1, query === -1 ? undefined : query));
    this.labels = {
      'grpc.method': method === '_other' ? 'other' : method, // gRFC A66's word
      'grpc.target': `mesh:///${scope.services.label(authority)}`,
    };
  }

  startAttempt(cluster: string): GrpcAttempt {
    this.instruments?.get('grpc.client.attempt.started').add(1, this.labels);
    return new GrpcAttempt(this, cluster);
  }

  /** The call is over. Returns the name of its status. */
  end(error: FailureType | undefined, durationMs: number): string {
    const status = grpcStatusName(this.status, error);
    this.instruments?.get('grpc.client.call.duration').record(durationMs / 1000, { ...this.labels, 'grpc.status': status });
    return status;
  }
}

/** One attempt of it. */
export class GrpcAttempt {
  /** `grpc-status` of its response, from the head or the trailers. */
  status: unknown = undefined;
  readonly sent = new GrpcMessages();
  readonly received = new GrpcMessages();
  private readonly call: GrpcCall;
  private readonly cluster: string;

  constructor(call: GrpcCall, cluster: string) {
    this.call = call;
    this.cluster = cluster;
  }

  /** The attempt is over. */
  end(error: FailureType | undefined, durationMs: number): void {
    const { instruments, labels: own, scope } = this.call;
    if (instruments === undefined) return;
    const labels = {
      ...own,
      'grpc.status': grpcStatusName(this.status, error),
      'grpc.lb.backend_service': scope.clusters.label(this.cluster),
    };
    instruments.get('grpc.client.attempt.duration').record(durationMs / 1000, labels);
    instruments.get('grpc.client.attempt.sent_total_compressed_message_size').record(this.sent.bytes, labels);
    instruments.get('grpc.client.attempt.rcvd_total_compressed_message_size').record(this.received.bytes, labels);
  }
}

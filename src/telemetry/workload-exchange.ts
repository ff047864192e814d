/**
 * One request as Istio's proxies count it at its client (`reporter="source"`), where the mesh says what workload this process is. Sizes
 * are those of the bodies of the attempt that was sent last: what headers and framing take is not known above HTTP.
 */
import { errorTable } from '../base/errors.ts';
import { grpcStatusNumber } from '../base/grpc-status.ts';
import type { ControlPlane } from '../model/contracts.ts';
import { otherName, BoundedNames } from './bounded-names.ts';
import type { FailureType } from './events.ts';
import { GrpcMessages } from './grpc-messages.ts';
import type { Instruments } from './instruments.ts';
import type { RequestFacts } from './request-span.ts';
import { destinationLabels, otherDestination, sourceLabels, type Destination, type PeerWorkload } from './workload-labels.ts';

/** Different sets of labels of destinations, and of sources: what peers and callers write is in them. */
const maxDestinations = 256;

const defaultPorts: Readonly<Record<string, number>> = { http: 80, https: 443 };

/** Who this process is, and the destinations and sources that its metrics name. */
export class WorkloadScope {
  readonly workload: NonNullable<ControlPlane['workload']>;
  readonly destinations = new BoundedNames(maxDestinations);
  /** Of the requests that came in. */
  readonly sources = new BoundedNames(maxDestinations);
  constructor(workload: NonNullable<ControlPlane['workload']>) {
    this.workload = workload;
  }

  /** A request that begins. */
  exchangeOf({ scheme, host, port }: Pick<RequestFacts, 'scheme' | 'host' | 'port'>): WorkloadExchange {
    return new WorkloadExchange(this, port === defaultPorts[scheme] ? host : `${host}:${port}`);
  }
}

/** How a request ended. */
export interface ExchangeEnd {
  readonly status: number | undefined;
  readonly error: FailureType | undefined;
  readonly flags: string;
  readonly durationMs: number;
}

/** What is noted of one request; `measure` is called once. */
export class WorkloadExchange {
  isGrpc = false;
  /** What the peer said of itself. */
  peer: PeerWorkload | undefined = undefined;
  /** SPIFFE IDs that the connection proved: the peer's, and ours. */
  peerPrincipal: string | undefined = undefined;
  ownPrincipal: string | undefined = undefined;
  private grpcStatus: string | undefined = undefined;
  private readonly scope: WorkloadScope;
  private readonly host: string;
  private destination: Destination | undefined = undefined;
  private attempt = 0;
  private requestBytes = 0;
  private responseBytes = 0;
  private requestMessages: GrpcMessages | undefined = undefined;
  private responseMessages: GrpcMessages | undefined = undefined;

  /** `host` is the one of the URL, with a port where that is not the scheme's. */
  constructor(scope: WorkloadScope, host: string) {
    this.scope = scope;
    this.host = host;
  }

  /** An attempt is sent: what was noted of another one is of no account. */
  sent(attempt: number, destination: Destination): void {
    this.attempt = attempt;
    this.destination = destination;
    this.requestBytes = 0;
    this.requestMessages = this.isGrpc ? new GrpcMessages() : undefined;
  }

  /** A part of the request's body has left. */
  requestPart(attempt: number, chunk: Uint8Array): void {
    if (attempt !== this.attempt) return;
    this.requestBytes += chunk.byteLength;
    this.requestMessages?.read(chunk);
  }

  /** A part of the response that the caller gets. */
  responsePart(chunk: Uint8Array): void {
    this.responseBytes += chunk.byteLength;
    if (this.isGrpc) (this.responseMessages ??= new GrpcMessages()).read(chunk);
  }

  /** The response says its gRPC status, or is over without one. */
  ended(grpcStatus: string | readonly string[] | undefined): void {
    if (typeof grpcStatus === 'string') this.grpcStatus = grpcStatus;
  }

  /** @internal The request is over. */
  measure(instruments: Instruments, { status, error, flags, durationMs }: ExchangeEnd): void {
    const own = this.scope.workload.current();
    if (own === undefined) return;
    const parties = { reporter: 'source', ...sourceLabels(own, this.ownPrincipal), ...this.labelsOfDestination() };
    const labels = {
      ...parties,
      request_protocol: this.isGrpc ? 'grpc' : 'http',
      response_code: String(statusOf(status, error)),
      grpc_response_status: this.isGrpc ? (this.grpcStatus ?? grpcStatusOf(error)) : '',
      response_flags: flags,
      // Istio leaves it to the server's side to say.
      connection_security_policy: 'unknown',
    };
    instruments.get('istio_requests_total').add(1, labels);
    instruments.get('istio_request_duration_milliseconds').record(durationMs, labels);
    instruments.get('istio_request_bytes').record(this.requestBytes, labels);
    instruments.get('istio_response_bytes').record(this.responseBytes, labels);
    if (!this.isGrpc) return;
    instruments.get('istio_request_messages_total').add(this.requestMessages?.count ?? 0, parties);
    instruments.get('istio_response_messages_total').add(this.responseMessages?.count ?? 0, parties);
  }

  private labelsOfDestination(): ReturnType<typeof destinationLabels> {
    const labels = destinationLabels(this.host, this.destination, this.peer, this.peerPrincipal);
    const key = Object.values(labels).join('\n');
    return this.scope.destinations.label(key) === otherName ? otherDestination : labels;
  }
}

/** What a sidecar would have answered with; 0 where its caller was gone (Envoy). */
function statusOf(status: number | undefined, error: FailureType | undefined): number {
  if (status !== undefined) return status;
  return error === undefined || error === 'cancelled' ? 0 : errorTable[error].status;
}

function grpcStatusOf(error: FailureType | undefined): string {
  return error === undefined || error === 'cancelled' ? '' : String(grpcStatusNumber(errorTable[error].grpcStatus));
}

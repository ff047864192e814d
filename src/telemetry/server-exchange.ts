/**
 * One request as Istio's proxies count it at its server (`reporter="destination"`), where the mesh says what workload this process is.
 * Sizes are those of the bodies. Source: istio/proxy `istio_stats.cc`.
 */
import type { Attributes } from '@opentelemetry/api';
import type { BodySizes } from './body-sizes.ts';
import { otherName } from './bounded-names.ts';
import type { Instruments } from './instruments.ts';
import type { WorkloadScope } from './workload-exchange.ts';
import { otherSource, ownDestinationLabels, peerSourceLabels, type PeerWorkload, type ServedName } from './workload-labels.ts';

/** What is known of the request when it comes in. */
export interface ServerExchangeFacts {
  readonly connection: { readonly peer: { readonly isAuthenticated: boolean; readonly spiffeId?: string } };
}

/** How a request that came in ended. */
export interface ServerExchangeEnd {
  /** Undefined = its caller was gone before there was one. */
  readonly status: number | undefined;
  readonly flags: string;
  readonly durationMs: number;
  readonly sizes: BodySizes | undefined;
}

/** What is noted of one request; `measure` is called once. */
export class ServerExchange {
  /** What the peer said of itself. */
  peer: PeerWorkload | undefined = undefined;
  /** URI of the certificate that this process shows. */
  ownPrincipal: string | undefined = undefined;
  /** The service that was asked for. */
  service: ServedName | undefined = undefined;
  private readonly scope: WorkloadScope;
  private readonly facts: ServerExchangeFacts;

  constructor(scope: WorkloadScope, facts: ServerExchangeFacts) {
    this.scope = scope;
    this.facts = facts;
  }

  /** @internal The request is over. */
  measure(instruments: Instruments, { status, flags, durationMs, sizes }: ServerExchangeEnd): void {
    const own = this.scope.workload.current();
    if (own === undefined) return;
    const { isAuthenticated } = this.facts.connection.peer;
    const isGrpc = sizes?.isGrpc === true;
    const parties = {
      reporter: 'destination',
      ...this.labelsOfSource(),
      ...ownDestinationLabels(own, this.ownPrincipal, this.service),
    };
    const labels = {
      ...parties,
      request_protocol: isGrpc ? 'grpc' : 'http',
      response_code: String(status ?? 0),
      grpc_response_status: isGrpc ? (sizes.grpcStatus ?? '') : '',
      response_flags: flags,
      connection_security_policy: isAuthenticated ? 'mutual_tls' : 'none',
    };
    instruments.get('istio_requests_total').add(1, labels);
    instruments.get('istio_request_duration_milliseconds').record(durationMs, labels);
    instruments.get('istio_request_bytes').record(sizes?.requestBytes ?? 0, labels);
    instruments.get('istio_response_bytes').record(sizes?.responseBytes ?? 0, labels);
    if (!isGrpc) return;
    instruments.get('istio_request_messages_total').add(sizes.requestMessages?.count ?? 0, parties);
    instruments.get('istio_response_messages_total').add(sizes.responseMessages?.count ?? 0, parties);
  }

  private labelsOfSource(): Attributes {
    const labels = peerSourceLabels(this.peer, this.facts.connection.peer.spiffeId);
    const key = Object.values(labels).join('\n');
    return this.scope.sources.label(key) === otherName ? otherSource : labels;
  }
}

/**
 * One request as Istio's proxies count it at its server (`reporter="destination"`), where the mesh says what workload this process is.
 * Sizes are those of the bodies. Source: istio/proxy `istio_stats.cc`.
 */
import type { Attributes } from '@opentelemetry/api';
import { BodySizes } from './body-sizes.ts';
import { otherName } from './bounded-names.ts';
import type { Instruments } from './instruments.ts';
import type { WorkloadScope } from './workload-exchange.ts';
import { otherSource, ownDestinationLabels, peerSourceLabels, type PeerWorkload, type ServedName } from './workload-labels.ts';

/** What is known of the request when it comes in. */
export interface ServerExchangeFacts {
  readonly method: string;
  readonly connection: { readonly peer: { readonly isAuthenticated: boolean; readonly spiffeId?: string } };
  header(name: string): string | readonly string[] | undefined;
}

/** How a request that came in ended. */
export interface ServerExchangeEnd {
  /** Undefined = its caller was gone before there was one. */
  readonly status: number | undefined;
  readonly flags: string;
  readonly durationMs: number;
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
  private readonly isGrpc: boolean;
  private sizes: BodySizes | undefined = undefined;
  private response: { getHeader(name: string): unknown } | undefined = undefined;

  constructor(scope: WorkloadScope, facts: ServerExchangeFacts) {
    this.scope = scope;
    this.facts = facts;
    const type = facts.header('content-type');
    this.isGrpc = typeof type === 'string' && type.toLowerCase().startsWith('application/grpc');
  }

  /** Counts the bodies from now on. */
  watch(request: object, response: { getHeader(name: string): unknown }): void {
    this.response = response;
    this.sizes = new BodySizes({ request, response }, this.isGrpc, this.facts.method === 'HEAD');
  }

  /** @internal The request is over. */
  measure(instruments: Instruments, { status, flags, durationMs }: ServerExchangeEnd): void {
    const own = this.scope.workload.current();
    if (own === undefined) return;
    const { isAuthenticated } = this.facts.connection.peer;
    const parties = {
      reporter: 'destination',
      ...this.labelsOfSource(),
      ...ownDestinationLabels(own, this.ownPrincipal, this.service),
    };
    const labels = {
      ...parties,
      request_protocol: this.isGrpc ? 'grpc' : 'http',
      response_code: String(status ?? 0),
      grpc_response_status: this.isGrpc ? this.grpcStatus() : '',
      response_flags: flags,
      connection_security_policy: isAuthenticated ? 'mutual_tls' : 'none',
    };
    const { sizes } = this;
    instruments.get('istio_requests_total').add(1, labels);
    instruments.get('istio_request_duration_milliseconds').record(durationMs, labels);
    instruments.get('istio_request_bytes').record(sizes?.requestBytes ?? 0, labels);
    instruments.get('istio_response_bytes').record(sizes?.responseBytes ?? 0, labels);
    if (!this.isGrpc) return;
    instruments.get('istio_request_messages_total').add(sizes?.requestMessages?.count ?? 0, parties);
    instruments.get('istio_response_messages_total').add(sizes?.responseMessages?.count ?? 0, parties);
  }

  /** In the trailers, or in a response of headers alone. */
  private grpcStatus(): string {
    const { sizes, response } = this;
    if (sizes?.grpcStatus !== undefined) return sizes.grpcStatus;
    const header = response?.getHeader('grpc-status');
    return typeof header === 'string' || typeof header === 'number' ? String(header) : '';
  }

  private labelsOfSource(): Attributes {
    const labels = peerSourceLabels(this.peer, this.facts.connection.peer.spiffeId);
    const key = Object.values(labels).join('\n');
    return this.scope.sources.label(key) === otherName ? otherSource : labels;
  }
}

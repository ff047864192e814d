/**
 * Hears from the headers of a request which workload sent it, and tells its peer who we are in those of the response, as Istio's proxies
 * do at a server: what was asked in is answered, and neither program sees it. What a peer says of itself is for metrics and proves
 * nothing; its certificate does. Source: istio/proxy `peer_metadata/filter.cc` (downstream).
 */
import type { InboundRequest, InboundResponse } from '../../model/inbound.ts';
import type { FilterChainConfig } from '../../model/listener.ts';
import type { RouteTableConfig } from '../../model/route.ts';
import type { ServerSpan } from '../../telemetry/server-span.ts';
import type { ServedName } from '../../telemetry/workload-labels.ts';
import { idHeader, metadataHeader, type KnownWorkloads } from '../workload/known-workloads.ts';
import { editHeaders, firstValue } from './request-headers.ts';

/** A request that came in, and its response. */
export interface ExchangedRequest {
  readonly request: InboundRequest;
  readonly response: InboundResponse;
  readonly span: ServerSpan | undefined;
}

/** Called once for each request, after its span was begun and before anybody reads its headers. */
export type PeerExchange = (exchanged: ExchangedRequest) => void;

const removed = { remove: [metadataHeader, idHeader] };

/**
 * Compiles the exchange of a chain; undefined = nothing is heard or told. `workloads` is that of the mesh, `ownNames` gives the URI names
 * of the certificate that this process shows.
 */
export function compilePeerExchange(
  { telemetry, tls }: Pick<FilterChainConfig, 'telemetry' | 'tls'>,
  table: RouteTableConfig | undefined,
  workloads: KnownWorkloads | undefined,
  ownNames: () => readonly string[],
): PeerExchange | undefined {
  const config = telemetry?.peerMetadata;
  if (config === undefined) return undefined;
  const hears = config.discover.includes('headers');
  const service = servedName(table);
  return ({ request, response, span }) => {
    const id = firstValue(request, idHeader) ?? '';
    const metadata = firstValue(request, metadataHeader);
    if (metadata !== undefined || id !== '') editHeaders(request, removed);
    const own = config.propagate ? workloads?.ownHeaders() : undefined;
    if (own !== undefined && metadata !== undefined) response.setHeader(metadataHeader, own.metadata);
    if (own !== undefined && id !== '') response.setHeader(idHeader, own.id);
    const exchange = span?.exchange;
    if (exchange === undefined) return;
    if (hears && metadata !== undefined) exchange.peer = workloads?.peerOf(id, metadata);
    exchange.ownPrincipal = tls === undefined ? undefined : ownNames()[0];
    exchange.service = service;
  };
}

/** Of the operation that Istio gives to the one route of a port: `orders.shop.svc.cluster.local:80/*`. */
export function servedName(table: RouteTableConfig | undefined): ServedName | undefined {
  const operation = table?.virtualHosts[0]?.routes[0]?.operation;
  const host = operation === undefined ? undefined : /^([^:/]+):\d+\/\*$/.exec(operation)?.[1];
  if (host === undefined) return undefined;
  const [name = host, namespace = '', kind] = host.split('.');
  return kind === 'svc' ? { host, name, namespace } : { host, name: host, namespace: '' };
}

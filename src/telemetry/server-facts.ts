/** What telemetry asks of a request that came in. */
import type { Attributes } from '@opentelemetry/api';
import type { InboundPeer } from '../model/inbound.ts';
import type { AuthorizationShadowEvent, AuthorizerUnansweredEvent } from './inbound-events.ts';
import { redactQuery } from './redact-url.ts';

/** A request that came in, after normalisation. An interface that the request of the way in has by itself, so that asking allocates nothing. */
export interface ServerFacts {
  readonly method: string;
  readonly scheme: string;
  readonly authority: string;
  /** With its query. */
  readonly path: string;
  readonly pathOnly: string;
  /** The client's, over the trusted proxies in front. */
  readonly remoteAddress: string;
  readonly connection: {
    readonly protocol: 'http/1.1' | 'h2';
    readonly directAddress: string;
    readonly localAddress: string;
    readonly localPort: number;
    /** SNI. */
    readonly serverName: string | undefined;
    readonly peer: InboundPeer;
  };
  /** The objects of the server, where bodies and headers of the response are looked at. */
  readonly request?: { readonly socket: { readonly remotePort?: unknown } };
  readonly response?: {
    getHeader(name: string): number | string | readonly string[] | undefined;
    /** Of a call of gRPC: what its handler knows it as, and what its trailers say. */
    readonly grpcMethod?: string | undefined;
    readonly grpcStatus?: number | undefined;
  };
  /** `name` in lower case. */
  header(name: string): string | readonly string[] | undefined;
}

/** How a request that came in ended. */
export interface ServerOutcome {
  readonly status?: number | undefined;
  /** The caller left before the end of the response. */
  readonly isCancelled?: boolean | undefined;
  /** Of the verified token. */
  readonly requestPrincipal?: string | undefined;
  /** Pattern of the program's own route, such as `/orders/:id`, where its framework says so. */
  readonly route?: string | undefined;
  /** Name of the route of the policy. */
  readonly policyRoute?: string | undefined;
}

/** A verdict without effect. */
export type ShadowVerdict = Pick<AuthorizationShadowEvent, 'kind' | 'verdict' | 'policy'>;

/** What an external authorizer that said nothing led to. */
export type UnansweredCheck = Pick<AuthorizerUnansweredEvent, 'authorizer' | 'reason' | 'wentOn'>;

/** `1.1` or `2`. */
export function protocolVersion({ connection }: ServerFacts): string {
  return connection.protocol === 'h2' ? '2' : '1.1';
}

/** Attributes of its span that are known when it begins. `label` is the method as metrics have it. */
export function serverAttributes(facts: ServerFacts, label: string): Attributes {
  const { method, scheme, authority, path, pathOnly, remoteAddress, connection } = facts;
  const attributes: Attributes = {
    'http.request.method': label,
    'url.path': pathOnly,
    'url.scheme': scheme,
    'server.port': connection.localPort,
    'client.address': remoteAddress,
    'network.peer.address': connection.directAddress,
    'network.protocol.version': protocolVersion(facts),
  };
  if (label !== method) attributes['http.request.method_original'] = method;
  const query = path.indexOf('?');
  if (query !== -1) attributes['url.query'] = redactQuery(path).slice(query + 1);
  if (authority !== '') attributes['server.address'] = hostOf(authority);
  const agent = facts.header('user-agent');
  if (typeof agent === 'string') attributes['user_agent.original'] = agent;
  return attributes;
}

/** Without the port; an IPv6 address keeps its brackets. */
function hostOf(authority: string): string {
  const port = authority.lastIndexOf(':');
  return port === -1 || authority.endsWith(']') ? authority : authority.slice(0, port);
}

/** `error.type` of a server: what its caller did wrong is no error of it. Source: semantic conventions for HTTP spans, "Status". */
export function failureOf({ status, isCancelled }: ServerOutcome): string | undefined {
  if (isCancelled === true) return 'cancelled';
  return status !== undefined && status >= 500 ? String(status) : undefined;
}

/** What telemetry asks of a request that came in. */
import type { Attributes } from '@opentelemetry/api';
import type { InboundPeer } from '../model/inbound.ts';
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
    readonly localPort: number;
    readonly peer: InboundPeer;
  };
  /** `name` in lower case. */
  header(name: string): string | readonly string[] | undefined;
}

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

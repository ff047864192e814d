/**
 * ALPN: what is offered, and what HTTP version the chosen name means. Istio tells traffic of the mesh by names of its own: its server
 * terminates mutual TLS only for who offers one of them (PERMISSIVE), and may choose any of the list: `istio-h2` and `h2` are HTTP/2,
 * `istio-http/1.1`, `istio-http/1.0` and `http/1.1` are HTTP/1.1, `istio` is whichever was meant. Source: Istio's `istio.alpn` filter
 * and `filters.go`.
 */
import type { UpstreamProtocol } from '../../model/cluster.ts';
import type { UpstreamTls } from '../../model/tls.ts';

/**
 * `never` = HTTP/1.1; `offer` = HTTP/2 where the peer takes it by ALPN; `prior-knowledge` = HTTP/2, unless the peer chooses a name of
 * HTTP/1.1.
 */
export type Http2Use = 'never' | 'offer' | 'prior-knowledge';

/** Names of HTTP/1.1 by those of HTTP/2: what is offered instead where HTTP/2 is not wanted. */
const http1NameOf: ReadonlyMap<string, string> = new Map([
  ['h2', 'http/1.1'],
  ['istio-h2', 'istio-http/1.1'],
]);
const http1Names: ReadonlySet<string> = new Set(['http/1.0', 'http/1.1', 'istio-http/1.0', 'istio-http/1.1']);

/**
 * How HTTP/2 is used by a cluster of this protocol. Where its TLS names protocols and it speaks HTTP/2, it does so under each of them,
 * as in Envoy; where it names none, the peer may choose HTTP/1.1. `same-as-request` is HTTP/1.1 here: requests that are HTTP/2 say so.
 */
export function http2UseOf(protocol: UpstreamProtocol, tls: UpstreamTls | undefined): Http2Use {
  if (protocol === 'http1' || protocol === 'same-as-request') return 'never';
  if (tls === undefined || tls.mode === 'disabled') return protocol === 'http2' ? 'prior-knowledge' : 'never';
  return protocol === 'http2' && namesProtocols(tls.alpn) ? 'prior-knowledge' : 'offer';
}

/** The list to offer: the configured one, without what is not wanted. */
export function offeredProtocols(configured: readonly string[] | undefined, use: Http2Use): string[] {
  if (!namesProtocols(configured)) return use === 'never' ? ['http/1.1'] : use === 'offer' ? ['h2', 'http/1.1'] : ['h2'];
  if (use === 'never') return [...new Set(configured.map((name) => http1NameOf.get(name) ?? name))];
  if (use === 'offer') return [...configured];
  const wanted = configured.filter((name) => !http1Names.has(name));
  return wanted.length > 0 ? wanted : [...configured];
}

/** Whether a connection on which the peer chose this name speaks HTTP/2; `false` or null = it chose none. */
export function speaksHttp2(chosen: string | false | null, use: Http2Use): boolean {
  if (use === 'never') return false;
  if (typeof chosen === 'string' && http1NameOf.has(chosen)) return true;
  return use === 'prior-knowledge' && (typeof chosen !== 'string' || !http1Names.has(chosen));
}

function namesProtocols(alpn: readonly string[] | undefined): alpn is readonly string[] {
  return alpn !== undefined && alpn.length > 0;
}

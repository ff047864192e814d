/**
 * ALPN at the way in. HTTP/2 is preferred, as Envoy's lists do; Istio's names of the same protocols are known beside the plain ones.
 * `istio-peer-exchange` is never chosen: whoever gets it sends a preface of its own before the first request.
 * Source: RFC 7301, section 3.2; Istio's `istio.alpn` filter; Envoy takes its own order, not the client's.
 */

/** In the order of preference: name → what is spoken under it. */
const spoken: readonly (readonly [name: string, speaks: 'h2' | 'http/1.1' | 'detect'])[] = [
  ['h2', 'h2'],
  ['http/1.1', 'http/1.1'],
  ['istio-h2', 'h2'],
  ['istio-http/1.1', 'http/1.1'],
  ['istio-http/1.0', 'http/1.1'],
  ['istio', 'detect'],
];

/**
 * The first of our names among those that the client offers; undefined = none, and the handshake fails. A chain that names only one
 * version of HTTP has that one spoken, under whatever name.
 */
export function chooseApplicationProtocol(offered: readonly string[], ofChain: readonly string[]): string | undefined {
  const takesHttp2 = takes(ofChain, 'h2');
  const takesHttp1 = takes(ofChain, 'http/1.1');
  const isAny = takesHttp2 === takesHttp1;
  return spoken.find(([name, speaks]) => {
    if (!offered.includes(name)) return false;
    return isAny || speaks === 'detect' || (speaks === 'h2' ? takesHttp2 : takesHttp1);
  })?.[0];
}

function takes(ofChain: readonly string[], protocol: 'h2' | 'http/1.1'): boolean {
  return spoken.some(([name, speaks]) => speaks === protocol && ofChain.includes(name));
}

/** What is spoken on a connection on which this name was agreed on; `'detect'` = its first bytes say so. */
export function spokenUnder(name: string | false | null): 'h2' | 'http/1.1' | 'detect' {
  return spoken.find(([known]) => known === name)?.[1] ?? 'detect';
}
